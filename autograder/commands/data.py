"""`autograder data`: say which data is in use, check it, fetch the real data sets, write one out."""

from __future__ import annotations

import argparse
from pathlib import Path

from autograder.assignment import find_root
from autograder.data import (
    DataSet,
    Pictures,
    data_set,
    has_real_files,
    known_data_sets,
    prepare_data,
    real_folder,
    write_pictures,
)
from autograder.publishers import fetch, verify
from autograder.scenes import pack_scenes


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser(
        "data",
        help="show, check and fetch the data sets",
        description="Say which data is in use, the real or the embedded one, and check the real files.",
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(known_data_sets())} (default: all)")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--fetch", action="store_true", help="fetch the real files from their publisher first")
    action.add_argument(
        "--pack-scenes",
        metavar="FOLDER",
        type=Path,
        help="use the real scene pictures in FOLDER/train/<class>/ and FOLDER/test/<class>/ as scenerec",
    )
    action.add_argument("--write", metavar="FOLDER", type=Path, help="write the data in use to FOLDER/<name>/")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for each data set; return 0."""
    root = find_root()
    if arguments.pack_scenes:
        return _pack_scenes(arguments.pack_scenes, real_folder("scenerec", root))
    for known in [data_set(name) for name in arguments.names] or known_data_sets().values():
        # Asked for all, `--fetch` means all that have a publisher; a data set named without one is an error.
        if arguments.fetch and (arguments.names or known.publisher):
            for path in fetch(known, root):
                print(f"fetched {path}")
        _show(known, root)
        if arguments.write:
            print(f"    written to {prepare_data(known.name, root, arguments.write / known.name).folder}")
    return 0


def _show(known: DataSet, root: Path) -> None:
    folder = real_folder(known.name, root)
    if not has_real_files(known.name, root):
        print(f"{known.name}: the embedded data is in use; for {known.title}, put the files into {folder}")
        return
    found = verify(known, folder)
    print(f"{known.name}: {known.title} in {folder}, {found.train} for training, {found.test} for testing")
    if found.published:
        print("    the published files, by their SHA-256")
        return
    print("    readable and complete; there are no published digests to compare with. SHA-256:")
    for name, digest in found.sha256.items():
        print(f"    {digest}  {name}")


def _pack_scenes(source: Path, folder: Path) -> int:
    pictures = Pictures(*pack_scenes(source))
    folder.mkdir(parents=True, exist_ok=True)
    write_pictures(pictures, folder)
    print(f"packed {len(pictures.train_labels)} training and {len(pictures.test_labels)} test pictures into {folder}")
    return 0
