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


def adam(
    gradients: Sequence[Array],
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    *,
    corrects: bool = True,
    squares: bool = True,
    eps_of_raw: bool = False,
) -> list[Array]:
    """-eta m / (sqrt(s) + eps) of the corrected moments; eps_of_raw: eps beside the root that is not yet corrected."""
    first, second, steps = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    for number, g in enumerate(gradients, 1):
        first = betas[0] * first + (1 - betas[0]) * g
        second = betas[1] * second + (1 - betas[1]) * (g**2 if squares else np.abs(g))
        unbiased = [1 - beta**number if corrects else 1.0 for beta in betas]
        extra = eps / np.sqrt(unbiased[1]) if eps_of_raw else eps
        steps.append(-lr * (first / unbiased[0]) / (np.sqrt(second / unbiased[1]) + extra))
    return steps
