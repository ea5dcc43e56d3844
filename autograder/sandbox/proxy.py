"""The trusted side's view of a submission: what a check holds as `submission`, and the errors it can meet.

Plain data crosses by value and comes back as a read-only copy; everything else stays in the worker and is held here
by a :class:`RemoteObject`. Nothing that arrives is code. The contract is described in docs/security.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, NoReturn

import msgspec

from autograder.sandbox import wire
from autograder.sandbox.policy import Policy
from autograder.sandbox.transport import BadAnswer, OutOfSpace, OutOfTime, Stopwatch, Transport, WorkerGone

HELD_BYTES = 1 << 20
"""So much may wait to be sent along with the next request."""
ANSWER_SHAPES: dict[str, tuple[Any, ...]] = {
    "ok": (str, object, (dict, type(None))),
    "error": (str, str, str, list),
    "callback": (str, int, str, tuple, dict, dict),
}
"""What the worker may say: a value with the stand-ins' fields, an error with its frames, a stand-in's method called."""


class GraderError(Exception):
    """A fault of the grader or its machine; never the student's, and never a silent zero."""


class SubmissionProblem(Exception):
    """Whatever a submission did that ended a call; the check's outcome, never the grader's failure."""


class Frame(msgspec.Struct, frozen=True):
    """One of the student's own stack frames."""

    file: str
    line: int
    function: str
    source: str


class StudentError(SubmissionProblem):
    """An exception raised by the student's code: its type's name, its message and the student's frames."""

    def __init__(self, type_name: str, message: str, frames: Iterable[Frame] = ()) -> None:
        super().__init__(type_name, message)
        self.type_name = type_name
        self.message = message
        self.frames = tuple(frames)

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


class StudentTimeout(SubmissionProblem):
    """The student's code did not answer in time."""

    def __init__(self, called: str, seconds: float) -> None:
        super().__init__(f"{called} did not finish within {seconds:g} s of computing time")
        self.called = called
        self.seconds = seconds


class StudentCrash(SubmissionProblem):
    """The process that ran the student's code ended."""


class CopyError(TypeError):
    """A check tried to change a copy in place; the message says how to change the original."""


# -- read-only copies ---------------------------------------------------------------------------------------------


def _refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
    raise CopyError(
        f"this {type(self).__name__.removeprefix('ReadOnly').lower()} is a copy of what the submission holds; "
        "assign the whole attribute instead: layer.params = {**layer.params, 'W': new}"
    )


