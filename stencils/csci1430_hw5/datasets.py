"""Given: reads the two data sets of the homework, MNIST's digits and the scene pictures of homework 4.

Both come as four gzipped IDX files, the layout of the published MNIST, because it holds any stack of grey pictures,
needs no image library and can be read in a few lines:
    DIR/mnist/      train-images-idx3-ubyte.gz  train-labels-idx1-ubyte.gz  t10k-images-...  t10k-labels-...
    DIR/scenerec/   the same four names, and classes.txt with one class name per line
"""

import gzip
import os
import struct

import numpy as np

# A scene is described by the gradient directions in CELLS x CELLS parts of the picture.
CELLS = 4
DIRECTIONS = 8


class Datasets:
    """One data set, split into training and test images.

    train_images, test_images: (N, D), one image per row: int 0 or 1 for "mnist", float for "scenerec".
    train_labels, test_labels: uint8 (N,), the classes 0 .. num_classes-1.
    num_classes: int.
    """

    def __init__(self, dataset, data_dir):
        folder = os.path.join(data_dir, dataset)
        to_features = {"mnist": binary_pixels, "scenerec": gradient_directions}[dataset]
        self.train_images = to_features(read_idx(os.path.join(folder, "train-images-idx3-ubyte.gz")))
        self.train_labels = read_idx(os.path.join(folder, "train-labels-idx1-ubyte.gz"))
        self.test_images = to_features(read_idx(os.path.join(folder, "t10k-images-idx3-ubyte.gz")))
        self.test_labels = read_idx(os.path.join(folder, "t10k-labels-idx1-ubyte.gz"))
        self.num_classes = int(self.train_labels.max()) + 1


def read_idx(path):
    """Read a gzipped IDX file of unsigned bytes: the header gives the shape, the bytes follow row by row."""
    with gzip.open(path, "rb") as file:
        zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
        if zeros != 0 or kind != 8:
            raise ValueError(f"{path} is not an IDX file of unsigned bytes")
        shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
        return np.frombuffer(file.read(), dtype=np.uint8).reshape(shape)


def binary_pixels(pictures):
    """Turn grey pictures (N, H, W) of 0 .. 255 into rows (N, H * W) of 0 (paper) and 1 (ink)."""
    return (pictures.reshape(len(pictures), -1) > 127).astype(int)


def gradient_directions(pictures):
    """Describe grey pictures (N, H, W) by the directions of their edges, as in the scene recognition of homework 4.

    Each of CELLS x CELLS parts of a picture gives a histogram of the DIRECTIONS in which brightness grows, weighted
    by how steeply it does, and its mean brightness.
    Returns float (N, CELLS * CELLS * (DIRECTIONS + 1)); each picture's histograms have the length 1 together.
    """
    grey = pictures.astype(float) / 255.0
    down, right = np.gradient(grey, axis=(1, 2))
    steepness = np.hypot(down, right)
    direction = np.floor((np.arctan2(down, right) / (2 * np.pi) % 1.0) * DIRECTIONS).astype(int) % DIRECTIONS
    histograms = np.stack([cell_means(steepness * (direction == d)) for d in range(DIRECTIONS)], axis=-1)
    histograms = histograms.reshape(len(pictures), -1)
    lengths = np.linalg.norm(histograms, axis=1, keepdims=True)
    brightness = cell_means(grey).reshape(len(pictures), -1)
    return np.concatenate([histograms / np.maximum(lengths, 1e-12), brightness], axis=1)


def cell_means(values):
    """Average (N, H, W) over the cells of a CELLS x CELLS grid: (N, CELLS, CELLS)."""
    rows, columns = values.shape[1] // CELLS, values.shape[2] // CELLS
    whole = values[:, : rows * CELLS, : columns * CELLS]
    return whole.reshape(len(values), CELLS, rows, CELLS, columns).mean(axis=(2, 4))
