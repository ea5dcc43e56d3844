"""What is fuzzed: functions that take any bytes, and raise only where the grader would have failed.

- `wire`: the decoder of messages, on both sides; what it takes must come back the same from a second journey.
- `answers`: one check's conversation with a worker that says these bytes, over either transport, and the loader's
  control messages. A check may meet the submission's problems (SubmissionProblem, CheckFailed) and nothing else.
- `collect`: a submission made of these bytes: a zip, a file under a wanted name, a folder or a zip with a table of
  contents of its own, a notebook. Nothing that a student hands in may raise, nor be written outside of its folder.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import socket
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from autograder import collect as collecting
from autograder import notebook
from autograder.assignment import Assignment, Files, Item
from autograder.checks import compare
from autograder.checks.compare import CheckFailed
from autograder.grading.results import RemarkRecord
from autograder.grading.sections import clean
from autograder.inventory import Limits
from autograder.notebook import NotebookError
from autograder.sandbox import session, wire
from autograder.sandbox.policy import Policy
from autograder.sandbox.proxy import CheckWorker, Remote, StandIn, StudentCrash, SubmissionProblem
from autograder.sandbox.transport import PipeTransport, SocketTransport, Stopwatch

MOST_BYTES = 60_000  # fits a socket's buffer, so that one thread can play both ends
SEPARATOR = b"\xff\xfe\xfd\xfc"


# ---- The message format ---------------------------------------------------------------------------------------------


def _no_object(value: Any) -> tuple[int, list[Any]]:
    raise wire.WireError(f"not plain: {type(value)}")


def _kept_object(code: int, payload: list[Any]) -> Any:
    return (code, tuple(map(repr, payload)))


TRUSTED = wire.Codec(_no_object, _kept_object)
WORKER = wire.Codec(_no_object, _kept_object, writable=True)


def fuzz_wire(data: bytes) -> None:
    """Decode; where that is a message, it must travel again unchanged."""
    for codec in (TRUSTED, WORKER):
        with contextlib.suppress(wire.WireError):
            values = codec.decode(data)
            _require_bounds(values, 0)
            if codec is TRUSTED and not _holds_set(values):
                once = codec.encode(values)
                if codec.encode(codec.decode(once)) != once:
                    raise AssertionError("a second journey changed the message")


def _require_bounds(value: Any, depth: int) -> None:
    if depth > wire.MAX_DEPTH + 2:
        raise AssertionError("deeper than the bound")
    if isinstance(value, np.ndarray):
        if value.dtype.str not in wire.DTYPES or type(value) is not np.ndarray:
            raise AssertionError(f"an array of {value.dtype!r}")
    elif isinstance(value, dict):
        for pair in value.items():
            _require_bounds(pair, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _require_bounds(item, depth + 1)
    elif isinstance(value, np.generic):
        np.asarray(value).tobytes()
    elif value is not None and type(value) not in (bool, int, float, str, bytes, complex):
        raise AssertionError(f"a {type(value)} arrived")


def _holds_set(value: Any) -> bool:
    """Sets that cannot be sorted have no order of their own, so their bytes may differ."""
    if isinstance(value, dict):
        return any(map(_holds_set, (*value, *value.values())))
    return isinstance(value, set | frozenset) or (isinstance(value, list | tuple) and any(map(_holds_set, value)))


# ---- A conversation -------------------------------------------------------------------------------------------------

POLICY = Policy(call_seconds=5, frame_bytes=1 << 20, handles=1000, output_bytes=1000)
KNOWN_STAND_IN = 1
_PATTERN = re.compile(r"(?<=0x)[0-9a-f]{6,16}")


def fuzz_answers(data: bytes) -> None:
    """The first byte says who speaks: a forked child, with or without right lengths, a pipe, or the loader."""
    if not data:
        return
    kind, data = data[0] % 8, data[1:MOST_BYTES]
    if kind == 7:
        _control_message(data)
        return
    stream = data if kind == 6 else b"".join(wire.frame(body) for body in data.split(SEPARATOR))
    with _pipe_worker(stream) if kind == 5 else _socket_worker(stream) as check:
        check._stand_ins[KNOWN_STAND_IN] = StandIn("Layer", {"W": 1}, {"forward": lambda fields, x: np.asarray(x) + 1})
        with contextlib.suppress(SubmissionProblem, CheckFailed):
            value = compare.call(check.submission, "model", np.ones(2), name="model")
            _use(value)
            _use(check.probes.run("networks", "trace", value))
            check.submission.seeds = [1]
            check.probes.files()
            check.probes.call_and_return_arguments(compare.function_of(check.submission, "step", "step"), 1)
        check.printed_all()


def _use(value: Any) -> None:
    """What checks do with whatever comes back: each way of looking at it on its own."""
    compare.describe(value)
    if isinstance(value, Remote):
        list(value)
        len(value)
        compare.attribute(value, "W", "model")
    looks = (
        lambda: compare.as_array(value, "the result", shape=(2, None), called="model(X)"),
        lambda: compare.as_scalar(value, "the result"),
        lambda: compare.unpack(value, 2, "the result"),
        lambda: compare.as_mapping(value, ["W"], "the result"),
        lambda: compare.assert_close(value, np.ones((2, 2)), "the result"),
    )
    for look in looks:
        with contextlib.suppress(CheckFailed):
            look()


@contextlib.contextmanager
def _socket_worker(stream: bytes) -> Iterator[CheckWorker]:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MOST_BYTES)
    theirs.sendall(stream)
    os.write(writing, stream[:200])
    theirs.shutdown(socket.SHUT_WR)
    os.close(writing)
    transport = SocketTransport(ours, reading, POLICY)
    try:
        yield _check_worker(transport)
    finally:
        transport.kill()
        theirs.close()


@contextlib.contextmanager
def _pipe_worker(stream: bytes) -> Iterator[CheckWorker]:
    ends = [os.pipe() for _ in range(3)]
    (_, answer), (_, error) = ends[1], ends[2]
    os.write(answer, stream[:MOST_BYTES])
    os.write(error, stream[:200])
    os.close(answer)
    os.close(error)
    nobody = SimpleNamespace(
        pid=1 << 30,
        stdin=os.fdopen(ends[0][1], "wb"),
        stdout=os.fdopen(ends[1][0], "rb"),
        stderr=os.fdopen(ends[2][0], "rb"),
        kill=lambda: None,
        wait=lambda: None,
    )
    transport = PipeTransport(nobody, POLICY)  # type: ignore[arg-type]
    try:
        yield _check_worker(transport)
    finally:
        os.close(ends[0][0])
        transport.kill()


def _check_worker(transport: Any) -> CheckWorker:
    transport.process = 0
    return CheckWorker(transport, POLICY, "student", Stopwatch(30, 2, None), _PATTERN, lambda: "")


def _control_message(data: bytes) -> None:
    """What a loader may say after the submission has run in it."""
    with contextlib.suppress(StudentCrash):
        remarks, errors = session._read_loaded(data)
        for severity, file, text in remarks:
            RemarkRecord(severity, clean(file), clean(text))
        for error in errors.values():
            clean(str(error))


# ---- A submission ---------------------------------------------------------------------------------------------------

LIMITS = Limits(
    entries=200, listing_bytes=1 << 16, unpacked_bytes=1 << 20, text_bytes=1 << 18, file_bytes=1 << 18, helpers=20
)
NAMES = (
    *("net.py", "Net.PY", "net (1).py", "net copy.py", "net.py.txt", "net.ipynb", "curve.json", "utils.py", "my.py"),
    *("numpy.py", "conftest.py", "a/net.py", "a/b/../net.py", "../net.py", "/etc/net.py", "C:\\net.py", "a\\net.py"),
    *(
        "weights.pt",
        "inner.zip",
        "x.rar",
        ".net.py",
        "__MACOSX/net.py",
        "a/helper.py",
        "n\u00e9t.py",
        "a" * 300 + ".py",
    ),
    *("tests/net.py", "\x1b[31mnet.py", "net.py\n", "con.py", "net.py/", "", "."),
)


def fuzz_collect(data: bytes) -> None:
    """The first byte says what these bytes are."""
    if not data:
        return
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_quick_folder()) as name:
        folder = Path(name)
        source = _submission(data[0] % 7, data[1:MOST_BYTES], folder / "in")
        before = _names_in(folder / "in")
        collected = collecting.collect(source, _assignment(), folder / "out", LIMITS)
        if _names_in(folder / "in") != before or sorted(os.listdir(folder)) != ["in", "out"]:
            raise AssertionError("something was written outside of the staged folder")
        for path in (folder / "out").rglob("*"):
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise AssertionError(f"{path} is no plain file")
        for remark in collected.remarks:
            msgspec.json.encode(RemarkRecord(remark.severity, remark.file, clean(remark.text)))


def _quick_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _names_in(folder: Path) -> list[str]:
    return sorted(os.path.join(place, name) for place, folders, files in os.walk(folder) for name in folders + files)


@functools.cache
def _assignment() -> Assignment:
    root = Path(tempfile.mkdtemp(prefix="fuzz-course-"))
    reference = root / "reference" / "hw"
    reference.mkdir(parents=True)
    (reference / "utils.py").write_text("x = 1\n")
    return Assignment(
        id="hw",
        title="A homework",
        course="CS 1",
        points=1,
        main="net.py",
        files=Files(required=("net.py",), optional=("curve.json", "weights.pt"), given=("utils.py",)),
        items=(Item("1", "All", 1, "1"),),
        preloads=("numpy",),
        folder=root / "tests" / "hw",
        root=root,
    )


def _submission(kind: int, data: bytes, folder: Path) -> Path:
    folder.mkdir()
    if kind == 0:
        return _file(folder / "submission.zip", data)
    if kind == 1:
        return _file(folder / "net.py", data)
    if kind == 2:
        return _file(folder / "net.ipynb", data)
    if kind == 3:
        return _file(folder / "inner.zip", _zip([("a/in.zip", data), ("net.py", data[:100])], b"")).parent
    files = _named_parts(data)
    if kind == 4:
        for name, content in files:
            _try_to_write(folder, name, content)
        return folder
    return _file(folder / "submission.zip", _zip(files, data[-12:] if kind == 6 else b""))


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _named_parts(data: bytes) -> list[tuple[str, bytes]]:
    """Parts of the bytes, each under a name that its first byte picks."""
    parts = data.split(SEPARATOR)[:50]
    return [(NAMES[part[0] % len(NAMES)], part[1:]) for part in parts if part]


def _try_to_write(folder: Path, name: str, content: bytes) -> None:
    path = Path(os.path.normpath(folder / name.strip("/")))
    if path == folder or folder not in path.parents:
        return
    with contextlib.suppress(OSError, ValueError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if content[:1] == b"\x01":
            path.symlink_to(os.fsdecode(content[1:60].replace(b"\0", b"")) or "nowhere")
        elif content[:1] == b"\x02":
            os.mkfifo(path)
        else:
            path.write_bytes(content)


def _zip(files: list[tuple[str, bytes]], changes: bytes) -> bytes:
    """A zip of these files; `changes` overwrites bytes of it, most likely in its table of contents."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for index, (name, content) in enumerate(files):
            info = zipfile.ZipInfo(name or "empty")
            info.compress_type = zipfile.ZIP_DEFLATED if index % 2 else zipfile.ZIP_STORED
            if content[:1] == b"\x01":
                info.external_attr = 0o120777 << 16
            with contextlib.suppress(ValueError, OSError):
                archive.writestr(info, content)
    raw = bytearray(made.getvalue())
    for start in range(0, len(changes) - 2, 3):
        back, value = struct.unpack_from("<HB", changes, start)
        raw[-1 - back % len(raw)] = value
    return bytes(raw)


