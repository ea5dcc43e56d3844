"""Applies the policy to the calling process, for good, and reports what held.

Everything here is one way: once applied it cannot be undone by the code that runs afterwards. Each protection is
independent; where one is not available the report says why and the others still hold. The kernel interfaces are
called directly: they are the boundary this project exists for, and need nothing installed.

Sources: seccomp(2), landlock(7), prctl(2), capabilities(7), setrlimit(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from autograder.sandbox import policy as declared
from autograder.sandbox.policy import MEGABYTE, Policy

HELD = "held"

# prctl(2)
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 8, 22, 38
_SIGKILL = 9

# seccomp(2) and the classic BPF it takes (linux/filter.h)
_SECCOMP_MODE_FILTER = 2
_LOAD_WORD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16
_CLONE_THREAD = 0x00010000
_X32_CALLS = 0x40000000  # x86-64's second calling convention

# landlock(7)
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ = (1 << 2) | (1 << 3)  # read a file, list a folder
_READ_AND_RUN = _READ | 1  # shared libraries are mapped executable
_FILE_RIGHTS = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14) | (1 << 15)
_NEVER = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 12)  # devices, sockets, FIFOs, symlinks: nowhere
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}

_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _words(*arguments: int | bytes | None) -> list[ctypes.c_void_p | ctypes.c_char_p]:
    """Arguments of a variadic C function at full register width (a C int would leave the upper half undefined)."""
    return [ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_void_p(a) for a in arguments]


def _prctl(what: str, option: int, *arguments: int | bytes) -> None:
    filled = [*arguments, 0, 0, 0, 0][:4]
    _checked(_libc().prctl(option, *_words(*filled)), what)


def _syscall(what: str, number: int, *arguments: int | bytes | None) -> int:
    libc = _libc()
    libc.syscall.restype = ctypes.c_long
    return _checked(libc.syscall(*_words(number, *arguments)), what)


def confine(policy: Policy, readable: Iterable[Path], writable: Iterable[Path], user_id: int | None) -> dict[str, str]:
    """Apply every protection that this machine has; returns protection → "held…" or "not available: why".

    `user_id` is the unprivileged user to become (None: stay who we are). The order matters: the user is dropped
    while that is still allowed, files are restricted before the call filter forbids changing anything.
    """
    if sys.platform != "linux":
        return dict.fromkeys(("user", "files", "calls"), f"not available: {sys.platform} has no such protection")
    readable = [*readable, *map(Path, declared.READABLE_SYSTEM)]
    report: dict[str, str] = {}
    steps: list[tuple[str, Callable[[], str]]] = [
        ("user", lambda: drop_user(user_id, readable)),
        ("no_new_privileges", refuse_new_privileges),
        ("files", lambda: restrict_files(readable, writable)),
        ("calls", lambda: filter_calls(declared.DENIED_ALWAYS, forbid_fork=False)),
    ]
    for name, step in steps:
        try:
            report[name] = step()
        except (OSError, AttributeError, KeyError) as error:
            report[name] = f"not available: {error}"
    return report


def is_enough(report: dict[str, str]) -> bool:
    """Whether what held is what `--confine require` asks for: all bounds, and files closed in one way or the other."""
    held = {name for name, text in report.items() if text.startswith(HELD)}
    return held >= {"limits", "no_new_privileges", "calls"} and bool(held & {"user", "files"})


def limit_resources(policy: Policy) -> str:
    """The resource limits, hard ones, so that they cannot be raised again (POSIX; elsewhere there are none)."""
    try:
        import resource
    except ImportError:
        return f"not available: {sys.platform} has no resource limits"
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: policy.file_mb * MEGABYTE,
        resource.RLIMIT_NOFILE: policy.open_files,
        resource.RLIMIT_CPU: policy.processor_seconds,
    }
    if sys.platform == "linux":
        # Counted from what the libraries mapped already, so that one number fits every machine and library.
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + policy.memory_mb * MEGABYTE
        limits[resource.RLIMIT_MEMLOCK] = 0
        Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, the worker goes first
    for which, value in limits.items():
        _, hard = resource.getrlimit(which)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))
    return HELD


def limit_processes(policy: Policy, own_user: bool) -> None:
    """Bounds the number of processes, which the kernel counts by user. Root is not bound by it.

    `own_user`: whether the worker has its user for itself. Otherwise the bound is so far above what that user runs
    that it stops a fork bomb and nobody else.
    """
    import resource

    processes = policy.processes if own_user else _tasks_of(os.getuid()) + policy.more_processes
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    processes = processes if hard == resource.RLIM_INFINITY else min(processes, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))


def _tasks_of(user_id: int) -> int:
    """Processes and threads of a user now."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended while we looked
            if process.stat().st_uid == user_id:
                count += len(os.listdir(process / "task"))
    return count


