"""Exercise II, problem 4: a convolutional network for MNIST.

The network and its training are given. You add what the handout asks for in 4.2: the picture of the forty filters of
the first convolution after the last epoch, and the confusion matrix on the test split.

Usage: python prob4_CNN.py [--epochs 5] [--batch-size 64] [--lr 0.01] [--data-dir data] [--no-cuda] [--seed 1]
"""

import argparse

import torch
import torch.nn.functional as F
from mnist_data import make_loaders
from torch import nn, optim

CLASSES = 10


class CNN(nn.Module):
    """Two convolutions, each with a ReLU and a max-pooling, and two linear layers.

    Its input is float (N, 1, 28, 28), its output float (N, 10): the logarithms of the ten classes' probabilities.
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 40, kernel_size=5)
        self.conv2 = nn.Conv2d(40, 80, kernel_size=5)
        self.fc1 = nn.Linear(4 * 4 * 80, 500)
        self.fc2 = nn.Linear(500, CLASSES)

    def forward(self, x):
        """Return the logarithms of the probabilities (N, 10); the shapes on the right are for one picture."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (40, 24, 24), pooled to (40, 12, 12)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (80, 8, 8), pooled to (80, 4, 4)
        x = F.relu(self.fc1(x.flatten(1)))
        return F.log_softmax(self.fc2(x), dim=1)


def train(args, model, device, train_loader, optimizer, epoch):
    """Train for one epoch: one step of the optimizer for each batch."""
    model.train()
    for batch, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if batch % args.log_interval == 0:
            print(f"epoch {epoch}, batch {batch + 1} of {len(train_loader)}: training loss {loss.item():.4f}")


def test(args, model, device, test_loader, epoch):
    """Print the mean loss and the accuracy on the test split; after the last epoch, also report as 4.2 asks.

    args.epochs is the number of epochs, and `epoch` counts from 1.
    """
    model.eval()
    loss, predictions, labels = 0.0, [], []
    with torch.no_grad():
        for data, target in test_loader:
            output = model(data.to(device)).cpu()
            loss += F.nll_loss(output, target, reduction="sum").item()
            predictions.append(output.argmax(dim=1))
            labels.append(target)
    predictions, labels = torch.cat(predictions), torch.cat(labels)
    right = (predictions == labels).sum().item()
    print(f"epoch {epoch}: test loss {loss / len(labels):.4f}, {right} of {len(labels)} right")
    if epoch == args.epochs:
        save_filters(model, "filters.png")
        print(confusion(labels, predictions))


def save_filters(model, path):
    """Draw the forty filters of the first convolution into one image file (4.2 a).

    model: the trained CNN; its filters are model.conv1.weight, float (40, 1, 5, 5).
    path: str, the image file to write.
    """
    from torchvision.utils import save_image

    filters = model.conv1.weight.detach().cpu()
    low, high = filters.min(), filters.max()
    save_image((filters - low) / (high - low), path, nrow=10)


def confusion(labels, predictions):
    """Count which class was taken for which (4.2 b).

    labels: int64 (N,), the true classes of all test pictures; predictions: int64 (N,), the network's.
    Returns integers (10, 10): in row i and column j, how many pictures of class i were taken for class j.
    """
    matrix = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    for truth, guess in zip(labels, predictions):
        matrix[truth, guess] += 1
    return matrix


def parse_arguments(arguments=None):
    """Read the settings from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--log-interval", type=int, default=100, help="batches between two lines of output")
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--no-cuda", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments=None):
    """Train the network and test it after every epoch."""
    args = parse_arguments(arguments)
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() and not args.no_cuda else "cpu")
    train_loader, test_loader = make_loaders(args.data_dir, args.batch_size)
    model = CNN().to(device)
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(args, model, device, test_loader, epoch)


if __name__ == "__main__":
    main()
