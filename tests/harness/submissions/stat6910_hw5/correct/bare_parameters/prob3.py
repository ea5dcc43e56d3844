"""Problem 3 with bare parameters: no nn.Linear, the products are written out."""
import torch
import torch.nn.functional as F
from torch import nn


def weights(n_in, n_out):
    return nn.Parameter(torch.randn(n_in, n_out) / n_in ** 0.5)


class Net(nn.Module):
    def __init__(self, hidden=100):
        super().__init__()
        self.W1, self.b1 = weights(784, hidden), nn.Parameter(torch.zeros(hidden))
        self.W2, self.b2 = weights(hidden, hidden), nn.Parameter(torch.zeros(hidden))
        self.W3, self.b3 = weights(hidden, 10), nn.Parameter(torch.zeros(10))

    def normalise(self, z, layer):
        return z

    def forward(self, x):
        a = x.reshape(len(x), 784)
        a = F.relu(self.normalise(a @ self.W1 + self.b1, 1))
        a = F.relu(self.normalise(a @ self.W2 + self.b2, 2))
        return a @ self.W3 + self.b3


class BatchNormNet(Net):
    def __init__(self, hidden=100):
        super().__init__(hidden)
        for layer in (1, 2):
            self.register_parameter(f"gamma{layer}", nn.Parameter(torch.ones(hidden)))
            self.register_parameter(f"beta{layer}", nn.Parameter(torch.zeros(hidden)))
            self.register_buffer(f"mean{layer}", torch.zeros(hidden))
            self.register_buffer(f"var{layer}", torch.ones(hidden))

    def normalise(self, z, layer):
        return F.batch_norm(z, getattr(self, f"mean{layer}"), getattr(self, f"var{layer}"),
                            getattr(self, f"gamma{layer}"), getattr(self, f"beta{layer}"), training=self.training)


class Optimizer:
    """All four in one class, told apart by name."""

    TUNED = {"sgd": {"lr": 0.1}, "momentum": {"lr": 0.05, "momentum": 0.9},
             "adagrad": {"lr": 0.01, "lr_decay": 0.0, "eps": 1e-10},
             "adam": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8}}

    def __init__(self, name, parameters, hyperparameters):
        if name not in self.TUNED:
            raise ValueError(name)
        self.name = name
        self.hp = {**self.TUNED[name], **hyperparameters}
        self.params = [p for p in parameters]
        self.memory = [[torch.zeros_like(p), torch.zeros_like(p)] for p in self.params]
        self.count = 0

    def zero_grad(self):
        for p in self.params:
            if p.grad is not None:
                p.grad.zero_()

    def step(self):
        self.count += 1
        for p, memory in zip(self.params, self.memory):
            if p.grad is None:
                continue
            p.data = p.data + getattr(self, self.name)(p.grad, memory)

    def sgd(self, g, memory):
        return -self.hp["lr"] * g

    def momentum(self, g, memory):
        memory[0] = self.hp["momentum"] * memory[0] - self.hp["lr"] * g
        return memory[0]

    def adagrad(self, g, memory):
        memory[0] = memory[0] + g * g
        lr = self.hp["lr"] / (1 + (self.count - 1) * self.hp["lr_decay"])
        return -lr * g / (memory[0] ** 0.5 + self.hp["eps"])

    def adam(self, g, memory):
        b1, b2 = self.hp["betas"]
        memory[0] = b1 * memory[0] + (1 - b1) * g
        memory[1] = b2 * memory[1] + (1 - b2) * g * g
        m = memory[0] / (1 - b1 ** self.count)
        v = memory[1] / (1 - b2 ** self.count)
        return -self.hp["lr"] * m / (v ** 0.5 + self.hp["eps"])


def make_optimizer(name, parameters, **hyperparameters):
    return Optimizer(name, parameters, hyperparameters)


def train(model, optimizer, train_loader, validation_loader, epochs):
    costs, accuracies = [], []
    while len(costs) < epochs:
        model.train()
        cost_of_batches = []
        for x, y in train_loader:
            optimizer.zero_grad()
            scores = model(x)
            cost = (torch.logsumexp(scores, 1) - scores.gather(1, y[:, None])[:, 0]).mean()
            cost.backward()
            optimizer.step()
            cost_of_batches.append(cost.item())
        costs.append(sum(cost_of_batches) / len(cost_of_batches))
        accuracies.append(accuracy(model, validation_loader))
    return costs, accuracies


def accuracy(model, loader):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for x, y in loader:
            right += int(torch.sum(torch.topk(model(x), 1).indices[:, 0] == y))
            total += x.shape[0]
    return right / total