def drop_user(user_id: int | None, readable: Iterable[Path]) -> str:
    """Become the unprivileged `user_id` with no groups and no capabilities.

    Where that user could not even read the interpreter (a Python below root's home, say), the one capability to
    read is kept; which files it reaches is then the file protection's word alone.

    Raises:
        OSError: the kernel refuses (a container without SETUID, or without the id in its user namespace).
    """
    if user_id is None:
        return "not available: the grader does not run as root"
    needs_reading = not all(_readable_by_others(path) for path in readable if path.exists())
    if needs_reading:
        _landlock_version()  # without it, keeping the capability would open the whole machine: then stay and say so
        _prctl("keep capabilities", _PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(user_id, user_id, user_id)
    os.setresuid(user_id, user_id, user_id)
    if needs_reading:
        _keep_only_capability(_CAP_DAC_READ_SEARCH)
        return f"{HELD} (may read past file modes: the interpreter is in a private folder)"
    return HELD


def _readable_by_others(path: Path) -> bool:
    """Whether a stranger may reach `path`: every folder above is searchable and itself readable by all."""
    resolved = path.resolve()
    return bool(resolved.stat().st_mode & 0o004) and all(parent.stat().st_mode & 0o001 for parent in resolved.parents)


def _keep_only_capability(capability: int) -> None:
    header = struct.pack("II", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("IIIIII", 1 << capability, 1 << capability, 0, 0, 0, 0)
    _checked(_libc().capset(header, data), "set capabilities")


def refuse_new_privileges() -> str:
    """No program started from here on gains privileges (set-user-id bits, file capabilities)."""
    _prctl("no_new_privs", _PR_SET_NO_NEW_PRIVS, 1)
    return HELD


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends (Linux; after any change of user)."""
    if sys.platform == "linux":
        _prctl("parent-death signal", _PR_SET_PDEATHSIG, _SIGKILL)


def restrict_files(readable: Iterable[Path], writable: Iterable[Path]) -> str:
    """Landlock: only `readable` can be read, only `writable` written, nothing else on the machine opened.

    Raises:
        OSError: the kernel has no Landlock, or it is switched off.
    """
    version = _landlock_version()
    handled = (1 << _RIGHTS_BY_VERSION.get(version, 16)) - 1
    network = 3 if version >= 4 else 0  # bind and connect, neither of which is then granted anywhere
    scope = 3 if version >= 6 else 0  # abstract sockets and signals stay inside
    attributes = struct.pack("QQQ", handled, network, scope)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _syscall("Landlock ruleset", _LANDLOCK_CREATE, attributes, size, 0)
    try:
        for path in readable:
            _allow(ruleset, path, _READ_AND_RUN & handled)
        for path in map(Path, declared.WRITABLE_DEVICES):
            _allow(ruleset, path, (_READ | 2) & handled)
        for path in writable:
            _allow(ruleset, path, handled & ~_NEVER & ~1)
        refuse_new_privileges()
        _syscall("Landlock restriction", _LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return f"{HELD} (Landlock {version})"


def _landlock_version() -> int:
    """The kernel's Landlock version; OSError where it has none or it is switched off."""
    return _syscall("Landlock", _LANDLOCK_CREATE, None, 0, 1)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # not every system has every folder
    try:
        if not path.is_dir():
            rights &= _FILE_RIGHTS
        rule = struct.pack("=Qi", rights, descriptor)
        _syscall(f"Landlock rule for {path}", _LANDLOCK_ADD, ruleset, 1, rule, 0)
    finally:
        os.close(descriptor)


def filter_calls(denied: Iterable[str], *, forbid_fork: bool) -> str:
    """seccomp: refuse the system calls `denied`; with `forbid_fork`, also any new process (threads stay).

    Raises:
        OSError: the kernel has no seccomp filters. KeyError: an architecture the policy has no table for.
    """
    machine = platform.machine()
    numbers = declared.SYSCALLS[machine]
    program = _program(numbers, declared.AUDIT_ARCHITECTURES[machine], denied, forbid_fork)
    buffer = ctypes.create_string_buffer(b"".join(program), 8 * len(program))
    description = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    refuse_new_privileges()
    _prctl("seccomp", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, description)
    return HELD


def forbid_processes() -> str:
    """The second filter, inside a check: no new process, and no escape from dying with the loader."""
    return filter_calls(declared.DENIED_IN_A_CHECK, forbid_fork=True)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _program(numbers: dict[str, int], architecture: int, denied: Iterable[str], forbid_fork: bool) -> list[bytes]:
    """The filter: each rule either returns or falls through to the next with the call's number loaded."""
    refuse, absent = _instruction(_RETURN, _ERRNO | _EPERM), _instruction(_RETURN, _ERRNO | _ENOSYS)
    pretend = _instruction(_RETURN, _ERRNO)  # returns 0 and does nothing
    load_number = _instruction(_LOAD_WORD, _OFFSET_NUMBER)
    program = [
        _instruction(_LOAD_WORD, _OFFSET_ARCHITECTURE),
        _instruction(_JUMP_EQUAL, architecture, 1, 0),
        _instruction(_RETURN, _KILL),
        load_number,
        _instruction(_JUMP_GREATER_EQUAL, _X32_CALLS, 0, 1),
        refuse,
        _instruction(_JUMP_GREATER_EQUAL, declared.NEWEST_SYSCALL + 1, 0, 1),
        absent,
        _instruction(_JUMP_EQUAL, numbers["clone3"], 0, 1),
        absent,  # the C library then uses clone, whose flags a filter can read
    ]
    for names, answer in ((denied, refuse), (declared.PRETENDED, pretend)):
        for number in sorted({numbers[name] for name in names if name in numbers}):
            program += [_instruction(_JUMP_EQUAL, number, 0, 1), answer]
    for name, argument, test, value in declared.DENIED_ARGUMENTS:
        jump = _JUMP_ANY_BIT if test == declared.ANY_BIT else _JUMP_EQUAL
        program += _argument_rule(numbers[name], argument, jump, value, refuse_when=test != declared.OTHER_THAN)
    if forbid_fork:
        program += _argument_rule(numbers["clone"], 0, _JUMP_ANY_BIT, _CLONE_THREAD, refuse_when=False)
        for option in (_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE):
            program += _argument_rule(numbers["prctl"], 0, _JUMP_EQUAL, option, refuse_when=True)
    program.append(_instruction(_RETURN, _ALLOW))
    return program


def _argument_rule(number: int, argument: int, test: int, value: int, *, refuse_when: bool) -> list[bytes]:
    """Refuse call `number` when the low word of its `argument` passes (or fails) `test`."""
    yes, no = (0, 1) if refuse_when else (1, 0)
    return [
        _instruction(_JUMP_EQUAL, number, 0, 4),
        _instruction(_LOAD_WORD, _OFFSET_ARGUMENTS + 8 * argument),
        _instruction(test, value, yes, no),
        _instruction(_RETURN, _ERRNO | _EPERM),
        _instruction(_LOAD_WORD, _OFFSET_NUMBER),
    ]
