"""The data that submissions train on: the real data sets where an instructor provides them, embedded ones otherwise.

Every data set is four gzipped IDX files, MNIST's own layout: the courses' loaders read it unchanged, it holds any stack
of grey pictures, and reading it needs neither pickle nor an image library. Real files stand in ``<root>/data/<name>/``.

The embedded digits are scikit-learn's bundled copy of the UCI "Optical Recognition of Handwritten Digits" (1,797 real
8x8 pictures) enlarged to 28x28; the embedded scenes are drawn. Both are the same bytes on every run.
"""

from __future__ import annotations

import gzip
import importlib.util
import math
import shutil
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from autograder.assignment import UsageError
from autograder.scenes import draw_scenes, scenes

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"
IDX_FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
EMBEDDED_NOTE = "EMBEDDED.txt"
"""Stands beside embedded data wherever it was written, so that it is not taken for real."""
CLASS_NAMES = "classes.txt"

EMBEDDED_TRAIN = 1_500
"""Of the 1,797 embedded digits these are for training; the others are the test set."""

# The lowest level: the files live for one run, and higher levels cost more time than the bytes they save.
_COMPRESSION = 1
_UNSIGNED_BYTE = 8
_LARGEST_PICTURES = 1 << 28


class DataError(UsageError):
    """A data set that cannot be used; the message says which file, what is wrong with it and what to do."""


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set's real files."""

    name: str
    title: str
    publisher: str
    """The address of the folder the files can be fetched from; empty where none is public."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """The published files' digests by file name; empty where the publisher's files have no fixed form."""


@dataclass(frozen=True)
class DataSource:
    """A data set made ready for a run."""

    name: str
    kind: Literal["real", "embedded"]
    folder: Path
    """Where the four IDX files (and classes.txt, for scenes) stand."""
    description: str
    """One sentence for reports: which data is in use and where it comes from."""


@dataclass(frozen=True)
class Pictures:
    """The four arrays of a data set: pictures uint8 (N, H, W), labels uint8 (N,)."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...] = ()


