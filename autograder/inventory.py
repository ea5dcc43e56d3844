"""What a submission holds: the files of a folder, a file or a zip, listed without trusting any of them.

Nothing is unpacked here: an entry is opened only when somebody reads it, and a reader sets the limit. Whatever a
submission can do wrong (links, devices, names that climb out, locked or broken archives, too many files) becomes a
remark for the student and never an exception. The order of everything is fixed by the names alone.
"""

import heapq
import io
import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, Literal, NamedTuple

import msgspec

_BLOCK = 1 << 16
_IN_MEMORY = 4 << 20
_LONGEST_NAME = 255  # what file systems allow; a longer name exists only inside a crafted zip
_SHOWN_NAMES = 3
_SHOWN_LENGTH = 200

# Folders that tools leave beside a student's work. None holds the student's own files, some hold old copies of them.
_TOOL_FOLDERS = frozenset({"__macosx", "__pycache__", "site-packages", "node_modules", "venv", "env"})

_ROOT_OF_A_DISK = re.compile(r"^([A-Za-z]:)?/+")
_DRIVE = re.compile(r"[A-Za-z]:")
_COPY_MARK = re.compile(r"(\s*\(\d+\)|[\s_-]+copy(\s*\d+)?|[\s-]+\d+)$")
_BLANKS = re.compile(r"[\s-]+")

_OPEN_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
)

# zipfile answers a damaged archive with any of these.
_READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,  # includes UnicodeDecodeError
    OverflowError,
    RuntimeError,  # includes NotImplementedError
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)


class Limits(msgspec.Struct, frozen=True):
    """How much of a submission is looked at. Far above any honest one, low enough for the smallest container."""

    entries: int = 50_000  # files and folders seen, in all
    depth: int = 20  # folders inside folders
    archives: int = 20  # zips opened, in all
    nesting: int = 3  # zips inside zips
    listing_bytes: int = 4 << 20  # a zip's table of contents, which is held in memory
    unpacked_bytes: int = 100 << 20  # zips inside zips, unpacked to be read, together
    text_bytes: int = 10 << 20  # one Python or JSON file
    notebook_bytes: int = 40 << 20  # one notebook, with the pictures in it
    file_bytes: int = 100 << 20  # one other file (a checkpoint)
    total_bytes: int = 200 << 20  # everything staged
    helpers: int = 500  # the student's own extra modules
    ratio: int = 200  # unpacked to packed size, above ratio_floor
    ratio_floor: int = 10 << 20


class Remark(msgspec.Struct, frozen=True):
    """Something the student should know about a file; `file` is empty where it concerns the whole submission."""

    severity: Literal["info", "warning", "error"]
    file: str
    text: str


class Unreadable(Exception):
    """An entry cannot be used. `reason` continues a sentence that starts with the file's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Entry:
    """One file of a submission, unread.

    `path` is safe to show and relative to the submission, with "/" between folders; a zip counts as a folder.
    """

    path: str
    archives: int  # how many zips it lies in
    size: int  # as declared, not yet believed
    packed: int | None  # bytes it takes inside its zip
    opener: Callable[[], IO[bytes]] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The folder it lies in, "" or ending in "/"."""
        before, slash, _ = self.path.rpartition("/")
        return before + slash

    @property
    def depth(self) -> int:
        return self.path.count("/")

    @property
    def suffix(self) -> str:
        return os.path.splitext(self.name)[1].casefold()

    def chunks(self, most: int, limits: Limits) -> Iterator[bytes]:
        """The content in blocks of bounded size. Raises Unreadable beyond `most` bytes or on any damage."""
        if self.size > most:
            raise Unreadable(f"is larger than {_megabytes(most)}")
        taken = 0
        try:
            with self.opener() as file:
                while block := file.read(_BLOCK):
                    taken += len(block)
                    if taken > most:
                        raise Unreadable(f"is larger than {_megabytes(most)}")
                    if self.packed is not None and taken > max(limits.ratio_floor, limits.ratio * self.packed):
                        raise Unreadable("unpacks to far more than it takes in the zip, as a zip bomb does")
                    yield block
        except _READ_ERRORS as error:
            if self.archives:
                raise Unreadable(f"is damaged inside its zip ({_explain(error)}); zip your files again") from error
            raise Unreadable(f"cannot be read ({_explain(error)})") from error

    def read(self, most: int, limits: Limits) -> bytes:
        """The whole content, at most `most` bytes. Raises Unreadable."""
        return b"".join(self.chunks(most, limits))


