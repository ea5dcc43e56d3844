"""Stochastic gradient descent on one softmax layer, in every order at once."""

from __future__ import annotations

import itertools

import numpy as np

from ..public.network import Array
from ..public.training import Task


def ends_of_all_orders(task: Task) -> tuple[Array, Array]:
    """W (S, D, C) and b (S, 1, C) after the task's epochs, for every way to order the images in each of them.

    With N images and E epochs S = (N!)^E, so both should be small.
    """
    data, rate = task.data, task.settings.learning_rate
    epochs = itertools.product(itertools.permutations(range(len(data.labels))), repeat=task.settings.num_epochs)
    sequences = np.array([np.concatenate(epoch) for epoch in epochs])
    everyone = np.arange(len(sequences))
    W = np.repeat(task.W[np.newaxis], len(sequences), axis=0)
    b = np.repeat(task.b[np.newaxis], len(sequences), axis=0)
    for indices in sequences.T:
        images = data.images[indices].astype(np.float64)
        logits = np.einsum("sd,sdc->sc", images, W) + b[:, 0]
        errors = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
        errors[everyone, data.labels[indices]] -= 1
        W -= rate * images[:, :, np.newaxis] * errors[:, np.newaxis, :]
        b -= rate * errors[:, np.newaxis, :]
    return W, b


def mean_loss(W: Array, b: Array, images: Array, labels: Array) -> float:
    """The mean cross-entropy of images (N, D) with labels (N,)."""
    logits = images @ W + b
    return float(np.mean(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]))


def accuracy(W: Array, b: Array, images: Array, labels: Array) -> float:
    """The share of images (N, D) whose largest logit is that of their label."""
    return float(np.mean(np.argmax(images @ W + b, axis=1) == labels))
