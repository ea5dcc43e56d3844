"""The checks of cpsc663_ex2: what they find in a record, what they accept, and how they fail."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autograder.checks.compare import CheckFailed
from autograder.checks.networks import AUTOENCODER
from autograder.checks.training_images import Gallery
from autograder.checks.training_records import (
    Call,
    Confusion,
    Network,
    Noise,
    Picture,
    Records,
    Save,
    Step,
    read_records,
)
from autograder.sandbox.proxy import StudentError

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

ROOT = Path(__file__).resolve().parents[2]
LABELS = np.array([0, *np.repeat(np.arange(10), 3)])


@pytest.fixture(scope="module")
def suite():
    """The helper modules of the suite, by name."""
    names = (
        "public.common",
        "public.cnn",
        "public.judging",
        "public.autoencoders",
        "public.denoising",
        "hidden.handout",
    )
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        modules = {name.split(".")[1]: importlib.import_module(f"cpsc663_ex2.{name}") for name in names}
        yield SimpleNamespace(**modules)
    finally:
        sys.path.remove(str(ROOT / "tests"))


def records(*events, errors=(), optimizers=(), **counts) -> Records:
    raw = {"events": [], "counts": counts, "networks": [], "optimizers": list(optimizers), "ended": None,
           "errors": list(errors), "entry": None, "files": []}  # fmt: skip
    found = read_records(raw)
    return type(found)(**{name: getattr(found, name) for name in found.__struct_fields__ if name != "events"},
                       events=list(events))  # fmt: skip


def picture(at: int, values: np.ndarray, count: int = 1, file: str | None = None) -> Picture:
    return Picture(at, "imshow", file, values.shape, count, values)


def step(at: int) -> Step:
    return Step(at, 1, 1, 0.1, 1, 1, False, 0, *([None] * 9))


def filters(seed: int = 0, count: int = 40, spread: float = 0.1) -> np.ndarray:
    return spread * np.random.default_rng(seed).standard_normal((count, 5, 5))


SAVED = Picture(99, "savefig", "filters.png", None, 1, None)
ERROR = {"type_name": "ValueError", "message": "bad panel", "file": "prob4_CNN.py", "line": 3, "function": "draw",
         "source": "draw()"}  # fmt: skip


def drawn_one_by_one(images: np.ndarray, start: int = 10) -> list[Picture]:
    return [picture(start + number, image, number + 1) for number, image in enumerate(images)]


# ---- Filters --------------------------------------------------------------------------------------------------------


def test_filters_drawn_one_by_one_are_shown(suite):
    images = filters()
    found = suite.cnn.assert_filters(records(step(1), *drawn_one_by_one(images), SAVED), called="")
    assert np.array_equal(found, images)


def test_filters_in_one_tensor_are_shown(suite):
    found = suite.cnn.assert_filters(records(step(1), picture(5, filters()[:, None], file="a.png")), called="")
    assert found.shape == (40, 5, 5)


def test_filters_stitched_to_a_sheet_are_accepted(suite):
    sheet = np.random.default_rng(1).random((4 * 7, 10 * 7))
    assert suite.cnn.assert_filters(records(step(1), picture(5, sheet, file="a.png")), called="") is None


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "no picture of filters"),
        ([*drawn_one_by_one(filters(count=16)), SAVED], "16 filters"),
        (drawn_one_by_one(filters()), "not saved"),
        ([*drawn_one_by_one(filters(count=80, spread=0.01)), SAVED], "second convolution"),
        (
            [picture(5, np.pad(np.random.default_rng(0).random((28, 84)), 60), file="digits.png")],
            "no picture of filters",
        ),
    ],
)
def test_what_is_not_forty_filters_is_named(suite, events, message):
    with pytest.raises(CheckFailed, match=message):
        suite.cnn.assert_filters(records(step(1), *events), called="")


def test_filters_from_before_the_training_do_not_count(suite):
    with pytest.raises(CheckFailed, match="before the first step"):
        suite.cnn.assert_filters(records(*drawn_one_by_one(filters()), step(60), SAVED), called="")


def test_an_error_that_kept_the_filters_from_being_drawn_is_the_students_own(suite):
    with pytest.raises(StudentError, match="bad panel"):
        suite.cnn.assert_filters(records(step(1), errors=[ERROR]), called="")


# ---- The confusion matrix -------------------------------------------------------------------------------------------


def counts() -> np.ndarray:
    """Of each digit two are right and one is taken for the next, and one more 0 for a 5: not the same transposed."""
    matrix = np.diag([2] * 10) + np.roll(np.eye(10, dtype=int), 1, axis=1)
    matrix[0, 5] += 1
    return matrix


@pytest.mark.parametrize("form", ["array", "tensor", "named", "transposed", "csv"])
def test_a_printed_matrix_is_read(suite, form):
    matrix = counts()
    text = {
        "array": str(matrix),
        "tensor": str(torch.tensor(matrix)),
        "named": "  ".join(map(str, range(10))) + "\n" + "\n".join(f"{i}: {row}" for i, row in enumerate(matrix)),
        "transposed": str(matrix.T),
        "csv": "\n".join(",".join(f"{entry:.1f}" for entry in row) for row in matrix),
    }[form]
    assert np.array_equal(suite.cnn.printed_matrix(f"epoch 1\n{text}\ndone 3", LABELS), matrix)


@pytest.mark.parametrize("text", ["", "accuracy 0.9", str(2 * counts()), str(counts()[:9]), "1 2 3\n" * 50])
def test_other_numbers_are_no_confusion_matrix(suite, text):
    assert suite.cnn.printed_matrix(text, LABELS) is None


def test_without_a_matrix_the_error_of_the_run_is_told(suite):
    with pytest.raises(StudentError, match="bad panel"):
        suite.cnn.confusion_of(suite.common.Run(records(errors=[ERROR]), ""), LABELS, called="")
    with pytest.raises(CheckFailed, match="no confusion matrix"):
        suite.cnn.confusion_of(suite.common.Run(records(), "nothing"), LABELS, called="")


@pytest.mark.parametrize(("size", "cause"), [(9, "off_by_one"), (7, None)])
def test_a_matrix_that_misses_one_class_is_named(suite, size, cause):
    seen = Confusion(5, LABELS, LABELS, np.eye(size))
    with pytest.raises(CheckFailed, match="its shape is") as caught:
        suite.cnn.confusion_of(suite.common.Run(records(seen), ""), LABELS, called="")
    assert caught.value.explanation.cause == cause


# ---- Own work, runs, training ---------------------------------------------------------------------------------------

BLANK = "def save_filters(model, path):\n    raise NotImplementedError('x')\n"
OTHER = "def confusion(labels, predictions):\n    '''Text.'''\n    raise NotImplementedError\n"


@pytest.mark.parametrize("source", [BLANK, "def f():\n    return 1\n", "def broken(:", "\x00"])
def test_points_for_the_skeleton_need_only_some_own_work(suite, source):
    suite.cnn.require_own_work(SimpleNamespace(read_submitted_file=lambda name: source.encode()))


def test_a_blank_skeleton_is_not_implemented(suite):
    with pytest.raises(CheckFailed) as caught:
        suite.cnn.require_own_work(SimpleNamespace(read_submitted_file=lambda name: (BLANK + OTHER).encode()))
    assert caught.value.explanation.cause == "not_implemented"


def test_a_run_is_made_once_and_its_problem_is_shared(suite):
    class FailingProbes:
        runs = 0

        def printed(self):
            return ""

        def run(self, *arguments, **keywords):
            self.runs += 1
            raise StudentError("ValueError", "no")

    probes, watched = FailingProbes(), suite.common.WatchedRuns()
    for _ in range(2):
        with pytest.raises(StudentError):
            watched.of(probes, "prob5_AE")
    assert probes.runs == 1
    with pytest.raises(StudentError):
        watched.of(probes, "prob5_AE", noise=0.3)
    assert probes.runs == 2


def test_a_file_without_training_code_is_no_fault(suite):
    told = []
    show = SimpleNamespace(text=lambda heading, body: told.append(heading))
    assert suite.judging.assert_own_training(records(), "prob5_AE", show) is None
    assert told == ["Training"]


def test_training_code_that_fails_is_told_as_the_students_error(suite):
    with pytest.raises(StudentError, match="bad panel"):
        suite.judging.assert_own_training(records(errors=[ERROR]), "prob5_AE", None)


def test_a_checkpoint_from_before_the_training_is_named(suite):
    save = Save(1, "mnist_ae.pt", "state_dict", "OrderedDict", [])
    with pytest.raises(CheckFailed, match="before the first step"):
        suite.judging.assert_saved_after_training(records(save, step(2)), "mnist_ae.pt", "")
    suite.judging.assert_saved_after_training(records(save, step(2)), "mnist_cae.pt", "")
    later = Save(3, "mnist_ae.pt", "state_dict", "OrderedDict", [])
    suite.judging.assert_saved_after_training(records(save, step(2), later), "mnist_ae.pt", "")


def test_without_noise_nothing_is_implemented(suite):
    watched = SimpleNamespace(of=lambda *arguments, **settings: suite.common.Run(records(), ""))
    gallery = Gallery(np.random.default_rng(0).random((4, 9)), np.zeros((1, 9)))
    with pytest.raises(CheckFailed) as caught:
        suite.denoising.noisy_run(None, watched, gallery)
    assert caught.value.explanation.cause == "not_implemented"


def test_noise_that_is_drawn_and_reaches_no_network_has_no_name(suite):
    drawn = Noise(3, "randn_like", (16, 1, 28, 28), 1.0, None)
    watched = SimpleNamespace(of=lambda *arguments, **settings: suite.common.Run(records(drawn), ""))
    gallery = Gallery(np.random.default_rng(0).random((4, 9)), np.zeros((1, 9)))
    with pytest.raises(CheckFailed, match="though noise was drawn") as caught:
        suite.denoising.noisy_run(None, watched, gallery)
    assert caught.value.explanation.cause is None


def trained_on(images: np.ndarray) -> Records:
    """One network, called on these images and trained."""
    state = (1.0, 0.0)
    call = Call(1, 1, "", True, True, True, images.shape, images, images[:4], [], (), (), state, state)
    network = Network(1, "Auto", 0, True, [], [])
    seen = records(call, backward=1)
    return type(seen)(**{name: getattr(seen, name) for name in seen.__struct_fields__ if name != "networks"},
                      networks=[network])  # fmt: skip


def test_images_of_the_test_split_in_a_training_are_named(suite):
    random = np.random.default_rng(0)
    train, test = random.random((20, 1, 6, 6)), random.random((8, 1, 6, 6))
    gallery = Gallery(train, test)
    suite.judging.assert_trains_on_training_split(trained_on(train[:8]), gallery, called="")
    suite.judging.assert_trains_on_training_split(records(), gallery, called="")
    with pytest.raises(CheckFailed) as caught:
        suite.judging.assert_trains_on_training_split(trained_on(test), gallery, called="")
    assert caught.value.explanation.cause == "trains_on_test"


def test_a_network_that_is_never_stepped_is_named_also_where_it_is_known(suite):
    seen = trained_on(np.ones((8, 1, 6, 6)))
    for network in (None, seen.networks[0]):
        with pytest.raises(CheckFailed) as caught:
            suite.judging.assert_steps(seen, "", network)
        assert caught.value.explanation.cause == "no_step"


# ---- Networks -------------------------------------------------------------------------------------------------------


def test_two_principal_components_rebuild_a_plane_exactly(suite):
    random = np.random.default_rng(0)
    plane = random.standard_normal((50, 2)) @ random.standard_normal((2, 9)) + 3
    assert suite.common.pca_error(plane[:40], plane[40:]) < 1e-20
    assert suite.common.pca_error(plane[:40], plane[40:] + random.standard_normal((10, 9))) > 0.1


def test_our_network_has_the_parameters_that_the_handout_lists(suite):
    trace = SimpleNamespace(decoder=lambda: ())
    ours = suite.handout.network_like(SimpleNamespace(trace=lambda: trace))
    assert sum(parameter.numel() for parameter in ours.parameters()) == 16_859
    assert ours(torch.zeros(3, 1, 28, 28)).shape == (3, 1, 28, 28)


@pytest.mark.parametrize(
    "settings", [{"kernel": (5, 5), "padding": (2, 2)}, {"kernel": "many", "padding": (1 << 40, 0)}]
)
def test_our_network_takes_over_kernels_but_no_nonsense(suite, settings):
    layers = [SimpleNamespace(name="convolution", settings=settings)] * 2
    trace = SimpleNamespace(decoder=lambda: layers)
    ours = suite.handout.network_like(SimpleNamespace(trace=lambda: trace))
    assert ours(torch.zeros(2, 1, 28, 28)).shape == (2, 1, 28, 28)


@pytest.mark.parametrize(("fault", "cause"), [("", None), ("fixed", "hard_coded_batch"), ("mixed", "only_batch_one")])
def test_images_of_a_batch_that_depend_on_one_another_are_named(suite, fault, cause):
    def run(images):
        if fault == "fixed" and len(images) < 7:
            raise StudentError("RuntimeError", "shape '[7, 784]' is invalid")
        return images - images.mean(axis=0) if fault == "mixed" else images

    network = SimpleNamespace(role=AUTOENCODER, made="Auto()", reconstruct=run)
    if cause is None:
        suite.autoencoders.assert_any_batch(network)
        return
    with pytest.raises(CheckFailed) as caught:
        suite.autoencoders.assert_any_batch(network)
    assert caught.value.explanation.cause == cause
