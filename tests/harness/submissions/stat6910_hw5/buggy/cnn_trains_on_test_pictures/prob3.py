from __future__ import annotations

import math
from typing import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader


class Net(nn.Module):
    def __init__(self, hidden: int = 100, batch_norm: bool = False) -> None:
        super().__init__()
        sizes = [784, hidden, hidden]
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) if batch_norm else nn.Identity() for b in sizes[1:])
        self.head = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(x, start_dim=1)
        for linear, norm in zip(self.linears, self.norms):
            x = norm(linear(x)).clamp(min=0)
        return self.head(x)


class BatchNormNet(Net):
    def __init__(self, hidden: int = 100) -> None:
        super().__init__(hidden, batch_norm=True)


class Momentum(Optimizer):
    """The rule of the lecture: v <- mu v - eta g, w <- w + v."""

    def __init__(self, params: Iterable[Tensor], lr: float = 0.05, momentum: float = 0.9) -> None:
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                v = self.state[w].setdefault("v", torch.zeros_like(w))
                v.mul_(group["momentum"]).sub_(w.grad, alpha=group["lr"])
                w.add_(v)


class AdaGrad(Optimizer):
    def __init__(self, params: Iterable[Tensor], lr: float = 0.01, lr_decay: float = 0.0, eps: float = 1e-10) -> None:
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                state = self.state[w]
                if not state:
                    state["n"], state["sum"] = 0, torch.zeros_like(w)
                lr = group["lr"] / (1 + state["n"] * group["lr_decay"])
                state["n"] += 1
                state["sum"].addcmul_(w.grad, w.grad)
                w.addcdiv_(w.grad, state["sum"].sqrt().add_(group["eps"]), value=-lr)


class Adam(Optimizer):
    def __init__(self, params: Iterable[Tensor], lr: float = 0.001, betas=(0.9, 0.999), eps: float = 1e-8) -> None:
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for w in group["params"]:
                if w.grad is None:
                    continue
                state = self.state[w]
                if not state:
                    state.update(t=0, m=torch.zeros_like(w), v=torch.zeros_like(w))
                state["t"] += 1
                state["m"].lerp_(w.grad, 1 - b1)
                state["v"].mul_(b2).addcmul_(w.grad, w.grad, value=1 - b2)
                root = (state["v"].sqrt() / math.sqrt(1 - b2 ** state["t"])).add_(group["eps"])
                w.addcdiv_(state["m"], root, value=-group["lr"] / (1 - b1 ** state["t"]))


def make_optimizer(name: str, parameters, **hyperparameters: float) -> Optimizer:
    match name:
        case "sgd":
            return torch.optim.SGD(parameters, **({"lr": 0.1} | hyperparameters))
        case "momentum":
            return Momentum(parameters, **hyperparameters)
        case "adagrad":
            return AdaGrad(parameters, **hyperparameters)
        case "adam":
            return Adam(parameters, **hyperparameters)
    raise ValueError(f"unknown optimizer {name!r}")


def train(model: nn.Module, optimizer, train_loader: DataLoader, validation_loader: DataLoader, epochs: int):
    costs: list[float] = []
    accuracies: list[float] = []
    for _ in range(epochs):
        model.train()
        batch_costs = []
        for images, labels in train_loader:
            cost = nn.functional.cross_entropy(model(images), labels)
            cost.backward()
            optimizer.step()
            optimizer.zero_grad()  # ready for the next batch
            batch_costs.append(cost.detach())
        costs.append(torch.stack(batch_costs).mean().item())
        accuracies.append(accuracy(model, validation_loader))
    return costs, accuracies


def accuracy(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    with torch.inference_mode():
        pairs = [(model(images).argmax(dim=1), labels) for images, labels in loader]
    predicted, wanted = (torch.cat(column) for column in zip(*pairs))
    return (predicted == wanted).double().mean().item()
