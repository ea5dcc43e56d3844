"""Submitted checkpoints: loaded in the worker, reported here.

saved = load_checkpoint(network, "mnist_ae.pt")
saved.network.reconstruct(held_images)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from autograder.checks.compare import fail
from autograder.checks.networks import Network, sample_images
from autograder.sandbox.proxy import RemoteObject

SHOWN_NAMES = 12

Shape = tuple[int, ...]


class _Record(msgspec.Struct, frozen=True):
    """What the probe found: see `autograder.sandbox.probes.checkpoints.load_checkpoint`."""

    bytes: int
    kind: str
    nested: str
    stripped: bool
    missing: tuple[tuple[str, Shape], ...]
    unexpected: tuple[tuple[str, Shape], ...]
    shapes: tuple[tuple[str, Shape, Shape], ...]
    globals: tuple[str, ...]
    error: str


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that fits. network: the student's network with the file's weights. kind: state_dict or network.

    remarks: for the student; among them what the file would run when it is unpickled, if anything.
    """

    network: Network
    kind: str
    remarks: tuple[str, ...]


def load_checkpoint(network: Network, name: str, modules: Sequence[str] = ()) -> Checkpoint:
    """The network with the weights of the file `name` of the submission.

    `modules` are further modules whose classes a pickled network may need. A state dict may stand alone or under a key
    ("model_state_dict", ...), its names may begin with "module.". Raises CheckFailed where the file cannot be read or
    does not fit, with the difference of names and shapes; StudentError, StudentCrash for what unpickling it did.
    """
    called = f'torch.load("{name}")'
    folders = list(dict.fromkeys((network.module, *modules)))
    answer = network.probes.run("networks", "load_checkpoint", name, network.handle, folders, called=called)
    record, handle = _read(answer, name, called)
    if record.error:
        _fail_unreadable(record, name, called)
    if handle is None:
        _fail_different(record, network, name, called)
    loaded = dataclasses.replace(network, handle=handle)
    if record.kind == "network":
        _require_same_use(loaded, network, name)
    return Checkpoint(loaded, record.kind, tuple(_remarks(record, name)))


def _read(answer: Any, name: str, called: str) -> tuple[_Record, RemoteObject | None]:
    plain = {key: value for key, value in answer.items() if key != "network"} if isinstance(answer, dict) else None
    try:
        record = msgspec.convert(plain, _Record)
    except (msgspec.ValidationError, RecursionError) as error:
        fail(f"What was found in {name} cannot be read ({error}).", called=called)
    network = answer.get("network")
    return record, network if isinstance(network, RemoteObject) else None


def _remarks(record: _Record, name: str) -> list[str]:
    remarks = []
    if record.globals:
        remarks.append(
            f"{name} calls {_listed(record.globals)} when it is loaded, which no checkpoint needs. It was loaded where "
            "it can do no harm; people who load it elsewhere are at risk. Save `model.state_dict()` instead."
        )
    if record.kind == "network":
        remarks.append(
            f"{name} holds the whole network; it can be loaded only beside the code that defines its class. "
            "Saving `model.state_dict()` is the safer habit."
        )
    if record.stripped:
        remarks.append(f'The names in {name} begin with "module." (nn.DataParallel); they were read without it.')
    return remarks


def _fail_unreadable(record: _Record, name: str, called: str) -> NoReturn:
    calls = f" When it is loaded it calls {_listed(record.globals)}." if record.globals else ""
    fail(
        f"{name} cannot be loaded: {record.error}.{calls}",
        called=called,
        expected="a file written by torch.save(model.state_dict(), ...)",
    )


def _fail_different(record: _Record, network: Network, name: str, called: str) -> NoReturn:
    """The difference between the file's names and shapes and the network's."""
    lines = [f"The weights in {name} are not those of `{network.made}`:"]
    lines += [f"  only in your network: {entry} {_size(shape)}" for entry, shape in record.missing[:SHOWN_NAMES]]
    lines += [f"  only in the file: {entry} {_size(shape)}" for entry, shape in record.unexpected[:SHOWN_NAMES]]
    lines += [
        f"  {entry}: {_size(saved)} in the file, {_size(own)} in your network"
        for entry, saved, own in record.shapes[:SHOWN_NAMES]
    ]
    fail(
        "\n".join(lines),
        called=called,
        cause="wrong_shape" if record.shapes and not record.missing and not record.unexpected else None,
        expected="the file saved by the very network that you hand in: save it again after the last change",
    )


def _require_same_use(loaded: Network, network: Network, name: str) -> None:
    """A whole network takes its class along: it must still be called as the one in the code. Raises CheckFailed."""
    outputs = loaded.outputs(sample_images(network.role))
    if network.path not in outputs:
        fail(f"The network in {name} returns other things than `{network.made}`.", cause="wrong_type")
    if network.role.kind == "autoencoder" and loaded.trace().code_size != network.trace().code_size:
        fail(
            f"The network in {name} has a code of {loaded.trace().code_size} numbers, "
            f"`{network.made}` one of {network.trace().code_size}.",
            cause="wrong_code_size",
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:5])


def _size(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))})"
