"""The real data sets: fetching them from their publishers, and checking that the files are the published ones."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.data import (
    IDX_FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DataError,
    DataSet,
    read_idx,
    real_folder,
)

_SECONDS_WITHOUT_AN_ANSWER = 20
_LARGEST_FILE = 1 << 27


@dataclass(frozen=True)
class Verification:
    """What the files in a folder turned out to be."""

    sha256: Mapping[str, str]
    """The digest of each of the four files."""
    published: bool
    """Whether all digests are known and match; False where the publisher's digests are not known."""
    train: int
    test: int
    """How many pictures there are."""


def verify(data_set: DataSet, folder: Path) -> Verification:
    """Check that a folder holds a whole, readable data set, and the published one where its digests are known.

    :raises DataError: for a file that is not readable, does not fit its companion or is not the published one
    """
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in IDX_FILES}
    for name, expected in data_set.sha256.items():
        if digests[name] != expected:
            raise DataError(
                f"{folder / name} is not the published file of {data_set.name}: its SHA-256 should be {expected}, "
                f"but is {digests[name]}; remove it and run `autograder data {data_set.name} --fetch`"
            )
    train = _count(folder / TRAIN_IMAGES, folder / TRAIN_LABELS)
    test = _count(folder / TEST_IMAGES, folder / TEST_LABELS)
    return Verification(digests, bool(data_set.sha256), train, test)


def _count(images_file: Path, labels_file: Path) -> int:
    images, labels = read_idx(images_file), read_idx(labels_file)
    if images.ndim != 3 or labels.ndim != 1:
        raise DataError(
            f"{images_file} should hold pictures (N, H, W) and {labels_file.name} labels (N,), but their shapes are "
            f"{images.shape} and {labels.shape}; are the files in each other's place?"
        )
    if len(images) != len(labels):
        raise DataError(
            f"{images_file} holds {len(images)} pictures, but {labels_file.name} {len(labels)} labels; "
            f"take both files from the same source"
        )
    return len(images)


def fetch(data_set: DataSet, root: Path) -> list[Path]:
    """Fetch the real files that are not there yet into ``<root>/data/<name>/``; return those fetched.

    A file gets its name only after its digest was found right: a download that broke off leaves nothing behind.

    :raises DataError: when there is no public address, no network, or the wrong file came
    """
    folder = real_folder(data_set.name, root)
    if not data_set.publisher:
        raise DataError(
            f"{data_set.name} has no public address; get the pictures from the course and run "
            f"`autograder data --pack-scenes FOLDER`"
        )
    folder.mkdir(parents=True, exist_ok=True)
    fetched = []
    for name, expected in data_set.sha256.items():
        if not (folder / name).is_file():
            content = _download(data_set.publisher + name, folder)
            _install(content, expected, folder / name)
            fetched.append(folder / name)
    return fetched


def _download(address: str, folder: Path) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS_WITHOUT_AN_ANSWER) as answer:
            return answer.read(_LARGEST_FILE)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"{address} could not be fetched ({reason}); check the network, or fetch the file on another machine "
            f"and put it into {folder}"
        ) from error


def _install(content: bytes, expected: str, path: Path) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise DataError(
            f"what came for {path.name} is not the published file: its SHA-256 should be {expected}, but is {digest}; "
            f"try again later, or get the file elsewhere and put it into {path.parent}"
        )
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
