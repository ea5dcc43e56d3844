"""4: a small AlexNet whose outputs are known, and comparing what is read out of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autograder.checks.compare import as_array, assert_close, fail
from autograder.sandbox.probes.alexnet import CLASSES, SIDE, AlexNet, make_alexnet
from autograder.sandbox.proxy import Probes

Array = NDArray[Any]

FIRST, LAST = "first_conv_outputs(model, images)", "final_layer_outputs(model, images)"
TOP5, FIT = "top5(model, image, class_names)", "fit_to_input(image)"
HOW_MANY = 5
# Sums of hundreds of float32 products, in another order than ours.
RELATIVE, ABSOLUTE = 1e-3, 1e-4
SAME_PICTURE = 0.9
"""Correlation of a resized picture of independent pixels with the same one, resized with other settings."""
FEW_PIXELS = 8
"""With fewer, several mistakes give the same picture."""
NUMBERS = (float, int, np.ndarray, np.number, torch.Tensor)


@dataclasses.dataclass(frozen=True)
class Pair:
    """The same network twice: `remote` beside the student's functions, `ours` here; and images for it."""

    remote: Any
    ours: AlexNet
    images: torch.Tensor

    def convolution(self, number: int = 0) -> Array:
        """What a convolution puts out, before its ReLU."""
        layers = [layer for layer in self.ours.features if isinstance(layer, torch.nn.Conv2d)]
        return self._evaluated(lambda x: _up_to(self.ours, layers[number], x))

    def pooled(self) -> Array:
        """What the first pooling puts out."""
        return self._evaluated(self.ours.features[:3])

    def scores(self) -> Array:
        """The last layer's outputs (N, 1000)."""
        return self._evaluated(self.ours)

    def _evaluated(self, function: Callable[[torch.Tensor], torch.Tensor]) -> Array:
        self.ours.eval()
        with torch.no_grad():
            return function(self.images.clone()).double().numpy()


