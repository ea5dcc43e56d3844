# Problem 3. The network gives probabilities; the cross entropy is written out below.
import torch
import torch.nn as nn
import torch.optim as optim


class Net(nn.Module):
    def __init__(self, hidden=100):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(28 * 28, hidden), nn.LeakyReLU(),
            nn.Linear(hidden, hidden), nn.LeakyReLU(),
            nn.Linear(hidden, 10))
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        return self.softmax(self.body(x.view(-1, 28 * 28)))


class BatchNormNet(nn.Module):
    def __init__(self, hidden=100):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(28 * 28, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(),
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(),
            nn.Linear(hidden, 10))
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        return self.softmax(self.body(x.view(-1, 28 * 28)))


def cross_entropy(probabilities, labels):
    p = probabilities[torch.arange(len(labels)), labels]
    return -torch.log(p.clamp_min(1e-12)).mean()


defaults = {"sgd": {"lr": 0.2},
            "momentum": {"lr": 0.05, "momentum": 0.9},
            "adagrad": {"lr": 0.01},
            "adam": {"lr": 0.002}}


def make_optimizer(name, parameters, **hyperparameters):
    if name not in defaults:
        raise ValueError("There is no optimizer called " + name)
    settings = dict(defaults[name])
    settings.update(hyperparameters)
    if name in ("sgd", "momentum"):
        return optim.SGD(parameters, **settings)
    return (optim.Adagrad if name == "adagrad" else optim.Adam)(parameters, **settings)


def train(model, optimizer, train_loader, validation_loader, epochs):
    cost_per_epoch = []
    accuracy_per_epoch = []
    for epoch in range(1, epochs + 1):
        model.train()
        sum_of_costs = 0.
        batches = 0
        for batch in train_loader:
            images, labels = batch
            cost = cross_entropy(model(images), labels)
            cost.backward()
            optimizer.step()
            sum_of_costs = sum_of_costs + cost.item()
            batches = batches + 1
        cost_per_epoch.append(sum_of_costs / batches)
        accuracy_per_epoch.append(accuracy(model, validation_loader))
    return cost_per_epoch, accuracy_per_epoch


def accuracy(model, loader):
    model.eval()
    right = 0
    for images, labels in loader:
        with torch.no_grad():
            p = model(images)
        for i in range(len(labels)):
            if p[i].argmax() == labels[i]:
                right += 1
    return right / len(loader.dataset)
