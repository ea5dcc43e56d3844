"""Everything the untrusted side may and may not do, declared once as data.

:mod:`confine` applies it inside the worker, :mod:`proxy` enforces from outside what the worker cannot be trusted
with (time, output, message size). Nothing here runs anything.
"""

from __future__ import annotations

import msgspec

MEGABYTE = 1 << 20

CONFINE_MODES = ("auto", "require", "off")


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one run; an assignment's budgets set the first five.

    Times are seconds of the worker's own processor time, so that a busy machine fails nobody; `patience` times as
    much wall time is the end for code that waits instead of computing.
    """

    memory_mb: int = 400
    """Address space the submission may add to what the preloaded libraries already use."""
    call_seconds: float = 10.0
    check_seconds: float = 30.0
    import_seconds: float = 20.0
    """The whole import of the submission."""
    statement_seconds: float = 3.0
    """One top-level statement that is not an import (wall time: it is interrupted, not judged)."""
    patience: float = 3.0
    file_mb: int = 16
    """The largest file that may be written."""
    scratch_mb: int = 256
    """All files of a check together. Looked at several times a second, so that it bounds what is written, not
    exactly."""
    scratch_entries: int = 10_000
    open_files: int = 128
    processes: int = 64
    """Processes and threads of the worker's user, where it has a user of its own."""
    more_processes: int = 500
    """Where it has not: how many more that user may have than when the worker starts."""
    processor_seconds: int = 900
    """Backstop for a process that escaped every other end."""
    output_bytes: int = 64_000
    """Printed text kept per check; the rest is counted and dropped."""
    frame_bytes: int = 32 * MEGABYTE
    """The largest answer accepted from the worker."""
    handles: int = 100_000
    seed: int = 0
    first_user_id: int = 61_000
    """A run as root gives the worker an unprivileged user id of its own from here on, with no name and no home."""
    user_ids: int = 4_000


READABLE_SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/fonts",
    "/etc/nsswitch.conf",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/dev/random",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)
"""What any program needs to read. The interpreter, its libraries, the staged submission, the data are added at run
time; nothing else on the machine can be opened, and only the scratch folder can be written."""

WRITABLE_DEVICES = ("/dev/null",)

DENIED_ALWAYS = (
    # starting another program
    *("execve", "execveat", "vfork"),
    # the network, and sockets to local services
    *("socket", "connect", "bind", "listen", "accept", "accept4"),
    # leaving the process group by which everything is ended
    *("setsid", "setpgid"),
    # signals, and looking into other processes
    *(
        "kill",
        "tkill",
        "tgkill",
        "rt_sigqueueinfo",
        "rt_tgsigqueueinfo",
        "pidfd_send_signal",
        "pidfd_open",
        "pidfd_getfd",
    ),
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "kcmp"),
    # taking the processor or the memory away from other processes of the same user
    *(
        "setpriority",
        "ioprio_set",
        "sched_setscheduler",
        "sched_setparam",
        "sched_setattr",
        "sched_setaffinity",
        "migrate_pages",
        "move_pages",
    ),
    # changes to files by their path alone, which Landlock lets through (truncating only before its third version)
    *("truncate", "chown", "fchown", "lchown", "fchownat"),
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
    # objects that outlive the process
    *(
        "shmget",
        "shmat",
        "shmctl",
        "msgget",
        "msgsnd",
        "msgrcv",
        "msgctl",
        "semget",
        "semop",
        "semctl",
        "semtimedop",
        "mq_open",
        "mq_unlink",
    ),
    # namespaces, mounts, the file system's back doors
    *(
        "unshare",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "open_tree",
        "move_mount",
        "fsopen",
        "fsmount",
        "fsconfig",
        "fspick",
        "mount_setattr",
    ),
    *(
        "name_to_handle_at",
        "open_by_handle_at",
        "quotactl",
        "quotactl_fd",
        "swapon",
        "swapoff",
        "acct",
        "fanotify_init",
    ),
    # the kernel's own doors
    *(
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "keyctl",
        "add_key",
        "request_key",
    ),
    *(
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "kexec_file_load",
        "reboot",
        "syslog",
        "personality",
    ),
    *(
        "settimeofday",
        "clock_settime",
        "clock_adjtime",
        "adjtimex",
        "sethostname",
        "setdomainname",
        "iopl",
        "ioperm",
        "modify_ldt",
        "lookup_dcookie",
    ),
    *(
        "setuid",
        "setgid",
        "setreuid",
        "setregid",
        "setresuid",
        "setresgid",
        "setfsuid",
        "setfsgid",
        "setgroups",
        "capset",
    ),
)
"""Refused with "operation not permitted" from the moment the submission is loaded."""

