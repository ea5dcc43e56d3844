"""Pictures: each is a PNG small enough for an output, whatever numbers came, and none is drawn when switched off."""

import io
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from PIL import Image

from autograder.checks import pictures
from autograder.grading.fixtures import Show

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(size=(12, 1, 28, 28))
DRAWN = {
    "grid": lambda: pictures.image_grid(RANDOM.normal(size=(40, 1, 5, 5))),
    "large grid": lambda: pictures.image_grid(RANDOM.normal(size=(100, 28, 28))),
    "rows": lambda: pictures.image_rows({"original": IMAGES, "noisy": IMAGES + 1, "reconstruction": IMAGES[:3]}),
    "confusion": lambda: pictures.confusion_matrix(RANDOM.integers(0, 99, (10, 10)), [str(i) for i in range(10)]),
    "embedding": lambda: pictures.embedding(RANDOM.normal(size=(2000, 2)), RANDOM.integers(0, 10, (2000, 1))),
    "curves": lambda: pictures.curves({"train": np.arange(300.0), "validation": [1.0]}, "step", "loss"),
}


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float)


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_shows_something_and_fits_into_an_output(name):
    png = DRAWN[name]()
    assert len(png) <= pictures.LARGEST_BYTES
    assert opened(png).std() > 5


def test_numbers_that_are_none_are_drawn_as_something():
    broken = np.full((4, 28, 28), np.nan)
    broken[0, 0, 0] = np.inf
    for draw in (lambda: pictures.image_rows({"yours": broken}), lambda: pictures.image_grid(broken)):
        assert opened(draw()).size
    assert opened(pictures.embedding([[np.nan, np.inf], [0, 1]], [0, 1])).size
    assert opened(pictures.curves({"loss": [np.nan, np.nan]}, "step", "loss")).size


def test_each_image_of_a_grid_uses_the_whole_range_of_grey_and_those_of_rows_share_one():
    faint = np.linspace(0.0, 0.1, 28 * 28).reshape(1, 28, 28)
    assert opened(pictures.image_grid(faint, columns=1)).min() < 5
    rows = opened(pictures.image_rows({"": faint}))
    assert rows[rows < 250].max() < 40


def test_the_same_numbers_give_the_same_bytes():
    assert pictures.image_grid(IMAGES) == pictures.image_grid(IMAGES)


def test_nothing_is_drawn_where_pictures_are_switched_off():
    show = Show(pictures=False)
    show.figure("Curve", lambda: pytest.fail("it was drawn"), "a falling line")
    assert show.sections == []


def test_without_matplotlib_the_description_stands_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    show = Show()
    show.figure("Curve", lambda: pictures.curves({"loss": [1.0]}, "step", "loss"), "a falling line")
    (section,) = show.sections
    assert section.image == ""
    assert "a falling line" in section.body
    assert "not installed" in section.body
