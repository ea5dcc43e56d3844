"""What the checks of this exercise share: the digits, the bar to beat, and the watched runs of a submission's files."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autograder.checks.image_data import ImageData, load_image_data
from autograder.checks.networks import AUTOENCODER, CLASSIFIER, SKIP_AUTOENCODER, Network, find_network
from autograder.checks.once import Once
from autograder.checks.training import run_entry
from autograder.checks.training_records import Loss, Records, Step
from autograder.sandbox.proxy import Probes, StudentError

Array = NDArray[Any]

CNN_FILE, AE_FILE, CAE_FILE = "prob4_CNN", "prob5_AE", "prob6_CAE"

# Long enough to see both epochs of every network that a file trains, short enough for half a processor.
BUDGETS: dict[str, dict[str, Any]] = {
    CNN_FILE: {"seconds": 25.0, "steps_per_loop": 6, "steps_per_pass": 6},
    AE_FILE: {"seconds": 25.0, "steps_per_loop": 6, "steps_per_pass": 6},
    CAE_FILE: {"seconds": 30.0, "steps_per_loop": 4, "steps_per_pass": 4},
}


def load_digits(probes: Probes) -> ImageData:
    """The digits that submissions read, too."""
    return load_image_data(probes, "mnist")


def pca_error(train: Array, held: Array, components: int = 2) -> float:
    """Mean squared error per pixel of held images rebuilt from so many principal components of the training images."""
    rows = train.reshape(len(train), -1).astype(np.float64)
    mean = rows.mean(axis=0)
    _, directions = np.linalg.eigh((rows - mean).T @ (rows - mean))
    axes = directions[:, -components:]
    rest = held.reshape(len(held), -1) - mean
    return float(np.mean((rest - rest @ axes @ axes.T) ** 2))


def reconstruction_error(outputs: Array, images: Array) -> float:
    """Mean squared error per pixel."""
    return float(np.mean((np.asarray(outputs).reshape(images.shape) - images) ** 2))


# ---- Networks -------------------------------------------------------------------------------------------------------


def find_cnn(probes: Probes, show: Any) -> Network:
    """The classifier of problem 4."""
    return find_network(probes, CLASSIFIER, [CNN_FILE]).shown(show)


def find_autoencoder(probes: Probes, show: Any) -> Network:
    """The autoencoder of problem 5."""
    return find_network(probes, AUTOENCODER, [AE_FILE]).shown(show)


def find_cae(probes: Probes, show: Any) -> Network:
    """The convolutional autoencoder of problem 6.1, without skip connections."""
    return find_network(probes, AUTOENCODER, [CAE_FILE]).shown(show)


def find_skip_cae(probes: Probes, show: Any) -> Network:
    """The convolutional autoencoder of problem 6.2, with skip connections."""
    return find_network(probes, SKIP_AUTOENCODER, [CAE_FILE]).shown(show)


# ---- Watched runs ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Run:
    """A file that was run as a script: what was seen, what it printed, and the tables (text) that it wrote."""

    records: Records
    printed: str


class WatchedRuns:
    """Runs of the submission's files, each made once in a grading, by the first check that looks at it.

    A run is the same every time, so that checks may share it. What was wrong with it is shared as well.
    """

    def __init__(self) -> None:
        self._seen = Once()

    def of(self, probes: Probes, module: str, **settings: float) -> Run:
        """Run the file; `settings` are patterns of command-line options to be set, with their values."""
        key = (module, str(sorted(settings.items())))
        found: Run = self._seen.once(key, lambda: _run(probes, module, settings))
        return found


def _run(probes: Probes, module: str, settings: dict[str, float]) -> Run:
    probes.printed()
    records = run_entry(probes, module, **BUDGETS[module], **({"settings": settings} if settings else {}))
    return Run(records, "\n".join([probes.printed(), *_tables(probes, records)]))


def _tables(probes: Probes, records: Records) -> list[str]:
    """The text files that a run has left, as far as they can be read."""
    names = [name for name in records.files if name.lower().endswith((".csv", ".txt", ".tsv"))]
    texts = []
    for name in names[:5]:
        try:
            texts.append(probes.read_file(name)[:20_000].decode("utf-8", "replace"))
        except StudentError:
            continue  # a folder, say
    return texts


_RUNS = pytest.StashKey[WatchedRuns]()


@pytest.fixture(scope="session")
def watched(request: pytest.FixtureRequest) -> WatchedRuns:
    """The runs of this grading, the same for public and hidden checks."""
    return request.config.stash.setdefault(_RUNS, WatchedRuns())


def has_training(records: Records) -> bool:
    """Whether the run shows any code that trains: a notebook elsewhere may hold it."""
    seen = records.errors or records.optimizers or records.counts.get("backward") or records.of(Step)
    return bool(seen) or any(loss.gradients for loss in records.of(Loss))
