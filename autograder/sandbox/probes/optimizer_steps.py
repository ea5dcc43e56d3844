"""What moves the parameters: gradients computed and cleared, optimisers made, steps taken.

The first few gradients are computed a second time, from the same loss, without touching anything: `p.grad` at the step
is then either this gradient alone, or it still holds those of earlier batches.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from autograder.sandbox.probes import records
from autograder.sandbox.probes.network_calls import NetworkCalls

DETAILED_STEPS = 6
DETAILED_ENTRIES = 3_000_000
"""Larger networks are not copied and not differentiated twice."""
MAX_OPTIMIZERS = 16
BACKWARDS_PER_STEP = 4
"""So many gradients without a step count as one, so that a training that forgets its steps comes to an end as well."""
Tensors = dict[int, torch.Tensor]


class OptimizerSteps:
    """Records optimisers, backward calls, clearing of gradients and steps; `count` is the number of steps so far."""

    def __init__(self, log: records.Log, calls: NetworkCalls) -> None:
        self.count = 0
        self.given_gradient: set[int] = set()
        self._log = log
        self._calls = calls
        self._optimizers: list[torch.optim.Optimizer] = []
        self._detailed: dict[int, int] = {}
        self._backwards = 0
        self._recent: Tensors | None = {}
        self._totals: dict[int, Tensors | None] = {}
        self._before: Tensors = {}
        self._gradients: Tensors = {}
        self._in_step = False

    @property
    def optimizers(self) -> int:
        """How many optimisers were made or used so far."""
        return len(self._optimizers)

    @property
    def progress(self) -> int:
        """The steps so far, and those that could have been taken with the gradients since the last one."""
        return self.count + self._backwards // BACKWARDS_PER_STEP

    def interrupt(self) -> None:
        self._in_step = False

    # -- backward -----------------------------------------------------------------------------------------------

    def watch_backward(self, original: Any) -> Any:
        """torch.autograd.backward, which Tensor.backward calls too."""

        def backward(tensors: Any, *arguments: Any, **keywords: Any) -> Any:
            self.see_change_by_hand()
            loss = tensors[0] if isinstance(tensors, tuple | list) and tensors else tensors
            again = self._again(loss)
            result = original(tensors, *arguments, **keywords)
            self._backwards += 1
            self._recent = _sum(self._recent, again)
            self._totals[self._calls.latest] = _sum(self._totals.get(self._calls.latest, {}), again)
            watched = self._watched()
            self.given_gradient.update(key for key, value in watched.items() if value.grad is not None)
            if again is not None and not self._before:
                self._before = _copies(watched)
                self._gradients = _gradients(watched)
            self._log.add(
                "backward",
                str(self._calls.latest),
                value=records.number(loss),
                loss=getattr(loss, "autograder_loss", None),
            )
            return result

        return backward

    def _again(self, loss: Any) -> Tensors | None:
        """The gradient of this loss alone; None where it is not computed."""
        watched = {key: value for key, value in self._watched().items() if value.requires_grad}
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1 or not watched or not self._wants_detail(watched):
            return None
        try:
            found = torch.autograd.grad(loss, list(watched.values()), retain_graph=True, allow_unused=True)
        except RuntimeError:  # no graph: the student's own call is about to say so
            return None
        return {key: value.detach() for key, value in zip(watched, found, strict=True) if value is not None}

    def _wants_detail(self, watched: Tensors) -> bool:
        """For the first steps of each network, where it is not too large."""
        few = self._detailed.get(self._calls.latest, 0) < DETAILED_STEPS
        return few and sum(value.numel() for value in watched.values()) <= DETAILED_ENTRIES

    def _watched(self) -> Tensors:
        """Every parameter of a network seen or of an optimiser."""
        held = {id(value): value for optimizer in self._optimizers for value in _held(optimizer)}
        return self._calls.parameters() | held

    # -- optimisers ---------------------------------------------------------------------------------------------

    def watch_new_optimizer(self, original: Any) -> Any:
        def init(optimizer: Any, *arguments: Any, **keywords: Any) -> None:
            original(optimizer, *arguments, **keywords)
            self._number(optimizer)

        return init

    def watch_clearing(self, by: str) -> Any:
        def wrap(original: Any) -> Any:
            def zero_grad(owner: Any, *arguments: Any, **keywords: Any) -> Any:
                self.see_change_by_hand()
                self._log.add("clear", by, by=by)
                return original(owner, *arguments, **keywords)

            return zero_grad

        return wrap

    def _number(self, optimizer: torch.optim.Optimizer) -> int:
        for number, known in enumerate(self._optimizers, 1):
            if known is optimizer:
                return number
        if len(self._optimizers) >= MAX_OPTIMIZERS:
            return 0
        self._optimizers.append(optimizer)
        return len(self._optimizers)

    def before_step(self, optimizer: torch.optim.Optimizer, arguments: Any, keywords: Any) -> None:
        self._number(optimizer)
        self._in_step = True
        watched = self._watched()
        if self._wants_detail(watched):
            self._before, self._gradients = _copies(watched), _gradients(watched)
        else:
            self._before = {}

    def after_step(self, optimizer: torch.optim.Optimizer, arguments: Any, keywords: Any) -> None:
        held = {id(value): value for value in _held(optimizer)}
        self._in_step = False
        self._add(self._number(optimizer), held, records.number(optimizer.param_groups[0].get("lr")))

    def see_change_by_hand(self) -> None:
        """Parameters that changed since the gradients were computed, and not by an optimiser, are a step too."""
        if self._in_step or not self._before or not self._backwards:
            return
        watched = self._watched()
        if any(not torch.equal(value, self._before[key]) for key, value in watched.items() if key in self._before):
            self._add(0, watched, None)

    def _add(self, optimizer: int, held: Tensors, rate: float | None) -> None:
        """One step, compared with the gradients."""
        self.count += 1
        bucket = f"{optimizer} {self._calls.latest}"
        event = self._log.add(
            "step",
            bucket,
            network=self._calls.latest,
            optimizer=optimizer,
            rate=rate,
            held=len(held),
            backwards=self._backwards,
        )
        event |= _comparison(
            held, self._before, self._gradients, self._recent, self._totals.get(self._calls.latest), rate
        )
        if self._before:
            self._detailed[self._calls.latest] = self._detailed.get(self._calls.latest, 0) + 1
        self._backwards, self._recent, self._before, self._gradients = 0, {}, {}, {}

    # -- the end ------------------------------------------------------------------------------------------------

    def holders(self) -> dict[int, list[int]]:
        """For every parameter, the numbers of the optimisers that hold it."""
        found: dict[int, list[int]] = {}
        for number, optimizer in enumerate(self._optimizers, 1):
            for value in _held(optimizer):
                found.setdefault(id(value), []).append(number)
        return found

    def report(self) -> list[dict[str, Any]]:
        """Every optimiser with the settings of its first group."""
        known = set(self._calls.parameters())
        return [
            {
                "number": number,
                "class_name": records.text(type(optimizer).__name__),
                "settings": _settings(optimizer),
                "held": len(_held(optimizer)),
                "unknown": sum(id(value) not in known for value in _held(optimizer)),
            }
            for number, optimizer in enumerate(self._optimizers, 1)
        ]


def _held(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [value for group in optimizer.param_groups for value in group["params"]]


def _settings(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Numbers among the settings, pairs such as Adam's betas entry by entry."""
    found: dict[str, float] = {}
    for name, value in list(optimizer.param_groups[0].items())[:32]:
        pair = list(value) if name != "params" and isinstance(value, tuple | list) else [value]
        for index, entry in enumerate(pair[:4]):
            if (plain := records.number(entry)) is not None:
                found[records.text(name) if len(pair) == 1 else f"{records.text(name)}[{index}]"] = plain
    return found