def _up_to(network: AlexNet, last: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    for layer in network.features:
        x = layer(x)
        if layer is last:
            return x.clone()
    raise ValueError("this layer is not part of the network")


def make_pair(probes: Probes, count: int = 2, *, channels: int = 64, padding: int = 2, seed: int = 0) -> Pair:
    """A network in training mode, as a new one is, and random images (count, 3, 227, 227) for it."""
    settings = {"channels": channels, "padding": padding, "seed": seed}
    remote = probes.run("alexnet", "make_alexnet", called="making a network like AlexNet", **settings)
    generator = torch.Generator().manual_seed(seed + 1)
    images = torch.randn(count, 3, SIDE, SIDE, generator=generator)
    return Pair(remote, make_alexnet(**settings), images)


def assert_first(got: Any, pair: Pair, *, hide_expected: bool) -> None:
    """Raises CheckFailed unless the first convolution's own outputs came, for every image."""
    expected = pair.convolution()
    array = as_array(got, "the output of the first convolution", called=FIRST)
    _tell_other(
        array,
        {
            "what the ReLU behind it makes of it: the ReLU works in place, so keep a copy": np.maximum(expected, 0),
            "what the pooling behind it puts out": pair.pooled(),
            **{f"what convolution {number} puts out": pair.convolution(number - 1) for number in range(2, 6)},
        },
        FIRST,
        "wrong_layer",
        "the raw output of the first convolution, before the ReLU and the pooling",
    )
    _require_all(array, expected, FIRST)
    assert_close(array, expected, "the output of the first convolution", called=FIRST, rtol=RELATIVE, atol=ABSOLUTE,
                 hide_expected=hide_expected)  # fmt: skip


def assert_last(got: Any, pair: Pair, *, hide_expected: bool) -> None:
    """Raises CheckFailed unless the scores came, for every image."""
    expected = pair.scores()
    array = as_array(got, "the output of the last layer", called=LAST)
    _tell_other(array, {"the softmax of the scores": softmax(expected)}, LAST, "unasked_softmax",
                "the scores of the last layer itself")  # fmt: skip
    if array.shape[-1:] != (CLASSES,):
        shape = (len(expected), CLASSES)
        fail(f"Its shape is {array.shape}.", called=LAST, cause="wrong_shape",
             expected=f"one score per class, {shape}: the output of the last linear layer")  # fmt: skip
    _require_all(array, expected, LAST)
    assert_close(array, expected, "the output of the last layer", called=LAST, rtol=RELATIVE, atol=ABSOLUTE,
                 hide_expected=hide_expected)  # fmt: skip


def assert_repeats(read_out: Callable[[], Any], called: str) -> None:
    """Raises CheckFailed (not_in_eval_mode) where a second call gives something else: dropout is on."""
    if not _alike(read_out(), read_out()):
        fail("Two calls with the same picture give different answers: AlexNet has dropout.", called=called,
             cause="not_in_eval_mode", expected="model.eval() before the network is called")  # fmt: skip


def _alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same up to rounding; answers of no known kind are another check's matter."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, NUMBERS) and isinstance(other, NUMBERS):
        left, right = np.asarray(one), np.asarray(other)
        return left.shape == right.shape and np.allclose(left, right, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    return one == other if isinstance(one, str) else True


def _tell_other(array: Array, others: dict[str, Array], called: str, cause: str, expected: str) -> None:
    """Raises CheckFailed where one of these came instead; of the first image alone is as telling."""
    for what, other in others.items():
        if any(_is(array, one) for one in (other, other[:1])):
            fail(f"It is {what}.", called=called, cause=cause, expected=expected)


def _is(array: Array, other: Array) -> bool:
    return array.shape == other.shape and np.allclose(array, other, rtol=RELATIVE, atol=ABSOLUTE)


def _require_all(array: Array, expected: Array, called: str) -> None:
    """Raises CheckFailed (only_batch_one) where only the first image was read out."""
    if len(expected) > 1 and array.size == expected[:1].size and np.allclose(
        array.reshape(expected[:1].shape), expected[:1], rtol=RELATIVE, atol=ABSOLUTE
    ):  # fmt: skip
        fail(f"For {len(expected)} images only the first one was read out.", called=called, cause="only_batch_one",
             expected=f"the outputs of all images, {expected.shape}")  # fmt: skip


def softmax(scores: Array) -> Array:
    """Along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# ---- The five most probable classes ---------------------------------------------------------------------------------


def read_pairs(value: Any) -> tuple[list[str], Array]:
    """(names, probabilities) of five pairs. Raises CheckFailed (returns_none, wrong_type, wrong_shape)."""
    expected = "five pairs (name, probability), the most probable class first"
    if not isinstance(value, list | tuple):
        kind = "None" if value is None else f"a {type(value).__name__}"
        fail(f"It is {kind}.", called=TOP5, cause="returns_none" if value is None else "wrong_type", expected=expected)
    if len(value) != HOW_MANY:
        fail(f"It has {len(value)} entries.", called=TOP5, cause="wrong_shape", expected=expected)
    names, probabilities = [], []
    for entry in value:
        if not isinstance(entry, list | tuple) or len(entry) != 2 or not isinstance(entry[0], str):
            fail("An entry is no pair of a name and a number.", called=TOP5, cause="wrong_type", expected=expected)
        names.append(entry[0])
        probabilities.append(as_array(entry[1], "a probability", called=TOP5).reshape(-1))
    if any(probability.size != 1 for probability in probabilities):
        fail("A probability is no single number.", called=TOP5, cause="wrong_shape", expected=expected)
    return names, np.concatenate(probabilities)


def assert_top5(value: Any, scores: Array, class_names: Sequence[str], *, hide_expected: bool) -> None:
    """Raises CheckFailed unless the five pairs are right for one image's scores (1000,)."""
    names, probabilities = read_pairs(value)
    right = softmax(scores)
    order = np.argsort(-scores, kind="stable")
    best = order[:HOW_MANY]
    wanted = [class_names[index] for index in best]
    over_all = "probabilities of a softmax over all classes"
    if np.allclose(probabilities, 1):
        fail("All probabilities are 1: the softmax runs over the images of the batch.", called=TOP5, cause="wrong_axis",
             expected=over_all)  # fmt: skip
    if names != wanted:
        _fail_names(names, scores, class_names, order, hide_expected)
    for cause, what, other in (
        ("missing_softmax", "the scores themselves", scores[best]),
        ("partial_softmax", "those of a softmax over the five scores alone", softmax(scores[best])),
    ):
        if np.allclose(probabilities, other, rtol=1e-3, atol=1e-6):
            fail(f"The probabilities are {what}.", called=TOP5, cause=cause, expected=over_all)
    assert_close(probabilities, right[best], "the five probabilities", called=TOP5, rtol=2e-3, atol=1e-5,
                 hide_expected=hide_expected)  # fmt: skip


def _fail_names(
    names: list[str], scores: Array, class_names: Sequence[str], order: NDArray[np.int64], hide_expected: bool
) -> None:
    wanted = [class_names[index] for index in order[:HOW_MANY]]
    last = [class_names[index] for index in order[-HOW_MANY:]]
    shifted = [[class_names[(index + by) % len(scores)] for index in order[:HOW_MANY]] for by in (-1, 1)]
    cause, what = None, "The names are not those of the five most probable classes"
    if names == wanted[::-1]:
        cause, what = "wrong_order", "The five most probable classes come with the least probable first"
    elif sorted(names) == sorted(last):
        cause, what = "wrong_order", "These are the least probable classes"
    elif names in shifted:
        cause, what = "off_by_one", "Each name is that of the class beside the right one"
    elif names == list(class_names[:HOW_MANY]):
        cause, what = "wrong_index", "These are the first five names of the list"
    fail(
        f"{what}: {', '.join(name[:20] for name in names)}",
        called=TOP5,
        cause=cause,
        expected="the names of the classes with the largest scores" if hide_expected else ", ".join(wanted),
    )


# ---- Pictures of the right size -------------------------------------------------------------------------------------


def picture(height: int, width: int, kind: str = "uint8", seed: int = 0) -> Array:
    """A random picture (height, width, 3) without zeros: bytes, or floats between 0 and 1."""
    values = np.random.default_rng(seed).integers(1, 256, (height, width, 3))
    return values.astype(np.uint8) if kind == "uint8" else (values / 255.0).astype(np.float32)


def assert_fitted(value: Any, image: Array) -> None:
    """Raises CheckFailed unless each side was cropped or zero-padded by itself, around the middle or from a corner.

    The handout only says "crop or zero pad", so that both are right.
    """
    called = f"fit_to_input(image) with an image of {image.shape}"
    array = as_array(value, "the picture", shape=(SIDE, SIDE, 3), called=called)
    rows, columns = _ways(image.shape[0]), _ways(image.shape[1])
    pixels = image.astype(np.float64)
    if any(np.allclose(array, _fit(pixels, row, column), atol=1e-6) for row in rows for column in columns):
        return
    cause, what = _slip_of_fit(array, pixels, rows, columns)
    fail(what, called=called, cause=cause,
         expected="zeros where it is padded, and the picture's own pixels elsewhere, neither stretched nor moved "
         "apart")  # fmt: skip


_Ways = list[tuple[slice, slice]]


def _slip_of_fit(array: Array, pixels: Array, rows: _Ways, columns: _Ways) -> tuple[str | None, str]:
    """What is wrong with a picture of the right size; a cause where one mistake gives all of its pixels."""
    if min(pixels.shape[:2]) < FEW_PIXELS:
        return None, "There are other pixels than the picture's own and zeros, or they are at other places."
    fits = [_fit(pixels, row, column) for row in rows for column in columns]
    outside = [_fit(np.ones_like(pixels), row, column) == 0 for row in rows for column in columns]
    if any(np.allclose(array.transpose(1, 0, 2), fit, atol=1e-6) for fit in fits):
        return "transposed", "The picture's rows have become columns."
    if np.any(pixels % 1) and any(np.array_equal(array, np.trunc(fit)) for fit in fits):
        return "wrong_dtype", "The picture's numbers were cut to whole ones."
    if any(np.any(added) and np.allclose(array[~added], fit[~added], atol=1e-6) and array[added].all()
           for fit, added in zip(fits, outside, strict=True)):  # fmt: skip
        return "padding_not_zero", "There are no zeros where the picture is too small."
    if _is_stretched(array, pixels):
        return "resizes_image", "The whole picture is there, at another size."
    if not np.isin(array[array != 0], np.unique(pixels)).all():
        return None, "There are pixels that the picture does not have."
    return None, "The picture's pixels are at other places."


def _is_stretched(array: Array, pixels: Array) -> bool:
    """Whether it is the picture as one of the usual ways to resize makes it."""
    if pixels.shape == array.shape or min(pixels.shape) < 2 or not array.any():
        return False
    picture_ = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())
    for mode, smooth in (("nearest", False), ("bilinear", False), ("bilinear", True), ("bicubic", True)):
        resized = torch.nn.functional.interpolate(picture_, (SIDE, SIDE), mode=mode, antialias=smooth)
        like = np.corrcoef(resized[0].numpy().transpose(1, 2, 0).ravel(), array.ravel())[0, 1]
        if like > SAME_PICTURE:
            return True
    return False


def _ways(length: int) -> _Ways:
    """(where in the result, where in the picture) along one side: around the middle, or from either end."""
    difference = abs(length - SIDE)
    starts = sorted({0, difference // 2, difference - difference // 2, difference})
    kept = min(length, SIDE)
    if length >= SIDE:
        return [(slice(0, SIDE), slice(start, start + kept)) for start in starts]
    return [(slice(start, start + kept), slice(0, kept)) for start in starts]


def _fit(image: Array, row: tuple[slice, slice], column: tuple[slice, slice]) -> Array:
    fitted = np.zeros((SIDE, SIDE, 3))
    fitted[row[0], column[0]] = image[row[1], column[1]]
    return fitted