class Inventory(msgspec.Struct, frozen=True):
    """The entries worth keeping, by path; how many others came, and the first of their names."""

    entries: tuple[Entry, ...]
    others: int
    other_names: tuple[str, ...]
    remarks: tuple[Remark, ...]


# ---------------------------------------------------------------------------------------------------------- names


def shown(name: str) -> str:
    """A name that is safe in a terminal, a page and JSON: no control characters, no broken Unicode, not endless."""
    plain = name.encode("utf-8", "backslashreplace").decode("utf-8")
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in plain)
    return plain if len(plain) <= _SHOWN_LENGTH else plain[:_SHOWN_LENGTH] + "…"


def name_list(names: list[str] | tuple[str, ...], count: int | None = None) -> str:
    """The first names in a sentence: "a.py, b.py, c.py and 4 more"."""
    count = len(names) if count is None else count
    few = ", ".join(names[:_SHOWN_NAMES])
    return few if count <= _SHOWN_NAMES else f"{few} and {count - _SHOWN_NAMES} more"


def closeness(name: str, wanted: str) -> int | None:
    """How near a file's name is to a wanted one: 0 the same, 1 but for case, 2 but for a copy's mark, None not at all.

    A copy's mark is what browsers, file managers and course sites add: "model (1).py", "model copy.py", "model-1.py",
    "model.py.txt", "my model.py" for "my_model.py".
    """
    if name == wanted:
        return 0
    if len(name) > _LONGEST_NAME:
        return None
    if name.casefold() == wanted.casefold():
        return 1
    return 2 if _without_copy_mark(name) == _without_copy_mark(wanted) else None


def any_of(names: Iterable[str]) -> Callable[[str], bool]:
    """Whether a file's name is close to one of several: `closeness` for many files at once."""
    wanted = {_without_copy_mark(name) for name in names}

    def is_close(name: str) -> bool:
        return len(name) <= _LONGEST_NAME and _without_copy_mark(name) in wanted

    return is_close


def _without_copy_mark(name: str) -> str:
    name = name.strip().casefold()
    if name.endswith(".txt") and "." in name[:-4]:
        name = name[:-4]
    stem, suffix = os.path.splitext(name)
    return _BLANKS.sub("_", _COPY_MARK.sub("", stem)) + suffix


