"""Given code: pictures in MNIST's files, as PyTorch data sets.

`load_pictures` reads the four IDX files (gzipped or not) from a folder of yours. Where the folder holds none,
torchvision downloads them into it, if it is installed; nothing else here needs torchvision.
"""

import gzip
import struct
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

SIDE = 28
TORCHVISION_NAMES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


def load_pictures(data_dir, train, name="mnist"):
    """Read the training or the test pictures.

    data_dir: the folder that holds the files, or a folder that holds them in <name>/ or where torchvision puts them.
    train: bool, the training pictures or the test pictures.
    name: "mnist" or "fashion_mnist".
    Returns a TensorDataset of pictures float32 (N, 1, 28, 28) between 0 and 1, and labels int64 (N,).
    """
    prefix = "train" if train else "t10k"
    folder = _find_folder(Path(data_dir), f"{prefix}-images-idx3-ubyte", name)
    if folder is None:
        return _from_torchvision(data_dir, train, name)
    pictures = torch.from_numpy(_read_idx(folder / f"{prefix}-images-idx3-ubyte")).float().div(255)
    labels = torch.from_numpy(_read_idx(folder / f"{prefix}-labels-idx1-ubyte")).long()
    return TensorDataset(pictures.reshape(-1, 1, SIDE, SIDE), labels)


def make_loaders(data_dir, batch_size, name="mnist"):
    """Return two DataLoaders: the training pictures in batches, shuffled, and the test pictures in larger ones."""
    training = DataLoader(load_pictures(data_dir, True, name), batch_size=batch_size, shuffle=True)
    testing = DataLoader(load_pictures(data_dir, False, name), batch_size=1000)
    return training, testing


def _find_folder(data_dir, file_name, name):
    """Return the folder that holds the file, or None."""
    for folder in (data_dir, data_dir / name, data_dir / TORCHVISION_NAMES[name] / "raw"):
        if any((folder / (file_name + ending)).is_file() for ending in ("", ".gz")):
            return folder
    return None


def _read_idx(path):
    """Return the unsigned bytes of an IDX file as an array; the file is `path`, or `path` with .gz behind it."""
    zipped = path.with_name(path.name + ".gz")
    content = gzip.decompress(zipped.read_bytes()) if zipped.is_file() else path.read_bytes()
    dimensions = content[3]
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    # A copy, because PyTorch wants memory that it could write to.
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()


def _from_torchvision(data_dir, train, name):
    try:
        from torchvision import datasets
    except ImportError as error:
        raise FileNotFoundError(
            f"{data_dir} holds no files of {name}, and torchvision is not there to download them; "
            "give the folder that holds them with --data-dir"
        ) from error
    downloaded = getattr(datasets, TORCHVISION_NAMES[name])(data_dir, train=train, download=True)
    pictures = downloaded.data.float().div(255)
    return TensorDataset(pictures.reshape(-1, 1, SIDE, SIDE), downloaded.targets.long())
