"""Which images a network was given: recognised among the grader's own, with or without noise, however scaled.

A submission may normalise its images, flatten them and add noise. Each input is compared with every image of a
gallery by correlation, which neither scale nor offset changes; what is left after the best fit is the noise. Where the
noise is so strong that nothing is recognised, many inputs together still show that there are images below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograder.checks.compare import fail
from autograder.checks.training_records import Call, Loss, Network, Records

Array = NDArray[np.float64]

# An image with noise of deviation 0.3 still correlates by about 0.7 with its clean self; two different digits seldom
# by more than 0.6 once both are clean, and by far less when one is noisy.
RECOGNISED = 0.5
CLEAN = 0.02
"""Deviation of what is left that counts as no noise."""
SPREAD = 0.12
"""A measured deviation may be off by this part."""
SAME_NOISE = 0.9
BURIED, MANY, NEARLY = 5.0, 8, 0.42
"""Standard errors by which what inputs share with the images must be above 0; how many; half of them recognised."""
DISORDER = 0.15
"""Correlation of neighbouring pixels below which they count as noise; those of images have 0.8."""
UNKNOWN = -1
"""The index of an image that is there and was not recognised."""
EVEN = 2.2
"""Kurtosis below which noise is not normal: that of the normal distribution is 3, that of the uniform one 1.8."""
FEW = 3
MAX_ROWS = 400


@dataclass(frozen=True)
class Match:
    """One input of a network: which image of the gallery it is, and what is left after the fit (pixels,)."""

    index: int
    correlation: float
    rest: Array
    clipped: bool

    @property
    def deviation(self) -> float:
        return float(self.rest.std())


class Gallery:
    """Images (N, ...) that a submission can have been given; the first `train` of them are the training split."""

    def __init__(self, train: ArrayLike, test: ArrayLike) -> None:
        parts = [np.asarray(part, dtype=np.float64) for part in (train, test)]
        self.train = len(parts[0])
        self.images = np.concatenate([part.reshape(len(part), -1) for part in parts])
        self._standard = _standardised(self.images)

    def matches(self, rows: ArrayLike | None) -> list[Match]:
        """The recognised ones among inputs (rows, ...); none where they have another number of pixels."""
        values = _as_rows(rows)
        if values is None or values.shape[1] != self.images.shape[1]:
            return []
        correlations = _standardised(values) @ self._standard.T / values.shape[1]
        best = correlations.argmax(axis=1)
        return [
            self._match(values[row], int(index), float(correlations[row, index]), self.images[index])
            for row, index in enumerate(best)
            if correlations[row, index] >= RECOGNISED
        ]

    def buried(self, rows: ArrayLike | None) -> list[Match]:
        """Images (rows, ...) of this gallery's size under noise so strong that none is recognised; else none.

        All of them together still show what the gallery's images have in common, and what is left is without order.
        """
        values = _as_rows(rows)
        if values is None or len(values) < MANY or values.shape[1] != self.images.shape[1]:
            return []
        standard = _standardised(values)
        common = self.images.mean(axis=0)
        shared = standard @ _standardised(common[None])[0] / values.shape[1]
        best = (standard @ self._standard.T).max(axis=1) / values.shape[1]
        if shared.mean() <= BURIED / np.sqrt(values.size) or np.median(best) >= NEARLY:
            return []
        found = [self._match(row, UNKNOWN, float(part), common) for row, part in zip(values, shared, strict=True)]
        rests = _standardised(np.stack([match.rest for match in found]))
        return found if abs(np.mean(rests[:, 1:] * rests[:, :-1])) < DISORDER else []

    def _match(self, row: Array, index: int, correlation: float, image: Array) -> Match:
        clipped = bool(row.min() >= -1e-6 and row.max() <= 1 + 1e-6)
        return Match(index, correlation, _rest(row, image), clipped)

    def is_test(self, match: Match) -> bool:
        return match.index >= self.train


def _as_rows(rows: ArrayLike | None) -> Array | None:
    array = np.asarray(rows, dtype=np.float64) if rows is not None else np.zeros(())
    if array.ndim < 2 or not len(array) or not array[0].size:
        return None
    return np.nan_to_num(array[:MAX_ROWS].reshape(min(len(array), MAX_ROWS), -1), posinf=0.0, neginf=0.0)


def _standardised(rows: Array) -> Array:
    centred = rows - rows.mean(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        return np.nan_to_num(centred / centred.std(axis=1, keepdims=True))


def _rest(row: Array, image: Array) -> Array:
    """What the best a · image + b leaves of a row."""
    centred = image - image.mean()
    slope = float(centred @ (row - row.mean()) / max(float(centred @ centred), 1e-12))
    return row - row.mean() - slope * centred  # type: ignore[no-any-return]


# ---- Which split ------------------------------------------------------------------------------------------------


def assert_does_not_train_on_test(records: Records, network: Network, gallery: Gallery, *, called: str) -> None:
    """No image of the test split is trained on. Raises CheckFailed (trains_on_test)."""
    matches = [match for call in records.calls(network.number, trained=True) for match in gallery.matches(call.rows)]
    tested = sum(gallery.is_test(match) for match in matches)
    if tested >= FEW and tested > len(matches) / 20:
        fail(
            f"{tested} of {len(matches)} images that were looked at while it trained are of the test split",
            called=called,
            cause="trains_on_test",
            expected="training on the training split only: datasets.MNIST(..., train=True)",
        )


# ---- Noise ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Noisy:
    """A training call with noise on its input: the images recognised in it, and what the loss compared with."""

    call: Call
    matches: list[Match]
    loss: Loss | None


def noisy_calls(records: Records, gallery: Gallery) -> list[Noisy]:
    """The training calls, of any network, whose recognised inputs carry noise; `gallery` has pixels from 0 to 1."""
    found = []
    for call in records.of(Call):
        if not call.trained:
            continue
        matches = gallery.matches(call.rows) or gallery.buried(call.rows)
        if sum(match.deviation > CLEAN for match in matches) > len(matches) / 2:
            found.append(Noisy(call, matches, _loss_of(call, records)))
    return found


def _loss_of(call: Call, records: Records) -> Loss | None:
    """The loss that was computed next, before the same network was called again."""
    later = (event for event in records.events if event.at > call.at)
    for event in later:
        if isinstance(event, Loss) and event.gradients:
            return event
        if isinstance(event, Call) and event.network == call.network:
            break
    return None


def assert_denoises(
    records: Records, gallery: Gallery, *, called: str, deviations: tuple[float, ...] = (0.3, 0.3**0.5)
) -> None:
    """Networks are trained on noisy inputs, with fresh noise of one of these deviations, and clean targets.

    Training without noise beside it is no fault. Clipping the noisy image to 0..1 is accepted. Raises CheckFailed
    (noise_on_target, noise_wrong_scale, noise_not_fresh, or without a cause where there is none or it is not normal).
    """
    noisy = noisy_calls(records, gallery)
    if not noisy:
        fail(
            "no noisy image reached a network while it trained",
            called=called,
            expected="noisy = images + 0.3 * torch.randn_like(images), and model(noisy)",
        )
    _assert_clean_targets(noisy, gallery, called)
    _assert_scale([match for call in noisy for match in call.matches], gallery, deviations, called)
    for network in sorted({call.call.network for call in noisy}):
        _assert_fresh([call.matches for call in noisy if call.call.network == network], called)


def _assert_clean_targets(noisy: list[Noisy], gallery: Gallery, called: str) -> None:
    matches = [match for call in noisy if call.loss for match in gallery.matches(call.loss.target)]
    if sum(match.deviation > CLEAN for match in matches) > len(matches) / 2:
        fail(
            "the images that the loss compares with are noisy, too",
            called=called,
            cause="noise_on_target",
            expected="loss(model(noisy), images): the clean images are the target",
        )


def _assert_scale(noisy: list[Match], gallery: Gallery, deviations: tuple[float, ...], called: str) -> None:
    measured = float(np.median([match.deviation for match in noisy]))
    clipped = sum(match.clipped for match in noisy) > len(noisy) / 2
    expected = [_clipped_deviation(noisy, gallery, size) if clipped else size for size in deviations]
    if any(abs(measured - size) <= SPREAD * size for size in expected):
        return
    if not clipped and _kurtosis([match.rest for match in noisy]) < EVEN:
        fail(
            f"the noise is not normally distributed but spread evenly, with a standard deviation of {measured:.2f}",
            called=called,
            expected="noise from N(0, 0.3): randn draws from a normal distribution, rand evenly between 0 and 1",
        )
    fail(
        f"the noise has a standard deviation of about {measured:.2f}{' after clipping' if clipped else ''}, "
        f"and not of {deviations[0]:.2g}",
        called=called,
        cause="noise_wrong_scale",
        expected="noise from N(0, 0.3)",
    )


def _kurtosis(rests: list[Array]) -> float:
    """The fourth moment of standardised numbers, which tells how much lies far out."""
    standard = _standardised(np.stack(rests[:64]))
    return float(np.mean(standard**4))


def _clipped_deviation(noisy: list[Match], gallery: Gallery, deviation: float) -> float:
    """What is left of noise of a deviation once the sum is clipped to 0..1, on the very same images."""
    random = np.random.default_rng(0)
    images = gallery.images[[match.index for match in noisy[:64]]]
    rows = np.clip(images + deviation * random.standard_normal(images.shape), 0, 1)
    return float(np.median([_rest(row, image).std() for row, image in zip(rows, images, strict=True)]))


def _assert_fresh(batches: list[list[Match]], called: str) -> None:
    """The same noise twice: on one image at two times, or row by row in two batches."""
    pairs = 0
    earlier: dict[int, Array] = {}
    for found in batches:
        pairs += sum(match.index in earlier and _alike(earlier[match.index], match.rest) for match in found)
        pairs += sum(_alike(a.rest, b.rest) for a, b in zip(batches[0], found, strict=False) if a.index != b.index)
        earlier.update({match.index: match.rest for match in found})
    if pairs >= FEW:
        fail(
            "the same noise was added again to later images",
            called=called,
            cause="noise_not_fresh",
            expected="noise drawn anew for every batch, inside the loop",
        )


def _alike(first: Array, second: Array) -> bool:
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return size > 0 and float(first @ second) / size > SAME_NOISE
