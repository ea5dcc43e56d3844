"""Homework 4, section 2.2: a convolutional network for Fashion-MNIST."""

import argparse

import torch
from curves import save_curves
from mnist_data import make_loaders
from torch import nn

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


class ConvNet(nn.Module):
    """The network of Table 2 (2.2.2)."""

    def __init__(self, pooling=(2, 2, 0), dropout=0.3, batch_norm=True):
        super().__init__()
        self.batch_norm = batch_norm
        self.conv1 = nn.Conv2d(1, 32, 5, 1, 2)
        self.conv2 = nn.Conv2d(32, 32, 3, 1, 1)
        self.conv3 = nn.Conv2d(32, 64, 5, 1, 2)
        if batch_norm:
            self.bn1 = nn.BatchNorm2d(32)
            self.bn2 = nn.BatchNorm2d(32)
            self.bn3 = nn.BatchNorm2d(64)
            self.bn4 = nn.BatchNorm1d(64)
        kernel, stride, padding = pooling
        self.pool = nn.MaxPool2d(kernel, stride, padding)
        self.dropout = nn.Dropout(dropout)
        size = 28
        for _ in range(3):
            size = pooled_size(size, pooling)
        self.fc1 = nn.Linear(64 * size * size, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        """Return the logarithms of the ten classes' probabilities, float (N, 10)."""
        x = self.conv1(x)
        if self.batch_norm:
            x = self.bn1(x)
        x = self.pool(torch.relu(x))
        x = self.conv2(x)
        if self.batch_norm:
            x = self.bn2(x)
        x = self.pool(torch.relu(x))
        x = self.conv3(x)
        if self.batch_norm:
            x = self.bn3(x)
        x = self.pool(torch.relu(x))
        x = self.dropout(x)
        x = self.fc1(x.view(x.size(0), -1))
        if self.batch_norm:
            x = self.bn4(x)
        x = torch.relu(x)
        return torch.log_softmax(self.fc2(x), dim=1)


def pooled_size(size, pooling):
    """Return the height (or width) of a picture behind a max-pooling."""
    kernel, stride, padding = pooling
    return (size + 2 * padding - kernel) // stride + 1


def train(model, device, train_loader, test_loader, optimizer, epochs):
    """Train the network and follow it over the epochs (2.2.1)."""
    loss_fn = nn.NLLLoss()
    losses = []
    accuracies = []
    for epoch in range(epochs):
        model.train()
        running = 0.0
        for pictures, labels in train_loader:
            pictures, labels = pictures.to(device), labels.to(device)
            optimizer.zero_grad()
            output = model(pictures)
            loss = loss_fn(output, labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
        losses.append(running / len(train_loader))
        accuracies.append(overall_accuracy(model, device, test_loader))
        print("epoch", epoch + 1, "loss", losses[-1], "accuracy", accuracies[-1])
    return losses, accuracies


def overall_accuracy(model, device, loader):
    """Return the share of all pictures that the model classifies rightly, a float between 0 and 1 (2.2.3)."""
    model.eval()
    correct = 0
    total = 0
    with torch.no_grad():
        for pictures, labels in loader:
            pictures, labels = pictures.to(device), labels.to(device)
            predicted = model(pictures).argmax(dim=1)
            correct += (predicted == labels).sum().item()
            total += labels.size(0)
    return correct / total


def class_accuracies(model, device, loader):
    """Return the accuracy on each class, a list of ten floats between 0 and 1 (2.2.3)."""
    model.eval()
    correct = [0] * 10
    total = [0] * 10
    with torch.no_grad():
        for pictures, labels in loader:
            pictures, labels = pictures.to(device), labels.to(device)
            predicted = model(pictures).argmax(dim=1)
            for label, guess in zip(labels.tolist(), predicted.tolist()):
                total[label] += 1
                if label == guess:
                    correct[label] += 1
    return [c / t if t else float("nan") for c, t in zip(correct, total)]


def parse_arguments(arguments=None):
    """Read the settings from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pooling", type=int, nargs=3, default=(2, 2, 0), metavar=("KERNEL", "STRIDE", "PADDING"))
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--no-batch-norm", action="store_true")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--no-cuda", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments=None):
    """Train the network, draw its curves, and print its accuracies."""
    args = parse_arguments(arguments)
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() and not args.no_cuda else "cpu")
    train_loader, test_loader = make_loaders(args.data_dir, args.batch_size, "fashion_mnist")
    model = ConvNet(args.pooling, args.dropout, not args.no_batch_norm).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    losses, accuracies = train(model, device, train_loader, test_loader, optimizer, args.epochs)
    save_curves({"training": losses}, "loss", "loss.png")
    save_curves({"test": accuracies}, "accuracy", "accuracy.png")
    print(f"Overall accuracy: {overall_accuracy(model, device, test_loader):.2%}")
    for name, accuracy in zip(CLASS_NAMES, class_accuracies(model, device, test_loader)):
        print(f"{name}: {accuracy:.2%}")


if __name__ == "__main__":
    main()
