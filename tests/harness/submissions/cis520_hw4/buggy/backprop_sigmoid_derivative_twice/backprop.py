"""Homework 4, problem 1, as code."""

import numpy as np


def forward(x, W1, b1, W2, b2):
    z1 = x @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2 + b2
    return 1 / (1 + np.exp(-z2))


def gradients(x, y, W1, b1, W2, b2):
    z1 = x @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2 + b2
    a2 = 1 / (1 + np.exp(-z2))
    dz2 = (y - a2) * a2 * (1 - a2)
    dW2 = np.outer(a1, dz2)
    db2 = dz2
    da1 = W2 @ dz2
    dz1 = da1 * (1 - a1 ** 2)
    dW1 = np.outer(x, dz1)
    db1 = dz1
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
