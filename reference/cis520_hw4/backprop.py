"""Homework 4, problem 1, as code: backpropagation through a network with one hidden layer (optional).

The network takes one example, a row x (2,):
    z1 = x W1 + b1,   a1 = tanh(z1),   z2 = a1 W2 + b2,   a2 = sigmoid(z2)
with W1 (2, 500), b1 (500,), W2 (500, 2) and b2 (2,); take the sizes from the arrays. The loss is equation 5 as it is
printed, summed over the two outputs:
    Loss = sum of y ln(a2) + (1 - y) ln(1 - a2)
There is no minus sign in front: this is a number to be made large.
"""

import numpy as np


def sigmoid(z):
    """Return 1 / (1 + exp(-z)) for every entry (given), written with tanh because exp could overflow."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def forward(x, W1, b1, W2, b2):
    """Compute the network's prediction (equations 1 to 4).

    x: float (2,); W1: float (2, H); b1: float (H,); W2: float (H, 2); b2: float (2,).
    Returns a2: float (2,), every entry between 0 and 1.
    """
    # BEGIN SOLUTION 1
    # | Compute z1, a1, z2 and a2 one after the other and return a2.
    a1 = np.tanh(x @ W1 + b1)
    return sigmoid(a1 @ W2 + b2)
    # END SOLUTION


def gradients(x, y, W1, b1, W2, b2):
    """Compute the derivatives of the loss with respect to the four parameters (equation 5).

    x, W1, b1, W2, b2: as in `forward`; y: float (2,), the true outputs, each 0 or 1.
    Returns a dict: "W1" float (2, H), "b1" float (H,), "W2" float (H, 2), "b2" float (2,). No argument is changed.
    """
    # BEGIN SOLUTION 1
    # | Start from dLoss/dz2: with the loss and the sigmoid together it becomes very simple, mind its sign. From there
    # | go back to W2 and b2, to a1, through the tanh to z1, and to W1 and b1.
    a1 = np.tanh(x @ W1 + b1)
    error2 = y - forward(x, W1, b1, W2, b2)
    error1 = (W2 @ error2) * (1 - a1**2)
    return {"W1": np.outer(x, error1), "b1": error1, "W2": np.outer(a1, error2), "b2": error2}
    # END SOLUTION
