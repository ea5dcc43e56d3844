"""Homework 5, problem 5.2: a convolutional network for MNIST.

Usage: python prob5.py [--epochs 4] [--batch-size 32] [--lr 0.001] [--data-dir data] [--seed 1]
"""

import argparse

import torch
from mnist_data import make_loaders
from torch import nn

CLASSES = 10


class CNN(nn.Module):
    """A network with at least two convolutional layers, each followed by a max-pooling layer.

    Its input is float (N, 1, 28, 28). Its output is float (N, 10), one score per class: the cross-entropy of PyTorch
    contains the softmax, so the network has none.
    """

    def __init__(self):
        super().__init__()
        # BEGIN SOLUTION 5.2
        # | Design the network: two convolutions or more with a max-pooling behind each, then one or more linear layers.
        # | Write down the shape behind every layer: what does the first linear layer get?
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.linear = nn.Sequential(
            nn.Linear(32 * 7 * 7, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, CLASSES)
        )
        # END SOLUTION

    def forward(self, x):
        """Return the scores, float (N, 10)."""
        # BEGIN SOLUTION 5.2
        # | Apply your layers, and return scores, not probabilities.
        return self.linear(self.convolutions(x).flatten(1))
        # END SOLUTION


def train(model, optimizer, train_loader, epochs):
    """Train the network with the cross-entropy cost; print the training accuracy after each epoch.

    train_loader: gives batches (pictures float (N, 1, 28, 28), labels int64 (N,)).
    Returns the mean training cost of each epoch, a list of floats.
    """
    # BEGIN SOLUTION 5.2
    # | In training mode, for each batch: clear the old gradients, compute the cost, propagate back, take one step.
    criterion = nn.CrossEntropyLoss()
    costs = []
    for epoch in range(1, epochs + 1):
        model.train()
        total, right, count = 0.0, 0, 0
        for pictures, labels in train_loader:
            optimizer.zero_grad()
            scores = model(pictures)
            cost = criterion(scores, labels)
            cost.backward()
            optimizer.step()
            total += cost.item()
            right += (scores.argmax(dim=1) == labels).sum().item()
            count += len(labels)
        costs.append(total / len(train_loader))
        print(f"epoch {epoch}: training cost {costs[-1]:.4f}, training accuracy {right / count:.2%}")
    return costs
    # END SOLUTION


def accuracy(model, loader):
    """Return the share of the loader's pictures that the model classifies rightly, a float between 0 and 1."""
    # BEGIN SOLUTION 5.2
    # | In evaluation mode and without gradients, count how often the class with the largest score is the label.
    model.eval()
    right, count = 0, 0
    with torch.no_grad():
        for pictures, labels in loader:
            right += (model(pictures).argmax(dim=1) == labels).sum().item()
            count += len(labels)
    return right / count
    # END SOLUTION


def parse_arguments(arguments=None):
    """Read the settings from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments=None):
    """Train the network and print its accuracy on the test pictures."""
    args = parse_arguments(arguments)
    torch.manual_seed(args.seed)
    train_loader, test_loader = make_loaders(args.data_dir, args.batch_size)
    model = CNN()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    train(model, optimizer, train_loader, args.epochs)
    print(f"test accuracy {accuracy(model, test_loader):.2%}")


if __name__ == "__main__":
    main()