class ReadOnlyList(list):  # type: ignore[type-arg]
    """A list that arrived from the worker."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = insert = _refuse  # type: ignore[assignment]
    pop = remove = reverse = sort = _refuse  # type: ignore[assignment]


class ReadOnlyDict(dict):  # type: ignore[type-arg]
    """A dict that arrived from the worker."""

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]


# -- what is held by handle ---------------------------------------------------------------------------------------


class Remote:
    """Anything that lives in the worker, named by a path from a module or an object there.

    Attribute access, assignment, calls, indexing, `len` and iteration work as on the original. Special methods
    other than those are not looked up remotely, so that NumPy and pytest can look at a proxy without calling it.
    """

    __slots__ = ("_check", "_path", "_text")
    # Hypothesis takes a check's first argument for `self` and asks it how to run the check, unless it is a mock.
    hypothesis_internal_is_this_a_mock_check = True

    def __init__(self, check: CheckWorker, path: tuple[Any, ...], text: str) -> None:
        for name, value in (("_check", check), ("_path", path), ("_text", text)):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self._check.get(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._check.tell("set", name, value, on=self._path, called=f"setting {self._text}.{name}")

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._check.request("call", keywords or None, *arguments, on=self._path, called=f"{self._text}(...)")

    def __getitem__(self, key: Any) -> Any:
        return self._check.request("get_item", key, on=self._path, called=f"{self._text}[{key!r}]")

    def __setitem__(self, key: Any, value: Any) -> None:
        self._check.tell("set_item", key, value, on=self._path, called=f"setting {self._text}[{key!r}]")

    def __len__(self) -> int:
        length = self._check.request("length", on=self._path, called=f"len({self._text})")
        if type(length) is not int or length < 0:
            raise StudentError("TypeError", f"len({self._text}) is not a whole number")
        if length > wire.MAX_ITEMS:  # list() makes room for as many as it is told
            most = f"at most {wire.MAX_ITEMS:,} items travel"
            raise StudentError("ValueError", f"len({self._text}) is {length:,}; {most}")
        return length

    def __iter__(self) -> Iterator[Any]:
        items = self._check.request("items", on=self._path, called=f"iterating {self._text}")
        return iter(items if isinstance(items, list) else [])

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{self._text} in the submission>"


class RemoteCallable(Remote):
    """A function, method or class, held by its path alone."""

    __slots__ = ()


class RemoteModule(Remote):
    """An imported module."""

    __slots__ = ()


class RemoteObject(Remote):
    """An object of the student's: a layer, a model. `type_name_of(it)` is its class's name."""

    __slots__ = ("_type_key", "_type_name")


def type_name_of(value: Any) -> str:
    """The name of a value's type, of the original's type for something remote."""
    if isinstance(value, RemoteObject):
        return value._type_name
    if isinstance(value, RemoteCallable):
        return "function or class"
    return (
        type(value).__name__.removeprefix("ReadOnly").lower()
        if isinstance(value, list | dict)
        else type(value).__name__
    )


def make(class_: Any, *arguments: Any) -> Any:
    """`class_(*arguments)`, without waiting for it where the class is known to give an object.

    What goes wrong in it is raised by the next call that is waited for. Also takes a class of our own side.
    """
    if isinstance(class_, RemoteCallable):
        return class_._check.make(class_, arguments)
    return class_(*arguments)


def call_unanswered(function: Any, *arguments: Any) -> None:
    """`function(*arguments)` for what it does alone: nobody waits for it, nor gets what it returns.

    What goes wrong in it is raised by the next call that is waited for. Also takes a function of our own side.
    """
    if isinstance(function, RemoteCallable):
        function._check.tell("do", *arguments, on=function._path, called=f"{function._text}(...)")
    else:
        function(*arguments)


class StandIn:
    """An object of ours that the student's code may use: a layer of known behaviour, a record of settings.

    In the worker it has `fields` as ordinary attributes, which the student's code may read and change; calling one
    of `methods` comes back here as `method(fields, *args, **kwargs)` and may assign `fields.<name>`. So what it
    computes never enters the worker. After each call `fields` mirrors the worker's values.

    `imitates` names a class of the student's main module that `isinstance` should take it for.
    """

    def __init__(
        self,
        name: str = "StandIn",
        fields: dict[str, Any] | None = None,
        methods: dict[str, Callable[..., Any]] | None = None,
        imitates: str | None = None,
    ) -> None:
        self.name = name
        self.fields = SimpleNamespace(**(fields or {}))
        self.methods = dict(methods or {})
        self.imitates = imitates


# -- one check's conversation -------------------------------------------------------------------------------------


class CheckWorker:
    """The worker of one check: `submission` and `probes` talk through it."""

    def __init__(
        self,
        transport: Transport,
        policy: Policy,
        main: str,
        stopwatch: Stopwatch,
        differs_between_runs: re.Pattern[str],
        explain_end: Callable[[], str],
        load_errors: Mapping[str, StudentError] | None = None,
    ) -> None:
        """`load_errors`: what kept a module of the submission from being loaded, by its name."""
        self._transport = transport
        self._policy = policy
        self._stopwatch = stopwatch
        self._differs_between_runs = differs_between_runs
        self._explain_end = explain_end
        self._codec = wire.Codec(
            self._pack_object, self._make_object, ReadOnlyList, ReadOnlyDict, max_depth=wire.MAX_ANSWER_DEPTH
        )
        self._objects: dict[int, RemoteObject] = {}
        self._stand_ins: dict[int, StandIn] = {}
        self._callables: set[tuple[Any, str]] = set()
        self._object_makers: dict[tuple[Any, ...], str] = {}
        self._held = bytearray()
        self._unheard: dict[str, None] = {}
        self._ended: SubmissionProblem | None = None
        self._main = main
        self._load_errors = load_errors or {}
        self.probes = Probes(self)

    @property
    def submission(self) -> RemoteModule:
        """The student's main module. Raises the StudentError that kept it from being loaded."""
        return self.module(self._main)

    def module(self, name: str) -> RemoteModule:
        """A module that has been imported there. Raises the StudentError that kept it from being loaded."""
        if name in self._load_errors:
            raise self._load_errors[name]
        return RemoteModule(self, (name,), name)

    def begin_example(self) -> None:
        """Forget every object of the last example and restart chance, here and in the worker."""
        self._objects.clear()
        self._stand_ins.clear()
        self.tell("begin", called="starting an example")

    def get(self, owner: Remote, name: str) -> Any:
        """An attribute's value; for what can be called, a path (remembered, so that a method costs one message)."""
        path, text = owner._path, f"{owner._text}.{name}"
        key = (getattr(owner, "_type_key", path) if isinstance(owner, RemoteObject) else path, name)
        if key in self._callables:
            return RemoteCallable(self, (*path, name), text)
        value = self.request("get", name, on=path, called=text)
        if isinstance(value, _CallableMark):
            if value.cacheable:
                self._callables.add(key)
            return RemoteCallable(self, (*path, name), text)
        return value

    def make(self, maker: Remote, arguments: tuple[Any, ...]) -> Any:
        """What `maker` gives, waited for the first time alone: what gave an object once is taken to give one again."""
        path, called = maker._path, f"{maker._text}(...)"
        type_name = self._object_makers.get(path)
        if type_name is None:
            made = self.request("call", None, *arguments, on=path, called=called)
            if isinstance(made, RemoteObject):
                self._object_makers[path] = made._type_name
            return made
        number = -1 - len(self._objects)  # the worker's own numbers are positive
        self.tell("make", number, *arguments, on=path, called=called)
        return self._remember(number, type_name, path)

    def request(self, operation: str, *arguments: Any, on: tuple[Any, ...] = (), called: str) -> Any:
        """Ask, wait, answer callbacks meanwhile; the value, or the student's error. `on`: the path of what is asked."""
        message = self._message(operation, on, arguments, called)
        return self._guard(called, lambda watch: self._converse(message, watch))

    def tell(self, operation: str, *arguments: Any, on: tuple[Any, ...] = (), called: str) -> None:
        """Have it done before the next request; an error of the student's comes with that one's answer.

        It is sent along with the request: to wake the worker for each of them would cost more than what it does.
        """
        self._held += self._message(operation, on, arguments, called)
        if operation in ("make", "do"):
            self._unheard[called] = None
        if len(self._held) > HELD_BYTES:
            self._guard(called, self._send)

    def _send(self, watch: Stopwatch) -> None:
        """Everything that is held."""
        frames, self._held = bytes(self._held), bytearray()
        self._transport.send(frames, watch)

    def _message(self, operation: str, on: tuple[Any, ...], arguments: tuple[Any, ...], called: str) -> bytes:
        """The frame of a request."""
        try:
            return wire.frame(self._codec.encode([operation, len(on), *on, *arguments]))
        except wire.WireError as error:
            raise GraderError(f"{called}: the check passed something that cannot travel: {error}") from None

    def printed(self) -> str:
        """What the submission printed since the last call of this."""
        called = "reading what was printed"
        if self._held:
            self.request("mark", b"", called=called)
        self._guard(
            called, lambda watch: self._transport.settle(lambda mark: self.request("mark", mark, called=called), watch)
        )
        return self._clean(self._transport.output.new_text())

    def printed_all(self) -> str:
        """Everything printed in this check, bounded; complete once the check is closed."""
        return self._clean(self._transport.output.all_text())

    def close(self) -> None:
        """End the worker; what it printed stays readable."""
        self._transport.kill()

    def _converse(self, message: bytes, watch: Stopwatch) -> Any:
        self._held += message
        self._send(watch)
        while True:
            answer = self._decode(self._transport.receive(watch))
            self._stopwatch.glance()
            self._unheard.clear()
            if answer[0] == "callback":
                self._transport.send(wire.frame(self._call_back(*answer[1:])), watch)
                continue
            if answer[0] == "error":
                raise self._student_error(*answer[1:])
            if answer[2] is not None:
                self._mirror(answer[2])
            return answer[1]

    def _guard(self, called: str, talk: Callable[[Stopwatch], Any]) -> Any:
        """The call's own time, within the check's; once the worker has ended every later call says so too."""
        if self._ended is not None:
            raise self._ended
        policy = self._policy
        called = " or ".join(dict.fromkeys([*self._unheard, called]))
        try:
            return talk(
                Stopwatch(policy.call_seconds, policy.patience, self._transport.process, within=self._stopwatch)
            )
        except OutOfTime as spent:
            self._transport.kill()
            self._ended = StudentTimeout(called, spent.seconds)
        except OutOfSpace as spent:
            self._transport.kill()
            self._ended = StudentCrash(f"{called} {spent}, and was ended")
        except BadAnswer as bad:
            self._transport.kill()
            self._ended = StudentCrash(f"{called} broke the process it runs in: {bad}")
        except WorkerGone as gone:
            self._transport.kill()
            self._ended = StudentCrash(f"{called} ended the Python process ({self._explain_end() or gone})")
        raise self._ended

    def _decode(self, body: bytes) -> list[Any]:
        """One answer in one of the three shapes there are; anything else is a worker that cannot be believed."""
        try:
            answer = self._codec.decode(body)
        except wire.WireError as error:
            raise BadAnswer(f"its answer could not be read ({error})") from None
        shape = ANSWER_SHAPES.get(answer[0]) if answer and isinstance(answer[0], str) else None
        if shape is None or len(answer) != len(shape) or not all(map(isinstance, answer, shape)):
            raise BadAnswer("its answer has none of the known shapes")
        return answer

    def _student_error(self, type_name: str, message: str, frames: list[Any]) -> StudentError:
        kept = []
        for item in frames[:32]:
            if isinstance(item, tuple) and len(item) == 4 and isinstance(item[1], int):
                file, line, function, source = item
                kept.append(Frame(self._clean(file), line, self._clean(function), self._clean(source)))
        return StudentError(self._clean(type_name)[:200], self._clean(message), kept)

    def _clean(self, text: Any) -> str:
        """Without what differs between two runs of the same submission: this run's folders, addresses."""
        return self._differs_between_runs.sub("", str(text))

    # -- objects ----------------------------------------------------------------------------------------------------

    def _pack_object(self, value: Any) -> tuple[int, list[Any]]:
        if isinstance(value, Remote):
            return wire.HANDLE, list(value._path)
        if isinstance(value, StandIn):
            self._stand_ins[id(value)] = value  # kept alive, so that its identity stays its own
            return wire.STAND_IN, [id(value), value.name, vars(value.fields), list(value.methods), value.imitates]
        if isinstance(value, _CallableMark):  # only a forged answer has one where a value stands
            raise StudentCrash("the submission handed back something that no function can return")
        raise GraderError(f"a check passed a {type(value).__name__} to the submission; plain data, remote objects and "
                          "stand-ins travel")  # fmt: skip

    def _make_object(self, code: int, payload: list[Any]) -> Any:
        if code == wire.STAND_IN:
            if len(payload) == 1 and payload[0] in self._stand_ins:
                return self._stand_ins[payload[0]]
            raise wire.WireError("a stand-in that is none of ours")
        if len(payload) == 2 and payload[0] == "callable":
            return _CallableMark(bool(payload[1]))
        if len(payload) != 5 or not (type(payload[1]) is int and isinstance(payload[2], str)):
            raise wire.WireError("a handle without its number and type")
        _, number, type_name, type_id, _ = payload
        known = self._objects.get(number)
        if known is not None:
            return known
        if number < 0 or len(self._objects) >= self._policy.handles:
            raise wire.WireError("too many handles, or one that was never given out")
        return self._remember(number, self._clean(type_name)[:100], type_id if type(type_id) is int else None)

    def _remember(self, number: int, type_name: str, type_key: Any) -> RemoteObject:
        """The object of that number; objects with the same `type_key` have the same methods."""
        made = RemoteObject(self, (number,), type_name)
        object.__setattr__(made, "_type_name", type_name)
        object.__setattr__(made, "_type_key", type_key)
        self._objects[number] = made
        return made

    def _call_back(
        self, number: int, method: str, arguments: tuple[Any, ...], keywords: dict[Any, Any], fields: Any
    ) -> bytes:
        """A stand-in's method, called by the student's code with whatever it likes: its errors go back to it."""
        stand_in = self._stand_ins.get(number)
        if stand_in is None or method not in stand_in.methods or not all(isinstance(k, str) for k in keywords):
            raise BadAnswer("it called something that is not there to be called")
        self._mirror({number: fields})
        before = dict(vars(stand_in.fields))
        try:
            value = stand_in.methods[method](stand_in.fields, *arguments, **keywords)
        except (SubmissionProblem, GraderError):
            raise
        except Exception as error:  # its arguments are the student's: a bad shape is their error to see
            return self._codec.encode(["error", f"{stand_in.name}.{method}: {type(error).__name__}: {error}", {}])
        now = vars(stand_in.fields)
        changed = {name: now[name] for name in now if now[name] is not before.get(name)}
        return self._codec.encode(["ok", value, changed])

    def _mirror(self, fields: dict[Any, Any]) -> None:
        for number, values in fields.items():
            stand_in = self._stand_ins.get(number) if isinstance(number, int) else None
            if stand_in is not None and isinstance(values, dict) and all(isinstance(name, str) for name in values):
                vars(stand_in.fields).clear()
                vars(stand_in.fields).update(values)


