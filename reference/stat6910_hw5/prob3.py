"""Homework 5, problem 3: four ways to train a fully connected network on MNIST, and batch normalization.

Running it trains the network with each of the four optimizers (3.1) and once with batch normalization (3.2), prints the
test accuracies, and draws the training cost and the validation accuracy into cost.png and accuracy.png.

Usage: python prob3.py [--epochs 10] [--batch-size 32] [--lr-batch-norm 0.3] [--data-dir data] [--seed 1]
"""

import argparse

import torch
from curves import save_curves
from mnist_data import load_pictures
from torch import nn
from torch.utils.data import DataLoader, random_split

PIXELS = 28 * 28
CLASSES = 10


class Net(nn.Module):
    """A fully connected network with two hidden layers, as in homework 4.

    Its input is float (N, 1, 28, 28) or (N, 784). Its output is float (N, 10), one score per class: the cross-entropy
    of PyTorch contains the softmax, so the network has none.
    """

    def __init__(self, hidden=100):
        super().__init__()
        # BEGIN SOLUTION 3.1
        # | Make three linear layers: from PIXELS to `hidden` nodes, from there to `hidden` nodes, and to CLASSES.
        self.hidden1 = nn.Linear(PIXELS, hidden)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, CLASSES)
        # END SOLUTION

    def forward(self, x):
        """Return the scores, float (N, 10)."""
        # BEGIN SOLUTION 3.1
        # | Flatten each picture, and apply the three layers with your activation function behind the hidden ones.
        x = torch.relu(self.hidden1(x.flatten(1)))
        x = torch.relu(self.hidden2(x))
        return self.output(x)
        # END SOLUTION


class BatchNormNet(nn.Module):
    """The same network with batch normalization on each of its two hidden layers (3.2)."""

    def __init__(self, hidden=100):
        super().__init__()
        # BEGIN SOLUTION 3.2
        # | Make the layers of `Net` again, and a batch normalization for each of the two hidden layers.
        self.hidden1 = nn.Linear(PIXELS, hidden)
        self.normal1 = nn.BatchNorm1d(hidden)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.normal2 = nn.BatchNorm1d(hidden)
        self.output = nn.Linear(hidden, CLASSES)
        # END SOLUTION

    def forward(self, x):
        """Return the scores, float (N, 10)."""
        # BEGIN SOLUTION 3.2
        # | As in `Net`, with each hidden layer normalized. The scores themselves are not.
        x = torch.relu(self.normal1(self.hidden1(x.flatten(1))))
        x = torch.relu(self.normal2(self.hidden2(x)))
        return self.output(x)
        # END SOLUTION


def make_optimizer(name, parameters, **hyperparameters):
    """Make one of the four optimizers of 3.1.

    name: "sgd", "momentum", "adagrad" or "adam".
    parameters: the parameters to train, such as model.parameters().
    hyperparameters: named as in torch.optim: lr for all; momentum (the mu of problem 2) for "momentum"; lr_decay and
        eps for "adagrad"; betas and eps for "adam". Where one is missing, your tuned value is used.
    Returns the torch.optim optimizer, or one of your own with the same two methods, zero_grad() and step().
    Raises a ValueError for any other name.
    """
    # BEGIN SOLUTION 3.1
    # | Choose the class by the name, and let `hyperparameters` overrule the values that you have tuned.
    # | Momentum is v' = mu v - eta dC/dw and then w' = w + v': see how torch.optim.SGD is told to do that, and that
    # | nothing else that it offers (dampening, Nesterov) is in this rule.
    tuned = {
        "sgd": (torch.optim.SGD, {"lr": 0.1}),
        # PyTorch keeps v / -eta instead of v: for a constant eta, the steps are those of the handout.
        "momentum": (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9}),
        "adagrad": (torch.optim.Adagrad, {"lr": 0.01}),
        "adam": (torch.optim.Adam, {"lr": 0.002}),
    }
    if name not in tuned:
        raise ValueError(f"there is no optimizer {name!r}; choose from {', '.join(tuned)}")
    optimizer, values = tuned[name]
    return optimizer(parameters, **{**values, **hyperparameters})
    # END SOLUTION


def train(model, optimizer, train_loader, validation_loader, epochs):
    """Train a network with the cross-entropy cost.

    train_loader, validation_loader: give batches (pictures float (N, 1, 28, 28), labels int64 (N,)).
    Returns two lists with one float per epoch: the mean training cost, and the validation accuracy between 0 and 1.
    """
    # BEGIN SOLUTION 3.1
    # | For each epoch: in training mode, take one step of the optimizer for each batch, with the old gradients
    # | cleared first; then measure the accuracy on the validation pictures.
    criterion = nn.CrossEntropyLoss()
    costs, accuracies = [], []
    for _epoch in range(epochs):
        model.train()
        total = 0.0
        for pictures, labels in train_loader:
            optimizer.zero_grad()
            cost = criterion(model(pictures), labels)
            cost.backward()
            optimizer.step()
            total += cost.item()
        costs.append(total / len(train_loader))
        accuracies.append(accuracy(model, validation_loader))
    return costs, accuracies
    # END SOLUTION


def accuracy(model, loader):
    """Return the share of the loader's pictures that the model classifies rightly, a float between 0 and 1."""
    # BEGIN SOLUTION 3.1, 3.2
    # | In evaluation mode (batch normalization depends on it) and without gradients, count how often the class with
    # | the largest score is the label. Batches may differ in size.
    model.eval()
    right, count = 0, 0
    with torch.no_grad():
        for pictures, labels in loader:
            right += (model(pictures).argmax(dim=1) == labels).sum().item()
            count += len(labels)
    return right / count
    # END SOLUTION


def make_three_loaders(data_dir, batch_size):
    """Return the loaders of the training, validation and test pictures: a sixth of the training file validates."""
    pictures = load_pictures(data_dir, train=True)
    training, validation = random_split(pictures, [5 / 6, 1 / 6], torch.Generator().manual_seed(0))
    testing = load_pictures(data_dir, train=False)
    return (
        # Without a smaller batch at the end: its few pictures would turn the network as far as all of a full one.
        DataLoader(training, batch_size=batch_size, shuffle=True, drop_last=True),
        DataLoader(validation, batch_size=1000),
        DataLoader(testing, batch_size=1000),
    )


def parse_arguments(arguments=None):
    """Read the settings from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr-batch-norm", type=float, default=0.3, help="the rate that you have retuned for 3.2")
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments=None):
    """Train with each optimizer and with batch normalization, compare, and draw."""
    args = parse_arguments(arguments)
    train_loader, validation_loader, test_loader = make_three_loaders(args.data_dir, args.batch_size)
    costs, accuracies = {}, {}
    runs = [(name, Net, name, {}) for name in ("sgd", "momentum", "adagrad", "adam")]
    runs.append(("sgd with batch normalization", BatchNormNet, "sgd", {"lr": args.lr_batch_norm}))
    for title, network, name, hyperparameters in runs:
        torch.manual_seed(args.seed)
        model = network()
        optimizer = make_optimizer(name, model.parameters(), **hyperparameters)
        costs[title], accuracies[title] = train(model, optimizer, train_loader, validation_loader, args.epochs)
        print(
            f"{title}: training cost {costs[title][-1]:.4f}, validation accuracy {accuracies[title][-1]:.2%}, "
            f"test accuracy {accuracy(model, test_loader):.2%}"
        )
    save_curves(costs, "training cost", "cost.png")
    save_curves(accuracies, "validation accuracy", "accuracy.png")


if __name__ == "__main__":
    main()
