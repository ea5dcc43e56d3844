"""Given code for homework 3, Part I: the loss, the data, and the predicted labels. Nothing here is to be changed."""

import gzip
import os
import struct

import numpy as np

TRAIN_EXAMPLES = 10_000
VALIDATION_EXAMPLES = 2_000


class softmax_cross_entropy:
    """The softmax of the scores followed by the cross-entropy loss, as a mean over the batch."""

    def forward(self, X, Y):
        """Compute the loss.

        X: float (N, K), one row of K scores per example.
        Y: float (N, 1), the labels 0 .. K-1.
        Returns the mean over the N examples of -ln(softmax(X)[y]), a float.
        """
        shifted, normalisers = _shifted_scores(X)
        # ln(softmax) written out as a difference: it stays finite where the softmax itself underflows to 0.
        logarithms = shifted[np.arange(X.shape[0]), _as_indices(Y)] - np.log(normalisers[:, 0])
        return float(-np.mean(logarithms))

    def backward(self, X, Y):
        """Compute the gradient of the loss with respect to the scores.

        X and Y as in `forward`.
        Returns float (N, K): (softmax(X) - one_hot(Y)) / N.
        """
        shifted, normalisers = _shifted_scores(X)
        gradient = np.exp(shifted) / normalisers
        gradient[np.arange(X.shape[0]), _as_indices(Y)] -= 1.0
        return gradient / X.shape[0]


def _shifted_scores(X):
    """Return the scores less the largest of their row (N, K), and the sums of their exponentials (N, 1).

    The shift cancels in the softmax and keeps every exponential in [0, 1], so that none can overflow.
    """
    shifted = X - np.max(X, axis=1, keepdims=True)
    return shifted, np.sum(np.exp(shifted), axis=1, keepdims=True)


def _as_indices(Y):
    return np.asarray(Y).reshape(-1).astype(int)


def predict_label(f):
    """Turn scores into predicted labels.

    f: float (N, K), one row of scores per example.
    Returns float (N, 1): the index of the largest score in each row.
    """
    return np.argmax(f, axis=1).astype(float).reshape(-1, 1)


class DataSplit:
    """A set of labelled examples from which mini-batches are taken.

    X: float (N, D) the inputs; Y: float (N, 1) the labels; N the number of examples; d the number of features D.
    """

    def __init__(self, X, Y):
        self.X = X
        self.Y = Y
        self.N, self.d = X.shape

    def get_example(self, idx):
        """Return the inputs (len(idx), D) and labels (len(idx), 1) of the examples with these indices, as copies."""
        idx = np.asarray(idx, dtype=int)
        return self.X[idx].copy(), self.Y[idx].copy()


def data_loader_mnist(data_dir):
    """Read (Fashion-)MNIST's four gzipped IDX files from a folder.

    Of the training file, the first 10,000 examples are the training set and the next 2,000 the validation set;
    a file with fewer than 12,000 examples is split in the same proportion, five to one.
    Returns X_train, Y_train, X_val, Y_val, X_test, Y_test; X float (N, 784) in [0, 1], Y float (N, 1).
    """
    images, labels = _read_pair(data_dir, "train", TRAIN_EXAMPLES + VALIDATION_EXAMPLES)
    X_test, Y_test = _read_pair(data_dir, "t10k", None)
    size = images.shape[0]
    train = size * TRAIN_EXAMPLES // (TRAIN_EXAMPLES + VALIDATION_EXAMPLES)
    return images[:train], labels[:train], images[train:], labels[train:], X_test, Y_test


def _read_pair(data_dir, prefix, limit):
    images = _read_idx(os.path.join(data_dir, prefix + "-images-idx3-ubyte.gz"), limit)
    labels = _read_idx(os.path.join(data_dir, prefix + "-labels-idx1-ubyte.gz"), limit)
    return images.reshape(images.shape[0], -1) / 255.0, labels.astype(float).reshape(-1, 1)


def _read_idx(path, limit):
    """Read up to `limit` entries (None: all) of one gzipped IDX file of unsigned bytes, as uint8."""
    with gzip.open(path, "rb") as file:
        # The header: two zero bytes, the type (8 = unsigned byte), the number of dimensions, then each dimension.
        zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
        if zeros != 0 or kind != 8:
            raise ValueError(f"{path} is not an IDX file of unsigned bytes")
        shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
        count = shape[0] if limit is None else min(limit, shape[0])
        content = file.read(count * int(np.prod(shape[1:])))
    return np.frombuffer(content, dtype=np.uint8).reshape((count, *shape[1:]))
