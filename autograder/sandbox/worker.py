"""The untrusted side: loads the submission once and serves calls, in a fork of its own for each check.

Life of a worker: read the orders, import the trusted preloads, confine itself, tell what held, and only then load
the submission. From that moment nothing this process says is believed: it returns values, the trusted side judges.

Two ways to serve. Where processes can fork, the loader waits on a control socket and forks one child per check,
which serves calls on a socket of its own. Elsewhere (`Orders.forks` false) the worker serves one check on its
standard input and output and is then replaced.

Imports only `wire`, `policy`, `confine`, `loader` and `cells`, so that the student's code finds nothing else in memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import random
import signal
import socket
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import msgspec
import numpy as np

from autograder.sandbox import confine, loader, wire
from autograder.sandbox.cells import place_of
from autograder.sandbox.policy import MEGABYTE, Orders

MAX_FRAMES = 12
OURS = "autograder.sandbox."
PROBES = OURS + "probes."
"""Preloaded modules of this package hold the probes that an assignment uses."""
TORCH = ("torch", "torchvision")
"""A submission that imports these where the assignment does not would exceed its memory, and die of it."""
CONTROL_BYTES = 1 << 17
CALLABLE_TYPES = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, type)

Send = Callable[[bytes], None]
Receive = Callable[[], bytes]


class StandInObject:
    """Base of the objects that play a part for the trusted side: plain attributes here, methods answered there."""


class Server:
    """Serves one check: resolves what the trusted side names, calls it, and answers with values."""

    def __init__(self, orders: Orders, send: Send, receive: Receive) -> None:
        self._orders = orders
        self._send = send
        self._receive = receive
        self._folder = Path(orders.folder)
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._next = 1
        self._stand_ins: dict[int, StandInObject] = {}
        self._late_error: BaseException | None = None
        self._waited_for = True
        self._codec = wire.Codec(self._pack_object, self._make_object, writable=True)
        self._operations: dict[str, Callable[..., Any]] = {
            "begin": self._begin,
            "get": self._get,
            "set": self._set,
            "call": self._call,
            "make": self._make,
            "do": self._do,
            "call_and_return_arguments": self._call_and_return_arguments,
            "get_item": lambda target, key: self._resolve(target)[key],
            "set_item": lambda target, key, value: self._resolve(target).__setitem__(key, value),
            "length": lambda target: len(self._resolve(target)),
            "items": lambda target: list(self._resolve(target)),
            "module": self._module,
            "seed": seed,
            "mark": lambda text: os.write(2, text),
            "files": list_files,
            "read_file": self._read_file,
            "read_submitted_file": lambda name: self._read_file(str(self._folder / name)),
            "probe": self._probe,
        }
        self._probe_modules = {name: sys.modules[name] for name in orders.preloads if name.startswith(PROBES)}

    def serve(self) -> None:
        """Answer until the trusted side hangs up."""
        while True:
            request = self._receive()
            if not request:
                return
            operation, length, *arguments = self._codec.decode(request)
            if length:  # what it is about comes flat, which is quicker to read than a tuple
                arguments[:length] = [tuple(arguments[:length])]
            if operation in wire.UNANSWERED:
                self._obey(operation, arguments)
            else:
                self._send(self._answer(operation, arguments))

    def _obey(self, operation: str, arguments: list[Any]) -> None:
        """Do what nothing waits for; if it fails, the next answer says so."""
        self._waited_for = False
        try:
            self._operations[operation](*arguments)
        except BaseException as error:
            self._late_error = self._late_error or error
        self._waited_for = True

    def _answer(self, operation: str, arguments: list[Any]) -> bytes:
        """The border: whatever the student's code raises becomes an answer."""
        try:
            self._raise_late_error()
            value = self._operations[operation](*arguments)
            answer = self._codec.encode(["ok", value, self._stand_in_fields()])
            if len(answer) > self._orders.policy.frame_bytes:
                raise ValueError(
                    f"the answer is {len(answer) / MEGABYTE:.0f} MB; "
                    f"at most {self._orders.policy.frame_bytes / MEGABYTE:.0f} MB can be handed back"
                )
        except BaseException as error:
            answer = self._codec.encode(["error", *describe_error(error, self._folder)])
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except Exception:  # the student may have closed or replaced one
            flush_what_is_left()
        return answer

    def _raise_late_error(self) -> None:
        error, self._late_error = self._late_error, None
        if error is not None:
            raise error

    # -- operations ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """A new example: what the last one left is dropped, and chance starts again."""
        self._late_error = None
        self._objects.clear()
        self._numbers.clear()
        self._stand_ins.clear()
        seed(self._orders.policy.seed)

    def _resolve(self, target: tuple[Any, ...]) -> Any:
        root, *names = target
        value = sys.modules[root] if isinstance(root, str) else self._objects[root]
        for name in names:
            value = _attribute(value, name)
        return value

    def _get(self, target: tuple[Any, ...], name: str) -> Any:
        """The attribute's value; for functions and classes only that it can be called, by its path."""
        owner = self._resolve(target)
        value = _attribute(owner, name)
        if isinstance(value, CALLABLE_TYPES):
            return Callables(name not in getattr(owner, "__dict__", ()) or isinstance(owner, types.ModuleType))
        return value

    def _set(self, target: tuple[Any, ...], name: str, value: Any) -> None:
        setattr(self._resolve(target), name, value)

    def _call(self, target: tuple[Any, ...], keywords: dict[str, Any] | None, *arguments: Any) -> Any:
        return self._resolve(target)(*arguments, **(keywords or {}))

    def _do(self, target: tuple[Any, ...], *arguments: Any) -> None:
        self._resolve(target)(*arguments)

    def _make(self, target: tuple[Any, ...], number: int, *arguments: Any) -> None:
        """A call whose result the trusted side has numbered already; a failed one leaves nothing of that number."""
        value = self._resolve(target)(*arguments)
        self._bound_objects()
        self._objects[number] = value
        self._numbers.setdefault(id(value), number)

    def _call_and_return_arguments(
        self, target: tuple[Any, ...], keywords: dict[str, Any] | None, *arguments: Any
    ) -> Any:
        return [self._call(target, keywords, *arguments), list(arguments)]

    def _module(self, name: str) -> None:
        importlib.import_module(name)

    def _read_file(self, name: str) -> bytes:
        with open(name, "rb") as file:
            return file.read(self._orders.policy.frame_bytes)

    def _probe(self, module: str, function: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """A function of ours that must run beside the student's objects; it returns raw values and judges nothing."""
        return getattr(self._probe_modules[module], function)(*arguments, **keywords)

    # -- objects that do not travel by value ----------------------------------------------------------------------

    def _pack_object(self, value: Any) -> tuple[int, list[Any]]:
        if isinstance(value, Callables):
            return wire.HANDLE, ["callable", value.cacheable]
        # A copy that the student's code made of a stand-in is an object of its own.
        if isinstance(value, StandInObject) and self._stand_ins.get(value.__dict__.get("_stand_in", 0)) is value:
            return wire.STAND_IN, [value.__dict__["_stand_in"]]
        number = self._numbers.get(id(value))
        if number is None:
            self._bound_objects()
            number = self._next
            self._next += 1
            self._objects[number] = value  # kept alive, so that its identity stays its own
            self._numbers[id(value)] = number
        return wire.HANDLE, ["object", number, type(value).__name__, id(type(value)), callable(value)]

    def _bound_objects(self) -> None:
        if len(self._objects) >= self._orders.policy.handles:
            raise ValueError(f"more than {self._orders.policy.handles:,} objects were handed back")

    def _make_object(self, code: int, payload: list[Any]) -> Any:
        if code == wire.HANDLE:
            return self._resolve(tuple(payload))
        number, name, fields, methods, imitates = payload
        stand_in = self._stand_ins.get(number)
        if stand_in is None:
            stand_in = self._stand_ins[number] = self._new_stand_in(number, name, methods, imitates)
        stand_in.__dict__.clear()
        stand_in.__dict__.update(fields, _stand_in=number)
        return stand_in

    def _new_stand_in(self, number: int, name: str, methods: list[str], imitates: str | None) -> StandInObject:
        """An object whose methods call back; it also passes `isinstance` for the student's class it imitates."""

        def method(method_name: str) -> Callable[..., Any]:
            return lambda this, *arguments, **keywords: self._call_back(this, number, method_name, arguments, keywords)

        imitated = getattr(sys.modules.get(Path(self._orders.main).stem), imitates, None) if imitates else None
        bases = (StandInObject, imitated) if isinstance(imitated, type) else (StandInObject,)
        kind = type(name, bases, {name: method(name) for name in methods})
        return object.__new__(kind)

    def _call_back(
        self, this: StandInObject, number: int, method: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        if not self._waited_for:  # the trusted side would take the question for an answer
            raise RuntimeError("a call that nobody waits for cannot use an object of the grader's")
        self._send(self._codec.encode(["callback", number, method, arguments, keywords, _fields(this)]))
        kind, value, changed = self._codec.decode(self._receive())
        if kind == "error":
            raise RuntimeError(value)
        this.__dict__.update(changed)
        return value

    def _stand_in_fields(self) -> dict[int, dict[str, Any]] | None:
        return {number: _fields(stand_in) for number, stand_in in self._stand_ins.items()} or None


def flush_what_is_left() -> None:
    """Each standard stream by itself, where flushing them together failed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


class Callables:
    """Says "this attribute is a function or class" without making a handle of it."""

    def __init__(self, cacheable: bool) -> None:
        self.cacheable = cacheable


def _fields(stand_in: StandInObject) -> dict[str, Any]:
    return {name: value for name, value in stand_in.__dict__.items() if name != "_stand_in"}


def _attribute(owner: Any, name: str) -> Any:
    value = getattr(owner, name)
    if isinstance(value, loader.Unavailable):
        value.explain()
    return value


def seed(number: int) -> None:
    """Restart every source of chance the homeworks use."""
    random.seed(number)
    np.random.seed(number)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(number)


def list_files() -> list[str]:
    """What stands in the current (scratch) folder, in order."""
    return sorted(os.listdir("."))


def describe_error(error: BaseException, folder: Path) -> tuple[str, str, list[tuple[str, int, str, str]]]:
    """(type name, bounded message, the student's own frames from the outermost in)."""
    if isinstance(error, SyntaxError):
        return type(error).__name__, str(error.msg), _syntax_frame(error)
    frames = []
    for summary in traceback.extract_tb(error.__traceback__):
        if Path(summary.filename).parent == folder:
            frames.append((*place_of(summary.filename, summary.lineno or 0), summary.name, summary.line or ""))
    return type(error).__name__, loader.message_of(error), frames[-MAX_FRAMES:]


def _syntax_frame(error: SyntaxError) -> list[tuple[str, int, str, str]]:
    """Line and caret, as Python shows them."""
    line = (error.text or "").rstrip()
    stripped = line.lstrip()
    caret = " " * max((error.offset or 1) - 1 - (len(line) - len(stripped)), 0) + "^"
    return [(*place_of(error.filename or "", error.lineno or 0), "", f"{stripped}\n{caret}" if stripped else "")]


# -- starting ---------------------------------------------------------------------------------------------------


def load(orders: Orders) -> list[Any]:
    """Import the submission; the message that says how it went."""
    importer = loader.install(Path(orders.folder), orders.policy.statement_seconds, orders.definitions_only)
    if "torch" not in orders.preloads:
        importer.not_offered = TORCH
    surroundings = [
        module.install(orders, importer.remarks.append)
        for module in (sys.modules[name] for name in orders.preloads if name.startswith(OURS))
        if hasattr(module, "install")
    ]
    seed(orders.policy.seed)
    sys.argv = [orders.main]
    errors = {}
    for file in (orders.main, *orders.modules):
        name = Path(file).stem
        if file != orders.main and not Path(orders.folder, file).is_file():
            continue
        try:
            importlib.import_module(name)
        except BaseException as problem:
            errors[name] = describe_error(problem, Path(orders.folder))
    for notices in surroundings:
        notices.loaded()
    return ["loaded", importer.remarks, errors]


def prepare(orders: Orders) -> dict[str, str]:
    """Everything before the submission: preloads, limits, confinement. Returns what held."""
    for name in orders.preloads:
        importlib.import_module(name)
    seed(orders.policy.seed)
    report = {"limits": confine.limit_resources(orders.policy)}
    if not orders.confined:
        return report | dict.fromkeys(("user", "no_new_privileges", "files", "calls"), "off")
    readable = [Path(path) for path in (*orders.readable, orders.folder, orders.data_folder)]
    if orders.user_id is None and sys.platform == "linux":
        confine.limit_processes(orders.policy, own_user=False)  # while the processes can still be counted
    report |= confine.confine(orders.policy, readable, [Path(orders.scratch)], orders.user_id)
    if report["user"].startswith(confine.HELD):
        confine.limit_processes(orders.policy, own_user=True)
    return report


def refuses(orders: Orders, report: dict[str, str]) -> bool:
    """Decided here, while this process is still ours: afterwards the submission would have run already."""
    return orders.required and not confine.is_enough(report)


def run_forking(control: socket.socket, orders: Orders) -> None:
    """Load once, then fork a child for every check asked for."""
    encode = msgspec.msgpack.encode
    report = prepare(orders)
    control.send(encode(["confined", report]))
    if refuses(orders, report):
        return
    confine.die_with_parent()
    control.send(encode(load(orders)))
    gc.collect()
    give_back_memory()
    gc.freeze()  # children share these objects' pages as long as nobody touches their headers
    child = 0
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, CONTROL_BYTES, 2)
        if not message:
            return
        operation, *arguments = msgspec.msgpack.decode(message)
        if operation == "check":
            exit_status(child)  # ended by now; until it is waited for it counts against the limit on processes
            child = os.fork()
            if child == 0:
                control.close()
                serve_forked(orders, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        elif operation == "status":
            control.send(encode(["status", exit_status(arguments[0])]))


def give_back_memory() -> None:
    """What was freed while a script trained at import: the C library would keep it, and so would each fork."""
    with contextlib.suppress(OSError, AttributeError):  # other C libraries have no such call
        ctypes.CDLL(None).malloc_trim(0)


def exit_status(process: int) -> int | None:
    """Exit code (negative: the signal) of a child that has been ended; None when it is none of ours."""
    if not process:
        return None
    try:
        _, status = os.waitpid(process, 0)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)


def serve_forked(orders: Orders, connection: int, output: int) -> NoReturn:
    """The child of one check: its own output pipe, its own socket, no further processes."""
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)  # refused where calls are filtered, and then not needed
    confine.die_with_parent()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    renew_streams()
    channel = socket.socket(fileno=connection)
    start_check(orders)
    channel.sendall(wire.frame(b""))  # tells the kernel's word on who serves this check
    try:
        Server(orders, lambda body: channel.sendall(wire.frame(body)), frames_from(channel.makefile("rb"))).serve()
    finally:
        os._exit(0)


def start_check(orders: Orders) -> None:
    os.chdir(orders.scratch)
    seed(orders.policy.seed)
    if orders.confined and sys.platform == "linux":
        with contextlib.suppress(OSError, KeyError):  # "calls" in the report has said already that there is no filter
            confine.forbid_processes()


def renew_streams() -> None:
    """Fresh text streams on descriptors 1 and 2, written through so that a crash loses no print."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def frames_from(stream: BinaryIO) -> Receive:
    """Reads the next frame's body from a buffered stream; empty at its end."""

    def receive() -> bytes:
        header = stream.read(wire.HEADER.size)
        return stream.read(wire.HEADER.unpack(header)[0]) if len(header) == wire.HEADER.size else b""

    return receive


def run_spawned(orders: Orders, send: Send, receive: Receive) -> None:
    """Load, and serve one check in this very process."""
    encode = msgspec.msgpack.encode
    report = prepare(orders)
    send(encode(["confined", report]))
    if refuses(orders, report):
        return
    confine.die_with_parent()
    send(encode(load(orders)))
    start_check(orders)
    Server(orders, send, receive).serve()


def take_standard_streams() -> tuple[Send, Receive]:
    """Keep standard input and output for messages; the student's code gets nothing to read and stderr to print to."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    renew_streams()

    def send(body: bytes) -> None:
        rest = memoryview(wire.frame(body))
        while rest:
            rest = rest[os.write(sink, rest) :]

    return send, frames_from(os.fdopen(source, "rb"))


def main(control_descriptor: int | None) -> None:
    """Entry of the worker process: `control_descriptor` is its control socket, None for standard streams."""
    if hasattr(signal, "SIGXFSZ"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file too large is an OSError, not a death
    if control_descriptor is None:
        send, receive = take_standard_streams()
        run_spawned(msgspec.msgpack.decode(receive(), type=Orders), send, receive)
        return
    control = socket.socket(fileno=control_descriptor)
    renew_streams()
    run_forking(control, msgspec.msgpack.decode(control.recv(CONTROL_BYTES), type=Orders))
