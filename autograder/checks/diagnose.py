"""From what came, what was wanted and how the batch was made, name the bug.

A cause is claimed only where the evidence singles it out: one transformation of the right answer, and no simpler one,
gives the student's answer in every entry. Where two causes would explain the same numbers none is named, because a
wrong hint costs a student more time than no hint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Alternative = NDArray[Any] | float | Callable[[], ArrayLike]

# Wide enough for float32 submissions, far too narrow for two different bugs to give the same numbers by accident.
RELATIVE_TOLERANCE = 1e-4
ABSOLUTE_TOLERANCE = 1e-5

# What rounding leaves where the right number is 0: a whole array of it has no size to be measured by.
NEGLIGIBLE = 1e-12

# A factor read off fewer entries than this could be a coincidence.
ENTRIES_FOR_A_FACTOR = 3


@dataclass(frozen=True)
class Cause:
    """A bug with a name: its slug, one sentence to the student, and where the handout speaks about it (if anywhere)."""

    slug: str
    sentence: str
    handout: str | None = None


def _table(sentences: Mapping[str, str]) -> Mapping[str, Cause]:
    return MappingProxyType({slug: Cause(slug, sentence) for slug, sentence in sentences.items()})


CAUSES: Mapping[str, Cause] = _table(
    {
        # What any code can do
        "not_implemented": "This part does not seem to be written yet.",
        "raises": "Your code stops with an exception before it gives an answer.",
        "returns_none": "Your function returns None: is a return statement missing?",
        "wrong_type": "The answer is not of the kind that the handout asks for.",
        "wrong_shape": "The array has the wrong shape: compare it with the shapes in the docstring.",
        "wrong_dtype": "The numbers were cut to another type on the way, for example to integers.",
        "nan_or_inf": "There are NaN or infinite entries: look for an overflow, a log of 0 or a division by 0.",
        "too_slow": "This takes far longer than it should: look for a loop that a matrix operation can replace.",
        "timeout": "Your code did not come back in time: look for a loop that never ends.",
        "crash": "Your code ended the whole process instead of returning.",
        "syntax_error": "Python cannot read the file: fix the line it names first.",
        # Arrays and gradients
        "transposed": "Your array is the transpose of what it should be.",
        "sign_flipped": "Every entry has the opposite sign.",
        "scaled_by_constant": "Every entry is off by one and the same constant factor.",
        "missing_batch_mean": "The values are too large by the number of rows: divide by the batch size once.",
        "extra_batch_mean": "The values are too small by the number of rows: it was divided by the batch size "
        "once too often.",
        "wrong_axis": "A sum, maximum or mean runs along the wrong axis.",
        "missing_bias": "The bias does not take part.",
        "missing_mask": "The gradient also flows where the input was negative: the mask is missing.",
        "inverted_mask": "The mask is the wrong way round: it keeps what it should block.",
        "wrong_mask": "The mask is another one: it should only tell where the layer's input was positive.",
        "missing_relu": "Negative values pass through: the ReLU is missing.",
        "wrong_activation": "Another activation stands where the formula has one.",
        "missing_derivative": "A derivative is missing in the chain rule.",
        "extra_derivative": "A derivative enters the chain rule that is already contained in another factor.",
        "wrong_derivative": "A factor of the chain rule is the derivative of another function, or at another place.",
        "missing_term": "One of the terms of the sum is missing.",
        "ignores_upstream": "The gradient that arrives from the layer above does not take part.",
        "accumulates_gradient": "The gradient is added to the one of an earlier call instead of replacing it.",
        "mutates_input": "Your function changes an array that it was only given to read.",
        "mutates_state": "Your function changes something that should stay as it was.",
        "wrong_order": "The right things are used in the wrong order.",
        "wrong_argument": "A function is given another array than the one it needs.",
        "only_batch_one": "This is right for a batch of one row only: of several, some are left out or mixed up.",
        "hard_coded_batch": "The batch size is fixed in your code: take it from the array instead.",
        "off_by_one": "An index or a count is off by one.",
        "wrong_label_index": "The entry that is picked is not the one of the true label.",
        "wrong_index": "Entries are picked by another index than the one that belongs to them.",
        # Softmax and logarithms
        "no_overflow_shift": "Large scores overflow: subtract the largest one before the exponential.",
        "missing_log_epsilon": "The logarithm of a probability of 0 is infinite: a small constant inside is missing.",
        "wrong_log_base": "The logarithm has another base than the natural one.",
        "double_softmax": "Softmax is applied twice.",
        "missing_softmax": "The softmax is missing: there are plain scores where probabilities, or their logarithms, "
        "belong.",
        "not_normalised": "The exponentials are not divided by their sum.",
        "unasked_softmax": "A softmax is applied where the plain scores are asked for.",
        "partial_softmax": "The softmax runs over some of the classes only: it has to see them all.",
        "missing_logarithm": "The logarithm is missing: there are probabilities where their logarithms belong.",
        # Gradient descent and gradient checking
        "learning_rate_ignored": "The step does not depend on the learning rate.",
        "learning_rate_twice": "The learning rate enters the step twice.",
        "ascends": "The step goes up the gradient: the loss would grow.",
        "updates_subset": "Only some of the parameters are updated.",
        "wrong_rule": "The steps follow another rule than the one that is asked for.",
        "hyperparameter_ignored": "A setting that the caller asks for has no effect.",
        "forgets_history": "What earlier steps have gathered is overwritten: it has to be added up.",
        "no_bias_correction": "The moments start at zero, and the correction for that is missing or incomplete.",
        "missing_root": "A square root is missing.",
        "missing_square": "A square is missing in the formula.",
        "wrong_epsilon": "The small constant has another place or size than in the formula.",
        "one_sided_difference": "The approximation moves the parameter to one side only: use both sides.",
        "missing_factor_two": "The two points are 2ε apart: a factor of two is missing.",
        "parameter_not_restored": "A parameter is left changed: put its old value back after the check.",
        # Initialisation
        "wrong_init_scale": "The random start values spread too much or too little.",
        "wrong_init_mean": "The random start values are not centred where the handout asks.",
        "zero_init": "The start values are all zero.",
        # Networks
        "activation_on_code": "There is an activation on the code itself: the code must be free to be any number.",
        "wrong_kernel": "A layer has another kernel size than the handout asks for.",
        "wrong_stride": "A layer has another stride than the handout asks for.",
        "wrong_padding": "A layer has another padding than the handout asks for.",
        "wrong_channels": "A layer has another number of channels than the handout asks for.",
        "wrong_width": "A linear layer has another number of outputs than the handout asks for.",
        "missing_pooling": "A pooling layer is missing.",
        "wrong_pooling": "A pooling layer is of another kind than the handout asks for.",
        "layers_do_not_fit": "One layer puts out another size than the next one takes.",
        "missing_layer": "A layer with weights is missing.",
        "superfluous_layer": "There is a layer that does not belong there.",
        "shared_layer": "One layer serves at two places that need one each.",
        "wrong_layer": "This is what another layer puts out, not the one that is asked for.",
        "missing_activation": "No activation stands between two layers, which makes them one.",
        "missing_normalization": "A layer is not normalized over the batch.",
        "missing_dropout": "The dropout is missing.",
        "wrong_dropout": "The dropout has another probability than the handout offers.",
        "statistics_not_kept": "The mean and variance of the training batches are not gathered for the evaluation.",
        "ignores_mode": "A layer does the same in training and in evaluation: it has to follow model.train() and "
        "model.eval().",
        "wrong_code_size": "The code has another size than the handout asks for.",
        "missing_sigmoid": "The last sigmoid is missing: outputs leave the range from 0 to 1.",
        "wrong_upsampling": "The decoder enlarges the image in another way than the handout asks for.",
        "skip_missing": "A skip connection is missing.",
        "skip_from_wrong_layer": "A skip connection starts at another layer than the handout asks for.",
        "bypasses_code": "Information reaches the output around the code.",
        # Training
        "no_zero_grad": "Gradients of earlier batches are not cleared before the next step.",
        "no_step": "The parameters stay as they are: no step is ever taken.",
        "no_backward": "The gradients are never computed: nothing is propagated back.",
        "too_few_steps": "There are fewer steps than batches: take one step for each batch.",
        "not_in_train_mode": "The network is not put into training mode while it trains.",
        "not_in_eval_mode": "The network is not put into evaluation mode while it is tested.",
        "trains_on_test": "The test data takes part in training.",
        "measures_training_data": "The accuracy is measured on training data, of which it says little.",
        "unweighted_batches": "Batches of different sizes count alike: add up the right answers, and divide once.",
        "last_batch_only": "Only the last batch counts: add up over all of them.",
        "wrong_divisor": "The number of right answers is divided by another number than that of the examples.",
        "inverted_accuracy": "This is the share of wrong answers: the accuracy is that of the right ones.",
        "smallest_score": "The class with the smallest score is taken, and not the one with the largest.",
        "counts_other_classes": "Pictures of other classes count, too: only those of the class itself belong here.",
        "sum_not_mean": "This is a sum where a mean is asked for.",
        "noise_on_target": "The noise is also in the target: only the input should be noisy.",
        "noise_wrong_scale": "The noise has another strength than the handout asks for.",
        "noise_not_fresh": "The same noise is used again: draw it anew for every batch.",
        "frozen_parameters": "Some parameters never change during training.",
        "hard_coded_device": "The device is fixed in your code: it must also run where there is no GPU.",
        # Pictures
        "resizes_image": "The picture is stretched or shrunk: crop it where it is too large, and pad it with zeros "
        "where it is too small.",
        "padding_not_zero": "What is added around the picture is not zero.",
    }
)

OBSERVED = frozenset(
    {
        *("not_implemented", "raises", "returns_none", "wrong_type", "wrong_shape", "wrong_dtype", "nan_or_inf"),
        *("too_slow", "timeout", "crash", "syntax_error", "missing_file", "optional_missing", "deadline"),
    }
)
"""Causes that say what was seen and nothing about why: these cannot be wrong."""


@dataclass(frozen=True)
class Context:
    """What a check knows about the call beyond the two arrays.

    batch_size: number of rows that a mean would divide by.
    alternatives: for a cause's slug, the answer that a program with this bug would give: an array, or a function that
        computes it, called only when a comparison has failed, or a tuple of these where the bug has several forms.
    """

    batch_size: int | None = None
    alternatives: Mapping[str, Alternative | tuple[Alternative, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.alternatives) - set(CAUSES))
        if unknown:
            raise ValueError(f"alternatives name unknown causes {unknown}: use slugs of CAUSES, or add them there")


@dataclass(frozen=True)
class Diagnosis:
    """What one wrong answer says.

    cause: the one cause that it singles out, or None. fitting: the slugs of all causes that would give this answer,
    also where several would, or where it is too small to say: over several answers they may single one out.
    """

    cause: Cause | None = None
    fitting: tuple[str, ...] = ()


def diagnose(got: ArrayLike, expected: ArrayLike, context: Context | None = None) -> Cause | None:
    """The one cause that explains `got` where `expected` was right, or None; see `examine`."""
    return examine(got, expected, context).cause


def examine(got: ArrayLike, expected: ArrayLike, context: Context | None = None) -> Diagnosis:
    """What `got` says where `expected` was right.

    The kinds of evidence are tried from the most specific to the weakest; a kind that finds two different causes
    settles that no cause is named.
    """
    came, wanted, context = np.asarray(got), np.asarray(expected, dtype=np.float64), context or Context()
    if came.dtype.kind not in "biuf" or same(came, wanted):
        return Diagnosis()
    clear: set[str] = set()
    fitting: set[str] = set()
    for evidence in (_named_alternatives, _exact_transformations, _row_order, _one_factor):
        with np.errstate(all="ignore"):
            found = tuple(evidence(came, wanted, context))
        clear = clear or {slug for slug, is_clear in found if is_clear}
        fitting |= {slug for slug, _ in found}
    return Diagnosis(CAUSES[clear.pop()] if len(clear) == 1 else None, tuple(sorted(fitting)))


def same(got: ArrayLike, wanted: ArrayLike) -> bool:
    """Whether two arrays agree in shape and, entry by entry, within the tolerance of a diagnosis."""
    left, right = np.asarray(got, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if left.shape != right.shape:
        return False
    with np.errstate(all="ignore"):
        allowed = RELATIVE_TOLERANCE * np.abs(right) + ABSOLUTE_TOLERANCE * size_of(right)
        return bool(np.all(np.abs(left - right) <= allowed))


def size_of(wanted: Array) -> float:
    """The largest |entry|, by which differences are measured; 1 where all entries are 0, apart from rounding."""
    largest = float(np.max(np.abs(wanted), initial=0.0))
    return largest if largest > NEGLIGIBLE else 1.0


Found = Iterator[tuple[str, bool]]
"""Slugs of causes that fit, and whether the answer is large enough to say so."""


def _named_alternatives(got: NDArray[Any], expected: Array, context: Context) -> Found:
    """Causes whose own answer, as the check computes it, is what came."""
    for slug, forms in context.alternatives.items():
        for form in forms if isinstance(forms, tuple) else (forms,):
            answer = np.asarray(form() if callable(form) else form, dtype=np.float64)
            if same(_in_shape_of(got, answer), answer):
                # All zeros are what an unwritten function gives too, and the right values in another shape are no slip
                # in the values: neither singles anything out.
                yield slug, bool(np.any(answer)) and not same(_in_shape_of(answer, expected), expected)


def _exact_transformations(got: NDArray[Any], expected: Array, context: Context) -> Found:
    """Causes that need no knowledge of the task: transpose, sign, batch size, type."""
    lively = bool(np.any(got))
    if got.ndim == 2 and same(got.T, expected):
        yield "transposed", lively
    values = _in_shape_of(got, expected)
    if same(values, -expected):
        yield "sign_flipped", lively
    rows = context.batch_size or 1
    if rows > 1 and same(values, expected * rows):
        yield "missing_batch_mean", lively
    if rows > 1 and same(values, expected / rows):
        yield "extra_batch_mean", lively
    if same(values, np.trunc(expected)) or same(values, np.rint(expected)):
        yield "wrong_dtype", lively and expected.size >= ENTRIES_FOR_A_FACTOR


def _row_order(got: NDArray[Any], expected: Array, context: Context) -> Found:
    """The right rows, each once, in another order."""
    if (
        got.ndim == 2
        and got.shape == expected.shape
        and len(got) > 2
        and same(_sorted_rows(got), _sorted_rows(expected))
    ):
        yield "wrong_order", True


def _one_factor(got: NDArray[Any], expected: Array, context: Context) -> Found:
    """One constant between all entries of both arrays, fitted by least squares."""
    values = _in_shape_of(got, expected)
    if values.shape != expected.shape or not np.any(expected):
        return
    factor = float(np.vdot(expected, values) / np.vdot(expected, expected))
    if np.isfinite(factor) and abs(factor) > ABSOLUTE_TOLERANCE and same(values, factor * expected):
        different = len(np.unique(np.abs(expected[expected != 0])))
        yield "scaled_by_constant", different >= ENTRIES_FOR_A_FACTOR


def _in_shape_of(got: NDArray[Any], model: Array) -> Array:
    """`got`, reshaped where it only has more or fewer axes of length one than `model`."""
    values = np.asarray(got, dtype=np.float64)
    return values.reshape(model.shape) if np.squeeze(values).shape == np.squeeze(model).shape else values


def _sorted_rows(rows: NDArray[Any]) -> Array:
    values = np.round(np.asarray(rows, dtype=np.float64), 6)
    return values[np.lexsort(values.T[::-1])]