PRETENDED = ("chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat", "utimensat")
"""Answered as if they had been done. Landlock lets them through, so that a worker that is not of a user of its own
could close the grader's files with them; but copying a file with `shutil` fails where they are refused."""

ANY_BIT, EQUAL, OTHER_THAN = "any bit", "equal", "other than"

DENIED_ARGUMENTS = (
    ("clone", 0, ANY_BIT, 0x7E020000),  # new namespaces
    ("ioctl", 1, EQUAL, 0x5412),  # TIOCSTI: typing into the terminal of whoever started the grader
    ("ioctl", 1, EQUAL, 0x541C),  # TIOCLINUX: the same for a console
    # whom the kernel signals about a descriptor: that signal is not held to what `kill` is held to
    ("ioctl", 1, EQUAL, 0x8901),  # FIOSETOWN
    ("ioctl", 1, EQUAL, 0x8902),  # SIOCSPGRP
    ("fcntl", 1, EQUAL, 8),  # F_SETOWN
    ("fcntl", 1, EQUAL, 15),  # F_SETOWN_EX
    ("fcntl", 1, EQUAL, 10),  # F_SETSIG
    ("fcntl", 1, EQUAL, 1024),  # F_SETLEASE: whoever then opens the file has to wait
    ("prlimit64", 0, OTHER_THAN, 0),  # the limits of other processes
    ("socketpair", 1, ANY_BIT, 0xE),  # all but streams: one end of a pair of datagrams can write to any socket
)
"""(call, argument, test, value): refused where that argument, in its lower 32 bits, passes the test."""

DENIED_IN_A_CHECK = ("fork",)
"""Refused in addition while a check runs (the loader itself still forks, once per check)."""

NEWEST_SYSCALL = 462
"""Numbers above this are newer than this list (which was read at Linux 6.10) and do not exist for the worker."""

