"""The scene recognition pictures: drawn ones that stand in for the real data, and the packing of the real ones.

The real data belongs to the course and cannot be shipped. In the drawn data a class is a rule for drawing: where the
horizon runs, how bright sky and ground are, and the stripes (trunks, waves, storeys, shelves) on one side of it. Every
picture follows its class's rule with its own shift, tilt, light and noise, so that a linear classifier on edge
directions learns the classes, but not at once and not perfectly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autograder.assignment import UsageError

SIZE = 32
PACKED_SIZE = 64
TRAIN_PER_CLASS = 40
TEST_PER_CLASS = 20


@dataclass(frozen=True)
class Scene:
    """How the pictures of one class are drawn; lengths in picture heights, brightness from 0 (black) to 1."""

    name: str
    horizon: float
    sky: float
    ground: float
    angle: float
    """The direction, in degrees, in which the stripes follow each other: 0 to the right, 90 downwards."""
    stripes: float
    """Stripes per picture."""
    above: bool
    """Whether the stripes are above the horizon rather than below."""


def scenes() -> tuple[Scene, ...]:
    """Return the classes, in the order of their labels."""
    return (
        Scene("Bedroom", 0.60, 0.7, 0.4, 90, 3, False),
        Scene("Coast", 0.50, 0.9, 0.5, 90, 8, False),
        Scene("Forest", 0.80, 0.4, 0.3, 0, 7, True),
        Scene("Highway", 0.40, 0.8, 0.4, 45, 2, False),
        Scene("Industrial", 0.70, 0.5, 0.3, 135, 5, True),
        Scene("InsideCity", 0.75, 0.6, 0.4, 0, 4, True),
        Scene("Kitchen", 0.45, 0.8, 0.6, 0, 3, False),
        Scene("LivingRoom", 0.55, 0.6, 0.3, 45, 5, False),
        Scene("Mountain", 0.65, 0.8, 0.3, 45, 3, True),
        Scene("Office", 0.40, 0.7, 0.5, 90, 5, True),
        Scene("OpenCountry", 0.35, 0.8, 0.6, 135, 3, False),
        Scene("Store", 0.85, 0.5, 0.4, 90, 7, True),
        Scene("Street", 0.60, 0.6, 0.4, 135, 7, False),
        Scene("Suburb", 0.50, 0.7, 0.5, 135, 3, True),
        Scene("TallBuilding", 0.90, 0.7, 0.4, 0, 10, True),
    )


def draw_scenes() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw the whole data set, the same on every run.

    :returns: training pictures uint8 (600, 32, 32), their labels uint8 (600,), and the same for 300 test pictures;
        the training pictures are in random order
    """
    random = np.random.default_rng(15)
    drawn = np.stack([_draw(scene, TRAIN_PER_CLASS + TEST_PER_CLASS, random) for scene in scenes()])
    labels = np.repeat(np.arange(len(drawn), dtype=np.uint8)[:, None], drawn.shape[1], axis=1)
    train = drawn[:, :TRAIN_PER_CLASS].reshape(-1, SIZE, SIZE), labels[:, :TRAIN_PER_CLASS].reshape(-1)
    test = drawn[:, TRAIN_PER_CLASS:].reshape(-1, SIZE, SIZE), labels[:, TRAIN_PER_CLASS:].reshape(-1)
    order = random.permutation(len(train[1]))
    return train[0][order], train[1][order], test[0], test[1]


def _draw(scene: Scene, count: int, random: np.random.Generator) -> np.ndarray:
    """Draw `count` pictures of one class, uint8 (count, SIZE, SIZE)."""

    def around(value: float, spread: float) -> np.ndarray:
        return random.normal(value, spread, (count, 1, 1))

    down, right = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    horizon = around(scene.horizon, 0.06) + around(0, 0.1) * (right - 0.5)
    ground = down > horizon
    picture = np.where(ground, around(scene.ground, 0.08), around(scene.sky, 0.08))
    angle = np.deg2rad(around(scene.angle, 10))
    stripes = around(scene.stripes, 0.5)
    waves = np.sin(
        2 * np.pi * (stripes * (right * np.cos(angle) + down * np.sin(angle)) + random.random((count, 1, 1)))
    )
    picture += around(0.15, 0.04) * waves * (ground != scene.above)
    picture += random.normal(0, 0.08, picture.shape)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def pack_scenes(source: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read the real pictures from the course's folders, train/<class>/*.jpg and test/<class>/*.jpg.

    :returns: training pictures uint8 (N, 64, 64) in grey, labels uint8 (N,), the same for testing, the class names
    :raises UsageError: without Pillow, or when the folders are not as expected
    """
    names = tuple(sorted(folder.name for folder in _class_folders(source / "train")))
    if names != tuple(sorted(folder.name for folder in _class_folders(source / "test"))):
        raise UsageError(f"{source}: train/ and test/ hold different classes; both need one folder per class")
    return (*_read_class_folders(source / "train", names), *_read_class_folders(source / "test", names), names)


def _class_folders(folder: Path) -> list[Path]:
    found = [entry for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    if not found:
        raise UsageError(f"{folder} should hold one folder of pictures per class, but holds none")
    return found


def _read_class_folders(folder: Path, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    try:
        from PIL import Image  # only this function needs it, and only an instructor calls this function
    except ImportError as error:
        raise UsageError("reading pictures needs Pillow; install it (pip install pillow)") from error
    pictures, labels = [], []
    for label, name in enumerate(names):
        for path in sorted((folder / name).iterdir()):
            if path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
                with Image.open(path) as picture:
                    pictures.append(np.asarray(picture.convert("L").resize((PACKED_SIZE, PACKED_SIZE))))
                labels.append(label)
    if not pictures:
        raise UsageError(f"{folder} holds no .jpg or .png pictures in its class folders")
    return np.stack(pictures), np.array(labels, np.uint8)