def _is_tool_folder(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _TOOL_FOLDERS


def _megabytes(count: int) -> str:
    return f"{count / (1 << 20):.4g} MB"


def _explain(error: Exception) -> str:
    """The cause in a few words, without the grader's own paths."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, NotImplementedError):
        return "its way of compression is not supported"
    return shown(str(error)) or type(error).__name__


# ------------------------------------------------------------------------------------------------------- walking


class _Kind(NamedTuple):
    severity: Literal["info", "warning", "error"]
    text: str


# Why entries are left out. Each kind becomes one remark, however many entries it has.
_LEFT_OUT = MappingProxyType(
    {
        "link": _Kind(
            "warning", "{names}: a link was left out, because it only points at a file. Submit the file itself."
        ),
        "special": _Kind("warning", "{names}: left out, because it is not an ordinary file."),
        "outside": _Kind(
            "warning",
            "{names}: left out, because the name inside the zip climbs out of it or is no possible file name. "
            "Zip the folder itself again.",
        ),
        "absolute": _Kind(
            "info", "{names}: the name inside the zip starts at the root of a disk; that part was ignored."
        ),
        "twice": _Kind("warning", "{names}: the zip holds this name more than once; the last one counts."),
        "locked": _Kind(
            "error", "{names}: locked with a password, which the grader cannot open. Zip the files again without one."
        ),
        "method": _Kind(
            "error",
            "{names}: compressed in a way that the grader does not open. Zip the files again with your system's own "
            "compress command.",
        ),
        "folder": _Kind("warning", "{names}: this folder cannot be opened, so nothing in it was looked at."),
        "deep": _Kind("warning", "{names}: lies in too many folders or zips inside one another and was not looked at."),
        "many": _Kind(
            "warning",
            "Your submission holds more files than the grader looks at ({limit}); {names} and what follows were "
            "skipped. Submit only the files that the assignment names.",
        ),
        "archives": _Kind("warning", "{names}: not opened, because your submission holds more than {archives} zips."),
    }
)


class _Notes:
    """Collects what was left out, by kind: a count and the first names, so that 10,000 of a kind stay one remark."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._counts: dict[str, int] = {}
        self._names: dict[str, list[str]] = {}
        self._single: list[Remark] = []

    def leave_out(self, kind: str, path: str) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        names = self._names.setdefault(kind, [])
        if len(names) < _SHOWN_NAMES:
            names.append(shown(path))

    def add(self, severity: Literal["info", "warning", "error"], path: str, text: str) -> None:
        self._single.append(Remark(severity, shown(path), text))

    def remarks(self) -> tuple[Remark, ...]:
        grouped = []
        for kind, count in sorted(self._counts.items()):
            names = name_list(self._names[kind], count)
            severity, text = _LEFT_OUT[kind]
            text = text.format(names=names, limit=f"{self._limits.entries:,}", archives=self._limits.archives)
            grouped.append(Remark(severity, self._names[kind][0] if count == 1 else "", text))
        return (*self._single, *grouped)


class _Zip(NamedTuple):
    """A zip still to be opened, and what its members' paths start with: nothing where it is the whole submission."""

    entry: Entry
    prefix: str


class _Walk:
    """Goes through a submission once: folders level by level, then the zips found, in the order of their names."""

    def __init__(self, keep: Callable[[str], bool], limits: Limits, resources: ExitStack) -> None:
        self._keep = keep
        self._limits = limits
        self._resources = resources
        self._zips: deque[_Zip] = deque()
        self._opened = 0
        self._unpacked = 0
        self._seen = 0
        self._entries: list[Entry] = []
        self._others: list[str] = []
        self._other_count = 0
        self._notes = _Notes(limits)

    def run(self, source: Path) -> Inventory:
        source = Path(os.path.realpath(source))
        if source.is_dir():
            self._walk_folders(source)
        else:
            self._single_file(source)
        while self._zips:
            self._open_zip(*self._zips.popleft())
        entries = tuple(sorted(self._entries, key=lambda entry: entry.path))
        return Inventory(entries, self._other_count, tuple(self._others), self._notes.remarks())

    def _single_file(self, source: Path) -> None:
        entry = self._plain_entry(source, source.name)
        if entry is None:
            return
        if not self._keep(source.name) and _starts_like_zip(entry):
            self._zips.append(_Zip(entry, ""))
        else:
            self._file(entry)

    def _walk_folders(self, root: Path) -> None:
        waiting = deque([("", 0)])
        while waiting:
            relative, depth = waiting.popleft()
            for found in self._listing(root, relative):
                path = relative + found.name
                if self._seen >= self._limits.entries:
                    self._notes.leave_out("many", path)
                    return
                self._seen += 1
                if found.is_symlink() or not found.is_dir(follow_symlinks=False):
                    self._file(self._link(root, path) if found.is_symlink() else self._plain_entry(root / path, path))
                elif _is_tool_folder(found.name) or os.path.lexists(root / path / "pyvenv.cfg"):
                    continue  # the latter marks a virtual environment, whatever its folder is called
                elif depth >= self._limits.depth:
                    self._notes.leave_out("deep", path)
                else:
                    waiting.append((path + "/", depth + 1))

    def _listing(self, root: Path, relative: str) -> list[os.DirEntry[str]]:
        """A folder's entries by name, those worth keeping first where there are more than the limit."""

        def order(found: os.DirEntry[str]) -> tuple[bool, str]:
            return (not (self._keep(found.name) or found.is_dir(follow_symlinks=False)), found.name)

        try:
            with os.scandir(root / relative) as listing:
                return heapq.nsmallest(self._limits.entries + 1, listing, key=order)
        except OSError:
            self._notes.leave_out("folder", relative or "the submission")
            return []

    def _link(self, root: Path, path: str) -> Entry | None:
        """A link to a file inside the submission is that file under another name; every other one is left out."""
        target = Path(os.path.realpath(root / path))
        if target.is_relative_to(root) and target.is_file():
            return self._plain_entry(target, path)
        self._notes.leave_out("link", path)
        return None

    def _plain_entry(self, file: Path, path: str) -> Entry | None:
        """An entry for an ordinary file; a pipe, a socket or a device is left out."""
        try:
            info = file.lstat()
        except OSError:
            info = None
        if info is None or not stat.S_ISREG(info.st_mode):
            self._notes.leave_out("special", path)
            return None
        return Entry(shown_path(path), 0, info.st_size, None, partial(_open_plain, file))

    def _file(self, entry: Entry | None) -> None:
        if entry is not None and not entry.name.startswith("."):
            self._sort_in(entry, self._keep(entry.name))

    def _sort_in(self, entry: Entry, kept: bool) -> None:
        if kept:
            self._entries.append(entry)
            return
        if entry.suffix == ".zip":
            self._zips.append(_Zip(entry, entry.path + "/"))
        self._other_count += 1
        if len(self._others) < _SHOWN_NAMES:
            self._others.append(entry.path)

    # -- zips

    def _open_zip(self, entry: Entry, prefix: str) -> None:
        if entry.archives >= self._limits.nesting:
            self._notes.leave_out("deep", entry.path)
            return
        if self._opened >= self._limits.archives:
            self._notes.leave_out("archives", entry.path)
            return
        if self._seen >= self._limits.entries:
            self._notes.leave_out("many", entry.path)
            return
        self._opened += 1
        try:
            file = self._seekable(entry)
            archive = self._resources.enter_context(zipfile.ZipFile(_Bounded(file, self._limits.listing_bytes)))
        except Unreadable as problem:
            self._notes.add("error", entry.path, f"{entry.path} {problem.reason}.")
            return
        except _TooLong:
            self._notes.add("error", entry.path, f"{entry.path} lists too many files. Zip only what was asked for.")
            return
        except _READ_ERRORS as error:
            self._notes.add("error", entry.path, _broken_zip(entry, error))
            return
        self._members(archive, prefix, entry.archives + 1)

    def _seekable(self, entry: Entry) -> IO[bytes]:
        """The zip itself where it is a plain file, else an unpacked copy that is deleted with the inventory."""
        if entry.archives == 0:
            try:
                return self._resources.enter_context(entry.opener())
            except OSError as error:
                raise Unreadable(f"cannot be read ({_explain(error)})") from error
        # The stack closes it, once the last entry of the zip was read.
        copy: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._resources.enter_context(copy)
        for block in entry.chunks(self._limits.unpacked_bytes - self._unpacked, self._limits):
            copy.write(block)
        self._unpacked += copy.tell()
        return copy

    def _members(self, archive: zipfile.ZipFile, prefix: str, archives: int) -> None:
        """Files the members of one zip: the outermost folders first, and in each what is worth keeping."""
        room = self._limits.entries - self._seen
        self._seen += len(archive.infolist())
        members = sorted(self._named_members(archive, prefix), key=lambda member: member.order)
        for member in members[:room]:
            path, info = member.path, member.info
            obstacle = _obstacle(member, self._limits)
            if obstacle:
                self._notes.leave_out(obstacle, prefix + path)
            elif not path.rpartition("/")[2].startswith("."):
                opener = partial(archive.open, info)
                entry = Entry(shown_path(prefix + path), archives, info.file_size, info.compress_size, opener)
                self._sort_in(entry, member.kept)
        if len(members) > room:
            self._notes.leave_out("many", prefix + members[room].path)

    def _named_members(self, archive: zipfile.ZipFile, prefix: str) -> Iterable["_Member"]:
        """The members that are files, under names that stay inside."""
        members: dict[str, _Member] = {}
        for info in archive.infolist():
            raw = info.filename.replace("\\", "/")  # Windows tools write "\", against the format
            path = _ROOT_OF_A_DISK.sub("", raw)
            parts = [part for part in path.split("/") if part not in ("", ".")]
            is_folder = raw.endswith("/") or stat.S_ISDIR(info.external_attr >> 16)
            if not parts or is_folder or any(_is_tool_folder(part) for part in parts[:-1] if part != ".."):
                continue
            if ".." in parts or _DRIVE.match(path) or max(map(len, parts)) > _LONGEST_NAME:
                self._notes.leave_out("outside", prefix + raw)
                continue
            if path != raw:
                self._notes.leave_out("absolute", prefix + raw)
            path = "/".join(parts)
            kept = self._keep(parts[-1])
            if path in members and kept:
                self._notes.leave_out("twice", prefix + path)
            members[path] = _Member(path, info, kept)
        return members.values()


class _Member(NamedTuple):
    """One file of a zip, under a name that stays inside."""

    path: str
    info: zipfile.ZipInfo
    kept: bool

    @property
    def order(self) -> tuple[int, bool, str]:
        return self.path.count("/"), not self.kept, self.path


def _obstacle(member: _Member, limits: Limits) -> str | None:
    """The kind of reason why a member cannot be used, if there is one and somebody would want the member."""
    info = member.info
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "link"
    if member.path.count("/") > limits.depth:
        return "deep"
    if not (member.kept or member.path.casefold().endswith(".zip")):
        return None
    if info.flag_bits & 0x1:
        return "locked"
    # The other methods give no way to bound the memory that one block unpacks to.
    return None if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else "method"


class _TooLong(OSError):
    """A zip's table of contents is longer than the limit."""


class _Bounded(io.RawIOBase):
    """A file whose single reads are bounded.

    zipfile reads a whole table of contents at once, by the length that the archive declares; a bound on one read is a
    bound on that table, whichever of the format's variants declares it.
    """

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._most = most

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            raise _TooLong
        return self._file.read(size if size >= 0 else self._most)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self._file.tell()  # a spooled file's seek returned None before Python 3.11

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def shown_path(path: str) -> str:
    """Each part of a path made safe to show."""
    return "/".join(shown(part) for part in path.split("/"))


def _open_plain(path: Path) -> IO[bytes]:
    """Opens a regular file and nothing else: never follows a link, never waits for a pipe's other end."""
    descriptor = os.open(path, _OPEN_FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is not an ordinary file")
    return os.fdopen(descriptor, "rb")


def _starts_like_zip(entry: Entry) -> bool:
    """Whether a single submitted file is a zip: by its name, or by its first bytes whatever it is called."""
    if entry.suffix == ".zip":
        return True
    try:
        with entry.opener() as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def _broken_zip(entry: Entry, error: Exception) -> str:
    try:
        with entry.opener() as file:
            start = file.read(8)
    except _READ_ERRORS:
        start = b""
    if start.startswith(b"Rar!"):
        return f"{entry.path} is a RAR archive under another name. Compress your files as a zip instead."
    if start.startswith(b"7z\xbc\xaf"):
        return f"{entry.path} is a 7z archive under another name. Compress your files as a zip instead."
    if not start:
        return f"{entry.path} is empty. Zip your files again, look into the zip, and submit it again."
    return f"{entry.path} is damaged or no zip at all ({_explain(error)}). Zip your files again and submit the new one."


@contextmanager
def open_submission(source: Path, keep: Callable[[str], bool], limits: Limits) -> Iterator[Inventory]:
    """Lists a file, a folder or a zip; the entries can be read until the block ends.

    `keep` says by its name whether a file matters; others are only counted. Zips are looked into unless kept.
    """
    with ExitStack() as resources:
        yield _Walk(keep, limits, resources).run(source)