# Numbers of the calls named above, from the kernel's own tables. A call that an architecture does not have is absent.
SYSCALLS: dict[str, dict[str, int]] = {
    "x86_64": {
        "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288,
        "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "clone3": 435, "prctl": 157, "ioctl": 16,
        "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
        "pidfd_send_signal": 424, "pidfd_open": 434, "pidfd_getfd": 438,
        "setpgid": 109, "setsid": 112,
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "process_madvise": 440, "kcmp": 312,
        "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66, "semtimedop": 220,
        "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "mq_open": 240, "mq_unlink": 241,
        "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "mount_setattr": 442, "name_to_handle_at": 303, "open_by_handle_at": 304,
        "quotactl": 179, "quotactl_fd": 443, "swapon": 167, "swapoff": 168, "acct": 163, "fanotify_init": 300,
        "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
        "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "add_key": 248, "request_key": 249, "keyctl": 250,
        "init_module": 175, "delete_module": 176, "finit_module": 313, "kexec_load": 246, "kexec_file_load": 320,
        "reboot": 169, "syslog": 103, "personality": 135, "settimeofday": 164, "clock_settime": 227,
        "clock_adjtime": 305, "adjtimex": 159, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
        "lookup_dcookie": 212, "modify_ldt": 154, "process_mrelease": 448,
        "setpriority": 141, "ioprio_set": 251, "sched_setparam": 142, "sched_setscheduler": 144,
        "sched_setaffinity": 203, "sched_setattr": 314, "migrate_pages": 256, "move_pages": 279,
        "fcntl": 72, "truncate": 76, "prlimit64": 302, "socketpair": 53,
        "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93, "lchown": 94,
        "fchownat": 260, "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
        "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
        "setuid": 105, "setgid": 106, "setreuid": 113, "setregid": 114, "setgroups": 116, "setresuid": 117,
        "setresgid": 119, "setfsuid": 122, "setfsgid": 123, "capset": 126,
    },
    "aarch64": {
        "socket": 198, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "accept4": 242,
        "clone": 220, "execve": 221, "execveat": 281, "clone3": 435, "prctl": 167, "ioctl": 29,
        "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
        "pidfd_send_signal": 424, "pidfd_open": 434, "pidfd_getfd": 438,
        "setpgid": 154, "setsid": 157,
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "process_madvise": 440, "kcmp": 272,
        "shmget": 194, "shmctl": 195, "shmat": 196, "semget": 190, "semctl": 191, "semtimedop": 192, "semop": 193,
        "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189, "mq_open": 180, "mq_unlink": 181,
        "unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "mount_setattr": 442, "name_to_handle_at": 264, "open_by_handle_at": 265,
        "quotactl": 60, "quotactl_fd": 443, "swapon": 224, "swapoff": 225, "acct": 89, "fanotify_init": 262,
        "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
        "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "add_key": 217, "request_key": 218, "keyctl": 219,
        "init_module": 105, "delete_module": 106, "finit_module": 273, "kexec_load": 104, "kexec_file_load": 294,
        "reboot": 142, "syslog": 116, "personality": 92, "settimeofday": 170, "clock_settime": 112,
        "clock_adjtime": 266, "adjtimex": 171, "sethostname": 161, "setdomainname": 162, "lookup_dcookie": 18,
        "process_mrelease": 448, "setpriority": 140, "ioprio_set": 30, "sched_setparam": 118,
        "sched_setscheduler": 119, "sched_setaffinity": 122, "sched_setattr": 274, "migrate_pages": 238,
        "move_pages": 239, "fcntl": 25, "truncate": 45, "prlimit64": 261, "socketpair": 199,
        "fchmod": 52, "fchmodat": 53, "fchmodat2": 452, "fchown": 55, "fchownat": 54, "utimensat": 88,
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
        "setregid": 143, "setgid": 144, "setreuid": 145, "setuid": 146, "setresuid": 147, "setresgid": 149,
        "setfsuid": 151, "setfsgid": 152, "setgroups": 159, "capset": 91,
    },
}  # fmt: skip

AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's own identifiers (linux/audit.h): a filter refuses calls made through another calling convention."""


class Orders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a new worker is told before anything else; it holds no secret, since the submission can read it."""

    policy: Policy
    folder: str
    """The staged submission, and where its modules are imported from."""
    main: str
    """The student's main file, e.g. "neural_networks.py"."""
    modules: list[str]
    """Further files of the student's that are loaded after it, each whether or not the others could be."""
    data_folder: str
    scratch: str
    """The only folder that can be written; it is emptied for every check and is the current folder there."""
    preloads: list[str]
    """Modules imported before the submission and before the memory limit is set. The functions of those that belong
    to this package can be asked for as probes."""
    readable: list[str]
    confined: bool
    required: bool
    """End without loading the submission where the confinement is not enough."""
    user_id: int | None
    forks: bool
    """Whether one worker forks per check; otherwise it serves one check itself."""
    font_lists: str = ""
    """A folder with matplotlib's lists of fonts, to be copied from; empty where there is none."""
    definitions_only: bool = False
    """Skip top-level statements that compute: the second try, after a first one hung or died."""
