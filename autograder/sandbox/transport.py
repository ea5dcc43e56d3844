"""Bytes to and from a worker, on time or not at all: the trusted side's end of the two ways a worker can serve.

:class:`SocketTransport` talks to a forked child (a socket and an output pipe, watched together without threads, so
that a call costs tens of microseconds). :class:`PipeTransport` talks to a worker started for one check over its
standard streams, with a thread for each direction, which is what works on every platform.

Neither believes the worker: frames are bounded before they are read, output is bounded while it is read, and the
process that is killed is the one the kernel names.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

from autograder.sandbox import wire
from autograder.sandbox.policy import Policy

READ_BYTES = 1 << 16
POLL_SECONDS = 0.2


class WorkerGone(Exception):
    """The worker ended, or cannot be talked to any more."""


class BadAnswer(WorkerGone):
    """The worker said something that is none of the messages there are."""


class OutOfTime(Exception):
    """The time given is used up; `seconds` says how much that was."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class OutOfSpace(Exception):
    """The worker used up something else than time; the text says what it did."""


class Stopwatch:
    """Time a worker may still take: in its own processor time where that can be read, and in wall time at last.

    `deadline` (in `time.monotonic()` terms) and the stopwatch `within` which this one runs end it earlier. `also` is
    looked at together with the time; it raises OutOfSpace.
    """

    def __init__(
        self,
        seconds: float,
        patience: float,
        process: int | None,
        *,
        deadline: float | None = None,
        within: Stopwatch | None = None,
        also: Callable[[], None] | None = None,
    ) -> None:
        self._seconds = seconds
        self._also = also
        self._next_look = 0.0
        self._process = process
        self._within = within
        self._processor_end: float | None = None  # set at the first look: most calls end before there is one
        self._wall_end = time.monotonic() + seconds * patience
        if deadline is not None:
            self._wall_end = min(self._wall_end, deadline)

    def glance(self) -> None:
        """As `check`, but several times a second at most: for a worker that always answers at once."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + POLL_SECONDS
            self.check()

    def check(self) -> None:
        """Raises OutOfTime when the time is up, OutOfSpace."""
        if self._within is not None:
            self._within.check()
        if self._also is not None:
            self._also()
        if time.monotonic() >= self._wall_end:
            raise OutOfTime(self._seconds)
        used = None if self._process is None else processor_seconds(self._process)
        if used is None:
            return
        if self._processor_end is None:
            self._processor_end = used + self._seconds
        elif used >= self._processor_end:
            raise OutOfTime(self._seconds)

    def wall_left(self) -> float:
        left = max(self._wall_end - time.monotonic(), 0.0)
        return left if self._within is None else min(left, self._within.wall_left())


def processor_seconds(process: int) -> float | None:
    """Processor time the process has used, in seconds; None where this cannot be read."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class OutputBuffer:
    """What a worker printed: the first part kept, the rest counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._taken = 0
        self._dropped = 0

    def add(self, data: bytes) -> None:
        room = self._limit - len(self._kept)
        self._kept += data[:room]
        self._dropped += max(len(data) - room, 0)

    def all_text(self) -> str:
        text = self._kept.decode("utf-8", "replace")
        return f"{text}\n[{self._dropped:,} more bytes were printed and dropped]" if self._dropped else text

    def remove(self, mark: bytes) -> None:
        start = self._kept.find(mark)
        if start >= 0:
            del self._kept[start : start + len(mark)]

    def new_text(self) -> str:
        """What came since the last call."""
        data = bytes(self._kept[self._taken :])
        self._taken = len(self._kept)
        return data.decode("utf-8", "replace")


class Transport(Protocol):
    """One check's worker, seen from outside."""

    output: OutputBuffer
    process: int

    def send(self, frames: bytes, stopwatch: Stopwatch) -> None:
        """One or more frames. Raises OutOfTime, WorkerGone."""

    def receive(self, stopwatch: Stopwatch) -> bytes:
        """The next frame's body. Raises OutOfTime, WorkerGone."""

    def settle(self, print_mark: Callable[[bytes], object], stopwatch: Stopwatch) -> None:
        """Until everything the worker has printed so far is in `output`."""

    def kill(self) -> None:
        """End the worker, whatever it is doing, and take what it still printed; a second time does nothing."""