class Probes:
    """Small questions about the worker that are not calls of the submission's own functions."""

    def __init__(self, check: CheckWorker) -> None:
        self._check = check
        self.data_folder = ""
        self.remarks: list[tuple[str, str, str]] = []

    def printed(self) -> str:
        """Text printed since the last call of this."""
        return self._check.printed()

    def module(self, name: str) -> RemoteModule:
        """Another module of the submission, or one that it could import: a given file, a library."""
        module = self._check.module(name)
        self._check.request("module", name, called=f"import {name}")
        return module

    def run(self, module: str, function: str, *arguments: Any, called: str = "", **keywords: Any) -> Any:
        """What `function` of a preloaded module of this package returns beside the student's objects.

        `called` says in the student's words what happens, for messages. The answer comes from the untrusted side.
        """
        name = f"autograder.sandbox.probes.{module}"
        return self._check.request(
            "probe", name, function, arguments, keywords, called=called or f"{module}.{function}(...)"
        )

    def seed(self, number: int) -> None:
        """Restart `random`, NumPy (and torch) in the worker."""
        self._check.request("seed", number, called="seeding")

    def files(self) -> list[str]:
        """Names in the check's scratch folder."""
        names = self._check.request("files", called="listing files")
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    def read_file(self, name: str) -> bytes:
        """A file's bytes from the scratch folder; StudentError (FileNotFoundError) where there is none."""
        content = self._check.request("read_file", name, called=f"reading {name}")
        return content if isinstance(content, bytes) else b""

    def read_submitted_file(self, name: str) -> bytes:
        """A file of the staged submission, such as an optional one; StudentError where there is none."""
        content = self._check.request("read_submitted_file", name, called=f"reading {name}")
        return content if isinstance(content, bytes) else b""

    def call_and_return_arguments(self, function: Remote, *arguments: Any, **keywords: Any) -> tuple[Any, list[Any]]:
        """The result, and the arguments as they are after the call: to see what it changed in place."""
        answer = self._check.request(
            "call_and_return_arguments",
            keywords or None,
            *arguments,
            on=function._path,
            called=f"{function._text}(...)",
        )
        if not (isinstance(answer, list) and len(answer) == 2 and isinstance(answer[1], list)):
            raise StudentError("TypeError", f"{function._text} did not come back with its arguments")
        return answer[0], answer[1]


class _CallableMark:
    """Arrives in place of a function or class: it can be called by its path."""

    def __init__(self, cacheable: bool) -> None:
        self.cacheable = cacheable
