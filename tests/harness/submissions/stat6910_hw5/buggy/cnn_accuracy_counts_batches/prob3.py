"""Homework 5, problem 3: four ways to train a fully connected network on MNIST, and batch normalization."""

import argparse

import torch
from curves import save_curves
from mnist_data import load_pictures
from torch import nn
from torch.utils.data import DataLoader, random_split

PIXELS = 28 * 28
CLASSES = 10


class Net(nn.Module):
    """Two hidden layers of 100 nodes, sigmoid as in homework 4."""

    def __init__(self, hidden=100):
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, CLASSES)

    def forward(self, x):
        x = x.view(x.shape[0], -1)
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


class BatchNormNet(nn.Module):
    """The same network with batch normalization on each of its two hidden layers (3.2)."""

    def __init__(self, hidden=100):
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, hidden)
        self.bn1 = nn.BatchNorm1d(hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.bn2 = nn.BatchNorm1d(hidden)
        self.fc3 = nn.Linear(hidden, CLASSES)

    def forward(self, x):
        x = x.view(x.shape[0], -1)
        x = torch.relu(self.bn1(self.fc1(x)))
        x = torch.relu(self.bn2(self.fc2(x)))
        return self.fc3(x)


def make_optimizer(name, parameters, **hyperparameters):
    """Make one of the four optimizers of 3.1."""
    if name == "sgd":
        lr = hyperparameters.get("lr", 0.8)
        return torch.optim.SGD(parameters, lr=lr)
    elif name == "momentum":
        lr = hyperparameters.get("lr", 0.05)
        momentum = hyperparameters.get("momentum", 0.9)
        return torch.optim.SGD(parameters, lr=lr, momentum=momentum)
    elif name == "adagrad":
        lr = hyperparameters.get("lr", 0.003)
        lr_decay = hyperparameters.get("lr_decay", 1e-8)
        eps = hyperparameters.get("eps", 1e-10)
        return torch.optim.Adagrad(parameters, lr=lr, lr_decay=lr_decay, eps=eps)
    elif name == "adam":
        lr = hyperparameters.get("lr", 0.003)
        betas = hyperparameters.get("betas", (0.9, 0.999))
        eps = hyperparameters.get("eps", 1e-8)
        return torch.optim.Adam(parameters, lr=lr, betas=betas, eps=eps)
    else:
        raise ValueError("unknown optimizer: " + str(name))


def train(model, optimizer, train_loader, validation_loader, epochs):
    """Train a network with the cross-entropy cost."""
    loss_fn = nn.CrossEntropyLoss()
    costs = []
    accuracies = []
    for epoch in range(epochs):
        model.train()
        running = 0.0
        for pictures, labels in train_loader:
            optimizer.zero_grad()
            output = model(pictures)
            loss = loss_fn(output, labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
        costs.append(running / len(train_loader))
        accuracies.append(accuracy(model, validation_loader))
        print("epoch", epoch + 1, "cost", costs[-1], "validation accuracy", accuracies[-1])
    return costs, accuracies


def accuracy(model, loader):
    """Return the share of the loader's pictures that the model classifies rightly, a float between 0 and 1."""
    model.eval()
    correct = 0
    total = 0
    with torch.no_grad():
        for pictures, labels in loader:
            _, predicted = torch.max(model(pictures), 1)
            correct += (predicted == labels).sum().item()
            total += labels.size(0)
    return correct / total


def make_three_loaders(data_dir, batch_size):
    """Return the loaders of the training, validation and test pictures: a sixth of the training file validates."""
    pictures = load_pictures(data_dir, train=True)
    training, validation = random_split(pictures, [5 / 6, 1 / 6], torch.Generator().manual_seed(0))
    testing = load_pictures(data_dir, train=False)
    return (
        DataLoader(training, batch_size=batch_size, shuffle=True),
        DataLoader(validation, batch_size=1000),
        DataLoader(testing, batch_size=1000),
    )


def parse_arguments(arguments=None):
    """Read the settings from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments=None):
    """Train with each optimizer and with batch normalization, compare, and draw."""
    args = parse_arguments(arguments)
    train_loader, validation_loader, test_loader = make_three_loaders(args.data_dir, args.batch_size)
    costs, accuracies = {}, {}
    runs = {name: (name, Net) for name in ("sgd", "momentum", "adagrad", "adam")}
    runs["sgd with batch normalization"] = ("sgd", BatchNormNet)
    for title, (name, network) in runs.items():
        torch.manual_seed(args.seed)
        model = network()
        optimizer = make_optimizer(name, model.parameters())
        costs[title], accuracies[title] = train(model, optimizer, train_loader, validation_loader, args.epochs)
        print(title, "test accuracy", accuracy(model, test_loader))
    save_curves(costs, "training cost", "cost.png")
    save_curves(accuracies, "validation accuracy", "accuracy.png")


if __name__ == "__main__":
    main()
