"""What was seen of a training, as typed records: the trusted reading of the probes' answers.

The answers come from the process that runs the submission, so every field is validated here; an answer that is not of
this form is the submission's doing and raises StudentError. Arrays are float32 or int64 copies of what the student's
code used, whole for the first few events of a sort and their first four rows later on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from autograder.sandbox.proxy import Frame, StudentError

Array = NDArray[Any]
MAX_EVENTS = 20_000
MAX_ENTRIES = 1 << 22


class Event(msgspec.Struct, frozen=True, tag_field="kind"):
    """Something that happened, at its place `at` in the order of things."""

    at: int


class Call(Event, frozen=True, tag="call"):
    """A network was called. `trained`: a gradient of its answer was computed later."""

    network: int
    part: str
    """The part of the network that was called on its own; empty for the network itself."""
    training: bool
    gradients: bool
    trained: bool
    shape: tuple[int, ...] | None
    input: np.ndarray | None
    sample: np.ndarray | None
    outputs: list[tuple[tuple[int, ...], np.ndarray | None]]
    dropout: tuple[bool, ...]
    """For every dropout on the way whether it dropped; `batch_norm`: whether it used the batch's statistics."""
    batch_norm: tuple[bool, ...]
    state_before: tuple[float | None, float | None]
    """Checksums of the parameters and of the buffers; None where they are not finite."""
    state_after: tuple[float | None, float | None] | None

    @property
    def rows(self) -> Array | None:
        """The inputs that were kept, (rows, ...)."""
        return self.sample if self.input is None else self.input


class Loss(Event, frozen=True, tag="loss"):
    """A loss function of torch.nn.functional was called, directly or by a module such as nn.CrossEntropyLoss."""

    function: str
    network: int
    """The network called last before it; 0 for none."""
    value: float | None
    gradients: bool
    shape: tuple[int, ...] | None
    target_shape: tuple[int, ...] | None
    input: np.ndarray | None
    target: np.ndarray | None


class Backward(Event, frozen=True, tag="backward"):
    """Gradients were computed, of the loss recorded at `loss` or (None) of something made from it."""

    value: float | None
    loss: int | None


class Clear(Event, frozen=True, tag="clear"):
    """zero_grad of an optimiser or a network was called."""

    by: str


class Step(Event, frozen=True, tag="step"):
    """Parameters were stepped, by an optimiser or (0) by hand, after a call of the network numbered `network`.

    The rest is known for the first few steps (`compared`): how many tensors moved, the size of the change and of the
    gradients it used; cosines of the change with minus these gradients (`descent`) and with minus the gradient of the
    last loss computed once more (`descent_recent`); relative distances of the gradients used from that gradient
    (`recent_error`) and from the sum over everything so far (`total_error`); and of the change from
    -learning rate · gradient (`plain_error`).
    """

    network: int
    optimizer: int
    rate: float | None
    held: int
    backwards: int
    compared: bool
    moved: int
    change: float | None
    gradient: float | None
    descent: float | None
    plain_error: float | None
    recent_error: float | None
    recent_cosine: float | None
    descent_recent: float | None
    total_error: float | None
    total_cosine: float | None


class Noise(Event, frozen=True, tag="noise"):
    """Random numbers were drawn."""

    function: str
    shape: tuple[int, ...]
    deviation: float | None
    start: np.ndarray | None


class Pass(Event, frozen=True, tag="pass"):
    """A pass through a data loader began; `train_split` is what the data set says of itself, if anything.

    steps: taken during it. labels, classes: of the batches for which the network gave a matrix of scores, each row's
    label and the class of its largest score (rows,); None where there was no such batch.
    """

    loader: int
    dataset: str
    train_split: bool | None
    batch_size: int | None
    shuffled: bool
    batches: int
    steps: int = 0
    labels: np.ndarray | None = None
    classes: np.ndarray | None = None


class Mode(Event, frozen=True, tag="mode"):
    """A network was put into training (or evaluation) mode."""

    network: int
    part: str
    training: bool


class Confusion(Event, frozen=True, tag="confusion"):
    """scikit-learn's confusion_matrix was called."""

    true: np.ndarray | None
    predicted: np.ndarray | None
    matrix: np.ndarray | None