def _convert_here(content: bytes, name: str, seconds: float = 0) -> notebook.Converted:
    """The conversion without its process, so that what it does is seen; the process bounds its time and memory."""
    if len(content) > 20_000:
        raise NotebookError("is too large for this test")
    try:
        return notebook.module_of(content, name)
    except NotebookError:
        raise
    except Exception as error:  # there the process ends with an error, and that is what is told
        raise NotebookError("cannot be read as a notebook") from error


def use_conversion_in_this_process() -> None:
    """For fuzzing only: a process for each notebook would leave nothing else to be tried."""
    collecting.convert = _convert_here  # type: ignore[assignment]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "wire": fuzz_wire,
    "answers": fuzz_answers,
    "collect": fuzz_collect,
}


# ---- Where fuzzing starts -------------------------------------------------------------------------------------------


def seeds(target: str) -> list[bytes]:
    """Inputs that reach into the target, for a fuzzer to change."""
    return {"wire": _messages, "answers": _conversations, "collect": _submissions}[target]()


def _messages() -> list[bytes]:
    array = np.arange(6.0).reshape(2, 3)
    values = (
        *(None, True, -1, 2**70, 1.5, "text", b"bytes", 1j, (1, [2, {"a": {3}}]), frozenset((1, "b"))),
        *(array, array.T, array[:, ::2], np.float32(1), np.zeros((0, 3), np.int8), np.array(True), [[[[array]]]]),
    )
    return [TRUSTED.encode([value]) for value in values] + [TRUSTED.encode(values)]