def _copies(tensors: Tensors) -> Tensors:
    return {key: value.detach().clone() for key, value in tensors.items()}


def _gradients(tensors: Tensors) -> Tensors:
    return {key: value.grad.detach().clone() for key, value in tensors.items() if value.grad is not None}


def _sum(first: Tensors | None, second: Tensors | None) -> Tensors | None:
    """Entry by entry, a missing one counting as 0; None once one of them is not known."""
    if first is None or second is None:
        return None
    return {key: _plus(first.get(key), second.get(key)) for key in {**first, **second}}


def _plus(first: torch.Tensor | None, second: torch.Tensor | None) -> torch.Tensor:
    if first is None or second is None:
        return first if second is None else second  # type: ignore[return-value]
    return first + second


def _comparison(
    held: Tensors,
    before: Tensors,
    gradients: Tensors,
    recent: Tensors | None,
    total: Tensors | None,
    rate: float | None,
) -> dict[str, Any]:
    """How a step went: numbers of parameters moved, sizes, and how its gradient and change agree with what is due."""
    change = {key: value.detach() - before[key] for key, value in held.items() if key in before}
    used = {key: gradients[key] for key in change if key in gradients}
    minus = {key: -value for key, value in used.items()}
    found: dict[str, Any] = {
        "compared": bool(change),
        "moved": sum(bool(value.any()) for value in change.values()),
        "change": _norm(change),
        "gradient": _norm(used),
        "descent": _cosine(change, minus),
        "plain_error": _error(change, {key: rate * value for key, value in minus.items()}) if rate else None,
    }
    for name, due in (("recent", recent), ("total", total)):
        kept = None if due is None else {key: value for key, value in due.items() if key in change}
        found[f"{name}_error"] = _error(used, kept) if kept else None
        found[f"{name}_cosine"] = _cosine(used, kept) if kept else None
        if name == "recent":
            found["descent_recent"] = _cosine(change, {k: -v for k, v in kept.items()}) if kept else None
    return found


def _norm(tensors: Tensors) -> float | None:
    return records.number(math.sqrt(sum(float(value.double().square().sum()) for value in tensors.values())))


def _error(came: Tensors, due: Tensors) -> float | None:
    """‖came - due‖ / ‖due‖, a missing tensor counting as 0."""
    size = _norm(due)
    keys = {**came, **due}
    distance = _norm({key: _plus(came.get(key), -due[key] if key in due else None) for key in keys})
    return None if not size or distance is None else records.number(distance / size)


def _cosine(first: Tensors, second: Tensors) -> float | None:
    sizes = (_norm(first) or 0.0) * (_norm(second) or 0.0)
    product = sum(float((first[key].double() * second[key].double()).sum()) for key in first if key in second)
    return records.number(product / sizes) if sizes else None