class Picture(Event, frozen=True, tag="picture"):
    """An array was drawn or a picture was saved; `count` so far by this function and of this shape."""

    function: str
    file: str | None
    shape: tuple[int, ...] | None
    count: int
    values: np.ndarray | None


class Save(Event, frozen=True, tag="save"):
    """torch.save was called: `holds` is "state_dict", "module", "tensor", "dict" or "other"."""

    file: str | None
    holds: str
    class_name: str
    names: list[tuple[str, tuple[int, ...]]]


AnyEvent = (
    Call | Loss | Backward | Clear | Step | Noise | Pass | Mode | Confusion | Picture | Save
)  # what "events" may hold
Kind = TypeVar("Kind", bound=Event)


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a network, at the end."""

    name: str
    shape: tuple[int, ...]
    trainable: bool
    optimizers: tuple[int, ...]
    given_gradient: bool
    changed: bool
    used: bool
    """Whether the module it belongs to was called."""


class Network(msgspec.Struct, frozen=True):
    """A network that was called; `part_of` is the number of the larger one that it turned out to belong to."""

    number: int
    class_name: str
    part_of: int
    training: bool
    parameters: list[Parameter]
    buffers_changed: list[str]


class Optimizer(msgspec.Struct, frozen=True):
    """An optimiser with the settings of its first group; `unknown` tensors belong to no network that was called."""

    number: int
    class_name: str
    settings: dict[str, float]
    held: int
    unknown: int


class RunError(msgspec.Struct, frozen=True):
    """An exception of the student's code, the line of theirs that it came from, and whose calls led there."""

    type_name: str
    message: str
    file: str
    line: int
    function: str
    source: str
    callers: list[Frame] = []

    def as_student_error(self) -> StudentError:
        own = [Frame(self.file, self.line, self.function, self.source)] if self.file else []
        return StudentError(self.type_name, self.message, [*self.callers, *own])


class Records(msgspec.Struct, frozen=True):
    """Everything seen of one run. `ended`: why the run was ended early ("out_of_time", "many_steps"), if it was."""

    events: list[AnyEvent]
    counts: dict[str, int]
    networks: list[Network]
    optimizers: list[Optimizer]
    ended: str | None
    errors: list[RunError]
    entry: str | None
    files: list[str]

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def root(self, number: int) -> int:
        """The number of the largest network that this one belongs to."""
        owners = {network.number: network.part_of for network in self.networks}
        for _ in owners:  # a chain that closes on itself is nobody's network
            if not owners.get(number):
                break
            number = owners[number]
        return number

    def network(self, number: int) -> Network | None:
        return next((network for network in self.networks if network.number == number), None)

    def only(self, network: Network) -> Records:
        """What was seen of one network and its parts, and of no other."""
        events = [
            event
            for event in self.events
            if not hasattr(event, "network") or self.root(event.network) in (0, network.number)
        ]
        return msgspec.structs.replace(self, events=events, networks=[network])

    def calls(self, network: int, *, trained: bool | None = None) -> list[Call]:
        """Calls of a network and its parts; `trained` keeps those that were, or were not, followed by a gradient."""
        own = [call for call in self.of(Call) if self.root(call.network) == network]
        return own if trained is None else [call for call in own if call.trained is trained]


def read_records(raw: Any) -> Records:
    """The records in a probe's answer. Raises StudentError where it is not of their form."""
    if isinstance(raw, dict):
        raw = {key: value for key, value in raw.items() if key != "value"}
    try:
        records = msgspec.convert(raw, Records)
    except (msgspec.ValidationError, RecursionError, ValueError, TypeError, OverflowError):
        raise _unreadable() from None
    if len(records.events) > MAX_EVENTS or not all(_is_plain(array) for array in _arrays(records.events)):
        raise _unreadable()
    return records


def _unreadable() -> StudentError:
    return StudentError("ValueError", "what your code did while it was watched could not be recorded")


def _is_plain(array: Array) -> bool:
    return array.dtype.kind in "biuf" and array.size <= MAX_ENTRIES


def _arrays(events: Iterable[Any]) -> Iterator[Array]:
    for event in events:
        for name in event.__struct_fields__:
            value = getattr(event, name)
            if isinstance(value, np.ndarray):
                yield value
        if isinstance(event, Call):
            yield from (values for _, values in event.outputs if values is not None)