def _conversations() -> list[bytes]:
    encode = msgspec.msgpack.encode
    codec = wire.Codec(lambda value: (wire.HANDLE, ["object", 1, "Layer", 7, True]), _kept_object)
    answers = [
        codec.encode(["ok", np.ones((2, 2)), None]),
        codec.encode(["ok", object(), {1: {"W": 2.0}}]),
        codec.encode(["error", "ValueError", "no", [("student.py", 3, "f", "x = 1")]]),
        codec.encode(["callback", 1, "forward", (np.ones(2),), {}, {"W": 3}]),
        codec.encode(["ok", [1, 2], None]),
    ]
    loaded = encode(["loaded", [["info", "a.py", "text"]], {"student": ["SyntaxError", "bad", [["a.py", 1, "", ""]]]}])
    return [
        *(b"\x00" + answer for answer in answers),
        b"\x00" + SEPARATOR.join([answers[1], answers[4], answers[0], answers[3], answers[0]]),
        b"\x05" + SEPARATOR.join([answers[3], answers[0], answers[4]]),
        b"\x06" + wire.frame(answers[0]),
        b"\x06" + wire.HEADER.pack(2**31),
        b"\x07" + loaded,
    ]


def _submissions() -> list[bytes]:
    source = b"# coding: latin-1\nimport utils\ndef f(x):\n\treturn x + 1\n"
    cells = (
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code", "source": "%ls\\nx=1"}]}'
    )
    parts = SEPARATOR.join(bytes([index]) + source for index in range(len(NAMES)))
    return [
        b"\x00"
        + _zip([("hw/net.py", source), ("hw/curve.json", b"{}"), ("hw/in.zip", _zip([("net.py", source)], b""))], b""),
        b"\x01" + source,
        b"\x01" + "# été\nx = 'ß'\n".encode("utf-16"),
        b"\x02" + cells,
        b"\x03" + _zip([("net.py", source)], b""),
        b"\x04" + parts,
        b"\x05" + parts,
        b"\x06" + parts,
    ]