class SocketTransport:
    """A forked child: its socket, its output pipe, and a handle on its process that cannot be confused."""

    def __init__(self, connection: socket.socket, output: int, policy: Policy) -> None:
        self.output = OutputBuffer(policy.output_bytes)
        self.process = 0
        self._policy = policy
        self._socket = connection
        self._pipe = output
        self._pipe_open = True
        self._handle: int | None = None
        self._closed = False
        os.set_blocking(output, False)
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._poll.register(output, select.POLLIN)
        self._awaited = select.POLLIN
        self._buffer = bytearray()

    def meet(self, stopwatch: Stopwatch) -> None:
        """Wait for the child's first, empty frame, and take its process from the kernel's word, not its own."""
        self._wait(stopwatch, select.POLLIN)
        size = socket.CMSG_SPACE(struct.calcsize("3i"))
        data, ancillary, _, _ = self._socket.recvmsg(wire.HEADER.size, size)
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                self.process = struct.unpack("3i", content[:12])[0]
        if not data or not self.process:
            raise WorkerGone("the worker ended before it answered")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        with contextlib.suppress(OSError, AttributeError):
            self._handle = os.pidfd_open(self.process)

    def send(self, frames: bytes, stopwatch: Stopwatch) -> None:
        rest = memoryview(frames)
        try:
            while rest:
                try:
                    rest = rest[self._socket.send(rest) :]
                except BlockingIOError:
                    self._wait(stopwatch, select.POLLOUT)
        except (BrokenPipeError, ConnectionResetError):
            raise WorkerGone("the worker ended") from None

    def receive(self, stopwatch: Stopwatch) -> bytes:
        size = wire.HEADER.unpack(self._read(wire.HEADER.size, stopwatch))[0]
        if size > self._policy.frame_bytes:
            raise BadAnswer(f"it announced an answer of {size:,} bytes")
        return self._read(size, stopwatch)

    def settle(self, print_mark: Callable[[bytes], object], stopwatch: Stopwatch) -> None:
        self._drain()  # the worker flushes before it answers, so it is in the pipe already

    def kill(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            os.close(self._handle)
            self._handle = None
        if self.process:
            _kill_group_led_by(self.process)
        with contextlib.suppress(OSError):
            self._drain()
        self._socket.close()
        os.close(self._pipe)

    def _read(self, count: int, stopwatch: Stopwatch) -> bytes:
        buffer = self._buffer
        while len(buffer) < count:
            self._wait(stopwatch, select.POLLIN)
            try:
                chunk = self._socket.recv(max(READ_BYTES, count - len(buffer)))
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                raise WorkerGone("the worker ended")
            buffer += chunk
        data = bytes(buffer[:count])
        del buffer[:count]
        return data

    def _wait(self, stopwatch: Stopwatch, event: int) -> None:
        """Until the socket is ready, taking output meanwhile."""
        if event != self._awaited:
            self._poll.modify(self._socket, event)
            self._awaited = event
        while True:
            ready = self._poll.poll(1000 * min(POLL_SECONDS, stopwatch.wall_left() + 0.001))
            if any(descriptor == self._pipe for descriptor, _ in ready):
                self._drain()
                stopwatch.check()  # a flood of output must not keep the clock from being read
            if any(descriptor == self._socket.fileno() for descriptor, _ in ready):
                return
            if not ready:
                stopwatch.check()

    def _drain(self) -> None:
        """Take what is in the output pipe now, at most a few reads' worth."""
        for _ in range(16):
            try:
                data = os.read(self._pipe, READ_BYTES)
            except BlockingIOError:
                return
            if not data:  # every writer is gone
                if self._pipe_open:
                    self._poll.unregister(self._pipe)
                    self._pipe_open = False
                return
            self.output.add(data)


class PipeTransport:
    """A worker started for one check, over its standard streams."""

    def __init__(self, process: subprocess.Popen[bytes], policy: Policy) -> None:
        self.output = OutputBuffer(policy.output_bytes)
        self.process = process.pid
        self._popen = process
        self._limit = policy.frame_bytes
        self._frames: queue.Queue[bytes | None] = queue.Queue()
        self._outgoing: queue.Queue[bytes | None] = queue.Queue()
        self._mark = b""
        self._mark_seen = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._read_frames, self._read_output, self._write_frames)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, frames: bytes, stopwatch: Stopwatch) -> None:
        self._outgoing.put(frames)

    def receive(self, stopwatch: Stopwatch) -> bytes:
        while True:
            try:
                body = self._frames.get(timeout=min(POLL_SECONDS, stopwatch.wall_left() + 0.001))
            except queue.Empty:
                stopwatch.check()
                continue
            if body is None:
                self._frames.put(None)  # stays at the end of the stream
                raise WorkerGone("the worker ended")
            return body

    def settle(self, print_mark: Callable[[bytes], object], stopwatch: Stopwatch) -> None:
        self._mark = secrets.token_hex(16).encode()
        self._mark_seen.clear()
        print_mark(self._mark)
        while not self._mark_seen.wait(min(POLL_SECONDS, stopwatch.wall_left() + 0.001)):
            stopwatch.check()
        self.output.remove(self._mark)

    def kill(self) -> None:
        if sys.platform != "win32":
            _kill_group_led_by(self.process)
        self._popen.kill()
        self._popen.wait()
        self._outgoing.put(None)
        for thread in self._threads:
            thread.join(timeout=5)
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _read_frames(self) -> None:
        stream = self._popen.stdout
        with contextlib.suppress(OSError, ValueError):
            while header := stream.read(wire.HEADER.size):  # type: ignore[union-attr]
                size = wire.HEADER.unpack(header)[0] if len(header) == wire.HEADER.size else self._limit + 1
                if size > self._limit:
                    break
                body = stream.read(size)  # type: ignore[union-attr]
                if len(body) < size:
                    break
                self._frames.put(body)
        self._frames.put(None)

    def _read_output(self) -> None:
        tail = b""
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self._popen.stderr.fileno(), READ_BYTES):  # type: ignore[union-attr]
                self.output.add(data)
                tail = (tail + data)[-READ_BYTES:]
                if self._mark and self._mark in tail:
                    self._mark_seen.set()

    def _write_frames(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (data := self._outgoing.get()) is not None:
                self._popen.stdin.write(data)  # type: ignore[union-attr]
                self._popen.stdin.flush()  # type: ignore[union-attr]


def _kill_group_led_by(process: int) -> None:
    """SIGKILL to the process's own group, if it leads one (never to a group it merely belongs to)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process) == process:
            os.killpg(process, signal.SIGKILL)
