"""Homework 5, problem 5.2: a convolutional network for MNIST."""

import argparse

import torch
from mnist_data import make_loaders
from torch import nn

CLASSES = 10


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.pool2 = nn.MaxPool2d(2)
        self.relu = nn.ReLU()
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, CLASSES)

    def forward(self, x):
        x = self.pool1(self.relu(self.conv1(x)))
        x = self.pool2(self.relu(self.conv2(x)))
        x = x.flatten(1)
        x = self.relu(self.fc1(x))
        return self.fc2(x)


def train(model, optimizer, train_loader, epochs):
    """Train the network with the cross-entropy cost; print the training accuracy after each epoch."""
    loss_fn = nn.CrossEntropyLoss()
    costs = []
    for epoch in range(epochs):
        model.train()
        running = 0.0
        for pictures, labels in train_loader:
            optimizer.zero_grad()
            loss = loss_fn(model(pictures), labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
        costs.append(running / len(train_loader))
        print(f"epoch {epoch + 1}: cost {costs[-1]:.4f}, training accuracy {accuracy(model, train_loader):.2%}")
    return costs


def accuracy(model, loader):
    """Return the share of the loader's pictures that the model classifies rightly, a float between 0 and 1."""
    model.eval()
    correct, total = 0, 0
    with torch.no_grad():
        for pictures, labels in loader:
            predicted = model(pictures).argmax(dim=1)
            correct += (predicted == labels).sum().item()
            total += labels.size(0)
    return correct / total


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