def known_data_sets() -> dict[str, DataSet]:
    """Return the data sets that assignments may name, by name.

    The digests of MNIST and Fashion-MNIST are those of the publishers' files, as TensorFlow Datasets 4.9.10 has them.
    """
    mnist = DataSet(
        "mnist",
        "MNIST handwritten digits",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        {
            TRAIN_IMAGES: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            TRAIN_LABELS: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            TEST_IMAGES: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            TEST_LABELS: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    )
    fashion = DataSet(
        "fashion_mnist",
        "Fashion-MNIST articles of clothing",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            TRAIN_IMAGES: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            TRAIN_LABELS: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            TEST_IMAGES: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            TEST_LABELS: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    )
    scenes = DataSet("scenerec", "the scene recognition pictures", "")
    return {data_set.name: data_set for data_set in (fashion, mnist, scenes)}


def data_set(name: str) -> DataSet:
    """Return the data set of this name.

    :raises DataError: when there is none
    """
    known = known_data_sets()
    if name not in known:
        raise DataError(f"there is no data set {name!r}; choose from {', '.join(sorted(known))}")
    return known[name]


def real_folder(name: str, root: Path) -> Path:
    """Return the folder where an instructor puts the real files of a data set."""
    return root / "data" / name


def has_real_files(name: str, root: Path) -> bool:
    """Say whether an instructor has put real files there.

    :raises DataError: when the folder holds only some of the four files, or others, so that nobody who provides real
        data grades on the embedded data unawares
    """
    folder = real_folder(name, root)
    present = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if EMBEDDED_NOTE in present:
        return False
    missing = [file for file in IDX_FILES if file not in present]
    if not missing or not present:
        return not missing
    if len(missing) == len(IDX_FILES):
        found = f"{folder} holds {', '.join(present[:4])}, but none of the files of {name}: {', '.join(IDX_FILES)}"
    else:
        found = f"{folder} holds only a part of {name}: {', '.join(missing)} missing"
    raise DataError(f"{found}; add what is missing, or remove the others to use the embedded data")


def prepare_data(name: str, root: Path, into: Path, at_most: tuple[int, int] | None = None) -> DataSource:
    """Write the four files of a data set into a folder, from the real files if there are any.

    :param name: "fashion_mnist", "mnist" or "scenerec"
    :param root: the course's root; real files are looked for in ``<root>/data/<name>/``
    :param into: the folder to write the files to, itself (no sub-folder); made where it does not exist
    :param at_most: how many training and test pictures of real files to keep, the first ones
    :raises DataError: for an unknown name, incomplete real files, or where the embedded digits are not installed
    """
    into.mkdir(parents=True, exist_ok=True)
    source = _write_data(name, root, into, at_most)
    if source.kind == "embedded":
        note = f"{source.description}.\nFor the real data, put its files here in place of all of these.\n"
        (into / EMBEDDED_NOTE).write_text(note, encoding="utf-8")
    return source


def _write_data(name: str, root: Path, into: Path, at_most: tuple[int, int] | None) -> DataSource:
    title = data_set(name).title
    real = has_real_files(name, root)
    if real or (real_folder(name, root) / EMBEDDED_NOTE).is_file():
        # Copies, not links: the submission reads them under its own user and must not reach the originals.
        for file in (*IDX_FILES, CLASS_NAMES):
            if (real_folder(name, root) / file).is_file():
                shutil.copyfile(real_folder(name, root) / file, into / file)
        if at_most is not None:
            _cut(into, at_most)
        if not real:
            return DataSource(name, "embedded", into, f"{name}: a small stand-in for {title}")
        return DataSource(name, "real", into, f"{name}: {title}, the files in {real_folder(name, root)}")
    if name == "scenerec":
        write_pictures(Pictures(*draw_scenes(), tuple(scene.name for scene in scenes())), into)
        return DataSource(name, "embedded", into, f"{name}: 900 drawn scenes of 15 classes, in place of {title}")
    write_pictures(embedded_digits(root), into)
    return DataSource(name, "embedded", into, f"{name}: 1,797 handwritten digits, in place of {title}")


def _cut(folder: Path, at_most: tuple[int, int]) -> None:
    """Keep the first pictures and labels of each part alone."""
    train, test = at_most
    for file, count in zip(IDX_FILES, (train, train, test, test), strict=True):
        array = read_idx(folder / file)
        if len(array) > count:
            (folder / file).write_bytes(idx_bytes(array[:count]))


def write_pictures(pictures: Pictures, folder: Path) -> None:
    """Write a data set as four gzipped IDX files, and its class names, if any, one per line to classes.txt."""
    arrays = (pictures.train_images, pictures.train_labels, pictures.test_images, pictures.test_labels)
    for name, array in zip(IDX_FILES, arrays, strict=True):
        (folder / name).write_bytes(idx_bytes(array))
    if pictures.class_names:
        (folder / CLASS_NAMES).write_text("\n".join(pictures.class_names) + "\n", encoding="utf-8")


def idx_bytes(array: np.ndarray) -> bytes:
    """Return a uint8 array as a gzipped IDX file; no time is recorded in it, so equal arrays give equal bytes."""
    header = struct.pack(f">HBB{array.ndim}I", 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), compresslevel=_COMPRESSION, mtime=0)


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of unsigned bytes.

    :raises DataError: when the file is not one, is cut short, or is absurdly large
    """
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(_LARGEST_PICTURES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a gzip file ({error}); fetch it again") from error
    if len(content) < 4 or content[:3] != bytes((0, 0, _UNSIGNED_BYTE)):
        raise DataError(f"{path} is not an IDX file of unsigned bytes; fetch it again")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{path} ends within its header; fetch it again")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path} should hold {math.prod(shape)} bytes for its shape {shape}, but holds {len(content) - start}; "
            f"fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def embedded_digits(root: Path) -> Pictures:
    """Return the embedded digits, 1,500 for training and 297 for testing, as pictures of 28x28.

    :raises DataError: where the file with the digits is not installed
    """
    content = gzip.decompress(find_digits(root).read_bytes()).decode("ascii")
    # Each line holds the 64 pixels, 0 .. 16, and the label.
    lines = np.array(content.replace("\n", ",").rstrip(",").split(","), dtype=float).reshape(-1, 65)
    # The file keeps each writer's digits together: shuffled, both parts hold all writers.
    table = lines[np.random.default_rng(0).permutation(len(lines))]
    # Many values end in exactly .5: without the first rounding, the last bit of a product would decide about them.
    brightness = np.round(enlarge(table[:, :64].reshape(-1, 8, 8), 28) * (255 / 16), 6)
    images = np.rint(brightness).astype(np.uint8)
    labels = table[:, 64].astype(np.uint8)
    return Pictures(images[:EMBEDDED_TRAIN], labels[:EMBEDDED_TRAIN], images[EMBEDDED_TRAIN:], labels[EMBEDDED_TRAIN:])


def find_digits(root: Path) -> Path:
    """Return the file digits.csv.gz (57 kB): ``<root>/data/digits.csv.gz``, or else the one in scikit-learn.

    A bundle that carries the file in its data folder needs no scikit-learn. The package is not imported: that would
    take longer than all the rest.

    :raises DataError: where there is neither
    """
    carried = root / "data" / "digits.csv.gz"
    if carried.is_file():
        return carried
    package = importlib.util.find_spec("sklearn")
    for folder in (package.submodule_search_locations or ()) if package else ():
        bundled = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if bundled.is_file():
            return bundled
    raise DataError(
        "the embedded digits come with scikit-learn, which is not installed; install it (pip install scikit-learn), "
        f"or put real files into {root / 'data'}"
    )


def enlarge(pictures: np.ndarray, size: int) -> np.ndarray:
    """Enlarge square pictures, float (N, n, n), to (N, size, size) by bilinear interpolation.

    Pixel centres are mapped onto each other and the border is continued, as image libraries do.
    """
    matrix = _interpolation_matrix(pictures.shape[1], size)
    return matrix @ pictures @ matrix.T


def _interpolation_matrix(small: int, large: int) -> np.ndarray:
    """Return the weights (large, small) with which `small` pixels in a row give `large` ones."""
    centres = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    below = np.minimum(centres.astype(int), small - 2)
    matrix = np.zeros((large, small))
    matrix[np.arange(large), below] = 1 - (centres - below)
    matrix[np.arange(large), below + 1] = centres - below
    return matrix
