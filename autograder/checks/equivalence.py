"""The student's weights in our network: they must give the student's outputs.

The weights are mapped layer by layer in the order in which the student's network uses them, by shape, so that names
and the order of definition do not matter. torch is imported here on the trusted side, as the references do.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from autograder.checks.architecture import describe_layer
from autograder.checks.compare import Array, allowance, fail, fail_difference, off_by
from autograder.checks.folding import Layer
from autograder.checks.networks import Images, Network

RELATIVE_TOLERANCE = 1e-3
ABSOLUTE_TOLERANCE = 1e-4
"""Of float32 outputs, relative to the largest entry: kernels that sum in another order stay far inside."""

PARTS = ("weight", "bias", "running_mean", "running_var")


def assert_equivalent(
    network: Network, references: nn.Module | Sequence[nn.Module], images: Images, *, where: str
) -> bool:
    """Raises CheckFailed unless one of the references, with the student's weights, gives the student's outputs.

    `references` are our networks in the forms that the handout leaves open (such as the order of a concatenation);
    forward gives one tensor. Eval mode, float32: an entry may be off by 1e-3 of itself and 1e-4 of the largest one.
    Returns False, and compares nothing, where the student's network lays out its values in another order
    (`permute`), which maps onto other weights.
    """
    if any(operation.name == "permute" for operation in network.trace().used):
        return False
    got = network.run(images)
    alike = [references] if isinstance(references, nn.Module) else references
    outputs = [reference_outputs(with_weights_of(network, one, where=where), images, like=got) for one in alike]
    if not any(_agree(got, wanted) for wanted in outputs):
        called = f"{network.made}(images), against {where} with your weights"
        fail_difference(got, outputs[0], "the output", called=called, hide_expected=True)
    return True


def _agree(got: Array, wanted: Array) -> bool:
    same = got.shape == wanted.shape
    return same and bool(np.all(off_by(got, wanted) <= allowance(wanted, RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE)))


def reference_outputs(reference: nn.Module, images: Images, *, like: Array | None = None) -> Array:
    """What our network gives for images, in eval mode; in the shape of `like` where it has as many entries."""
    reference.eval()
    with torch.no_grad():
        outputs = reference(torch.from_numpy(np.ascontiguousarray(images))).numpy().astype(np.float64)
    return outputs.reshape(like.shape) if like is not None and outputs.size == like.size else outputs


def with_weights_of(network: Network, reference: nn.Module, *, where: str) -> nn.Module:
    """A copy of our network that holds the student's weights.

    Raises CheckFailed with the difference of layers and shapes where they do not fit one another.
    """
    theirs = _layers_with_weights(network)
    ours = [module for module in reference.modules() if _own_parts(module)]
    loaded = copy.deepcopy(reference)
    targets = [module for module in loaded.modules() if _own_parts(module)]
    weights = {weight.name: weight.value for weight in network.weights()}
    if len(theirs) != len(ours):
        _fail_unmapped(network, theirs, ours, where)
    for layer, module in zip(theirs, targets, strict=True):
        for part, own in _own_parts(module).items():
            value = weights.get(layer.parameters.get(part, ""))
            fitted = _fitted(value, tuple(own.shape))
            if fitted is None:
                _fail_unmapped(network, theirs, ours, where)
            with torch.no_grad():
                own.copy_(torch.from_numpy(fitted))
    return loaded


def _layers_with_weights(network: Network) -> list[Layer]:
    return [layer for layer in network.trace().layers() if "weight" in layer.parameters]


def _own_parts(module: nn.Module) -> dict[str, torch.Tensor]:
    """The weight, bias and running statistics that the module itself holds."""
    held: dict[str, Any] = {**module._parameters, **module._buffers}
    return {part: held[part] for part in PARTS if isinstance(held.get(part), torch.Tensor)}


def _fitted(value: Array | None, shape: tuple[int, ...]) -> Array | None:
    """The student's array in our shape: as it is, transposed (x @ W), or a whole-image kernel as a matrix."""
    if value is None:
        return None
    if value.shape == shape:
        return np.array(value)
    if value.ndim == 2 and value.T.shape == shape:
        return np.array(value.T)
    return (
        np.array(value).reshape(shape) if value.size == int(np.prod(shape)) and value.shape[:1] == shape[:1] else None
    )


def _fail_unmapped(network: Network, theirs: Sequence[Layer], ours: Sequence[nn.Module], where: str) -> NoReturn:
    """The student's layers, with a mark at those that differ."""
    shapes = {weight.name: weight.value.shape for weight in network.weights()}
    rows = []
    for number, (layer, module) in enumerate(itertools.zip_longest(theirs, ours), 1):
        shape = shapes.get(layer.parameters["weight"]) if layer is not None else None
        text = f"{describe_layer(layer)} {shape or ''}" if layer is not None else "nothing"
        fits = shape is not None and module is not None
        fits = fits and _fitted(np.zeros(shape or ()), tuple(_own_parts(module)["weight"].shape)) is not None
        rows.append(f"  {number}. {text}" + ("" if fits else "   <- differs"))
    fail(
        "The layers with weights in your network do not correspond to those of the handout:\n" + "\n".join(rows),
        called=network.made,
        expected=where,
    )
