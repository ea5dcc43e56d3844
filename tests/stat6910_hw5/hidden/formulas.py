"""The four rules of 3.1 in NumPy: the changes of a parameter, step by step, from its gradients.

Sources: gradient descent and momentum as in the handout (w' = w - eta g; v' = mu v - eta g, w' = w + v'); AdaGrad
(Duchi, Hazan, Singer 2011) and Adam (Kingma, Ba 2015) as in Goodfellow et al., Deep Learning, chapter 8.5, and with
the learning-rate decay that torch.optim.Adagrad has. The papers and PyTorch differ in where the small constant stands,
so both forms are here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def descent(gradients: Sequence[Array], lr: float) -> list[Array]:
    """-eta g."""
    return [-lr * g for g in gradients]


def momentum(gradients: Sequence[Array], lr: float, mu: float, *, new_share: float = 1.0) -> list[Array]:
    """v' = mu v - eta g; with `new_share` the dampened form, in which less of the gradient enters."""
    velocity, steps = np.zeros_like(gradients[0]), []
    for number, g in enumerate(gradients):
        velocity = mu * velocity - lr * g * (new_share if number else 1.0)
        steps.append(velocity)
    return steps


def nesterov(gradients: Sequence[Array], lr: float, mu: float) -> list[Array]:
    """Momentum that looks ahead: the step is mu v' - eta g."""
    return [mu * v - lr * g for v, g in zip(momentum(gradients, lr, mu), gradients, strict=True)]


def adagrad(
    gradients: Sequence[Array],
    lr: float,
    eps: float = 1e-10,
    *,
    decay: float = 0.0,
    decays_at_once: bool = False,
    eps_inside: bool = False,
    keeps: float = 1.0,
    root: bool = True,
) -> list[Array]:
    """-eta g / (sqrt(sum of g squared) + eps); keeps: share of the old sum that stays, 1 for AdaGrad."""
    total, steps = np.zeros_like(gradients[0]), []
    for number, g in enumerate(gradients):
        total = keeps * total + g**2
        rate = lr / (1 + (number + decays_at_once) * decay)
        bottom = (np.sqrt(total + eps) if eps_inside else np.sqrt(total) + eps) if root else total + eps
        steps.append(-rate * g / bottom)
    return steps


def rmsprop(gradients: Sequence[Array], lr: float, alpha: float = 0.99, eps: float = 1e-8) -> list[Array]:
    """-eta g / (sqrt(s) + eps) with s' = alpha s + (1 - alpha) g squared, as torch.optim.RMSprop."""
    average, steps = np.zeros_like(gradients[0]), []
    for g in gradients:
        average = alpha * average + (1 - alpha) * g**2
        steps.append(-lr * g / (np.sqrt(average) + eps))
    return steps


def adam(
    gradients: Sequence[Array],
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    *,
    corrects: tuple[bool, bool] = (True, True),
    counts_from: int = 1,
    power: int = 2,
    root: bool = True,
    eps_of_raw: bool = False,
    eps_inside: bool = False,
) -> list[Array]:
    """-eta m / (sqrt(s) + eps) of the corrected moments.

    eps_of_raw: eps beside the root that is not yet corrected. The rest are slips: which bias is corrected, the count of
    the first step, the power of the gradient in s, whether there is a root, and eps inside of it.
    """
    first, second, steps = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    for number, g in enumerate(gradients, counts_from):
        first = betas[0] * first + (1 - betas[0]) * g
        second = betas[1] * second + (1 - betas[1]) * np.abs(g) ** power
        unbiased = [1 - beta**number if does else 1.0 for beta, does in zip(betas, corrects, strict=True)]
        extra = eps / np.sqrt(unbiased[1]) if eps_of_raw else eps
        square = second / unbiased[1]
        bottom = np.sqrt(square + eps) if eps_inside else (np.sqrt(square) if root else square) + extra
        steps.append(-lr * (first / unbiased[0]) / bottom)
    return steps
