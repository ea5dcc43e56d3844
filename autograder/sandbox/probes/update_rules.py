"""Probe: what an optimiser of the student's does to parameters of ours, step by step. It judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

Arrays = Sequence[Any]


def steps(
    make: Callable[..., Any],
    name: str,
    start: Arrays,
    gradients: Sequence[Arrays],
    hyperparameters: Mapping[str, Any],
) -> list[list[np.ndarray]]:
    """The parameters after each step of `make(name, parameters, **hyperparameters)`.

    start: the parameters' values, float32 arrays of any shapes. gradients: for each step one array per parameter, or
    None where a parameter has no gradient. As in a training the parameters come as a generator, and each has a fresh
    gradient before each `step()`.
    """
    parameters = _parameters(start)
    optimizer = make(name, _one_by_one(parameters), **hyperparameters)
    seen = []
    for of_step in gradients:
        for parameter, gradient in zip(parameters, of_step, strict=True):
            parameter.grad = None if gradient is None else _tensor(gradient)
        optimizer.step()
        seen.append([parameter.detach().numpy().copy() for parameter in parameters])
    return seen


def gradients_after_clearing(make: Callable[..., Any], name: str, start: Arrays, gradients: Arrays) -> list[Any]:
    """Each parameter's gradient once the optimiser's `zero_grad()` was called: None, or an array."""
    parameters = _parameters(start)
    optimizer = make(name, _one_by_one(parameters))
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = _tensor(gradient)
    optimizer.zero_grad()
    return [None if parameter.grad is None else parameter.grad.detach().numpy().copy() for parameter in parameters]


def _parameters(values: Arrays) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(_tensor(value)) for value in values]


def _one_by_one(parameters: Sequence[torch.nn.Parameter]) -> Iterator[torch.nn.Parameter]:
    """As `model.parameters()` gives them: once."""
    yield from parameters


def _tensor(values: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(values, dtype=np.float32))
