"""Homework 4, section 2.2: a convolutional network for Fashion-MNIST.

Running it trains Table 2's network with the hyperparameters given, draws the curves of loss and accuracy into loss.png
and accuracy.png, and prints the accuracies for tables 3 and 4.

Usage: python hw4.py [--pooling 2 2 0] [--dropout 0.3] [--no-batch-norm] [--epochs 3] [--batch-size 32] [--lr 0.001]
                     [--data-dir data] [--no-cuda] [--seed 1]
"""

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
    """The network of Table 2 (2.2.2).

    pooling: the kernel size, stride and padding of the three max-poolings, (2, 2, 0) or (4, 3, 1).
    dropout: the probability of the dropout, 0.1, 0.3 or 0.5.
    batch_norm: bool, whether a batch normalization follows each convolution and the first fully connected layer.

    Its input is float (N, 1, 28, 28). Its output is float (N, 10): the logarithms of the softmax, which is the form in
    which `nn.NLLLoss` takes the probabilities.
    """

    def __init__(self, pooling=(2, 2, 0), dropout=0.3, batch_norm=True):
        super().__init__()
        # TODO 2.2.2:
        # Make the layers of Table 2 in its order. Work out, or write code that works out, how large a picture is
        # behind each max-pooling: the first fully connected layer has to fit it for both settings of `pooling`.
        # With batch_norm=False there is no batch normalization anywhere.
        raise NotImplementedError("ConvNet.__init__ (2.2.2) is not written yet")

    def forward(self, x):
        """Return the logarithms of the ten classes' probabilities, float (N, 10)."""
        # TODO 2.2.2:
        # Apply the layers. The softmax of Table 2 comes last, here as its logarithm; whichever of the two you return,
        # the loss must know: nn.CrossEntropyLoss has a softmax of its own and would apply a second one.
        raise NotImplementedError("ConvNet.forward (2.2.2) is not written yet")


def pooled_size(size, pooling):
    """Return the height (or width) of a picture behind a max-pooling.

    size: int, the height before it; pooling: its kernel size, stride and padding.
    """
    # TODO 2.2.2:
    # The formula is the one of 2.1, question 1.
    raise NotImplementedError("pooled_size (2.2.2) is not written yet")


def train(model, device, train_loader, test_loader, optimizer, epochs):
    """Train the network and follow it over the epochs (2.2.1).

    train_loader, test_loader: give batches (pictures float (N, 1, 28, 28), labels int64 (N,)).
    Returns two lists with one float per epoch: the mean training loss, and the accuracy on the test pictures.
    """
    # TODO 2.2.1:
    # For each epoch: put the model in training mode, and for each batch clear the old gradients, compute the loss,
    # propagate back and take one step. Then note the mean loss, and the accuracy by `overall_accuracy`.
    raise NotImplementedError("train (2.2.1) is not written yet")


def overall_accuracy(model, device, loader):
    """Return the share of all pictures that the model classifies rightly, a float between 0 and 1 (2.2.3)."""
    # TODO 2.2.3:
    # In evaluation mode (dropout and batch normalization depend on it) and without gradients, compare the most
    # probable class of each picture with its label. Batches may differ in size.
    raise NotImplementedError("overall_accuracy (2.2.3) is not written yet")


def class_accuracies(model, device, loader):
    """Return the accuracy on each class, a list of ten floats between 0 and 1 (2.2.3).

    Entry c is the share of the pictures with label c that the model takes for c; nan for a class without pictures.
    """
    # TODO 2.2.3:
    # Count for each class its pictures, and those of them that are classified rightly.
    raise NotImplementedError("class_accuracies (2.2.3) is not written yet")


def predict(model, device, loader):
    """Return the labels of all pictures of a loader and the classes that the model takes them for, both int64 (N,)."""
    # TODO 2.2.3:
    # A helper for the two functions above; if you do without it, remove it.
    raise NotImplementedError("predict (2.2.3) is not written yet")


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
    for name, accuracy in zip(CLASS_NAMES, class_accuracies(model, device, test_loader), strict=True):
        print(f"{name}: {accuracy:.2%}")


if __name__ == "__main__":
    main()
