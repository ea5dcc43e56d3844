"""Exercise II, problem 5.4: an autoencoder that embeds MNIST into two dimensions.

Running it trains the network, saves it as mnist_ae.pt, and draws reconstructions and the embedding into
ae_reconstructions.png and ae_embedding.png.

Usage: python prob5_AE.py [--epochs 10] [--batch-size 32] [--lr 0.001] [--data-dir data] [--no-cuda] [--seed 1]
"""

import argparse

import torch
from mnist_data import load_pictures, make_loaders
from mnist_plots import save_embedding, save_rows
from torch import nn, optim

PIXELS = 28 * 28
CODE = 2


class Autoencoder(nn.Module):
    """Four linear layers down to a two-dimensional code, and four back up to a picture.

    There is a ReLU between the linear layers, but none right before the code and none right after it.
    """

    def __init__(self):
        super().__init__()
        # TODO P5 (5.4):
        # Make the layers of the encoder, from PIXELS numbers to CODE numbers, and those of the decoder, which
        # undoes this; the handout says how many layers, and you choose the widths between.
        # What should the last layer of the encoder look like, so that a code may lie anywhere in the plane? And
        # that of the decoder, so that pixels between 0 and 1 can come out?
        raise NotImplementedError("Autoencoder.__init__ (P5 (5.4)) is not written yet")

    def encode(self, x):
        """Compress pictures, float (N, 1, 28, 28), to their codes, float (N, 2)."""
        # TODO P5 (5.4):
        # Flatten each picture to a row of PIXELS numbers, and return the encoder's output for it.
        raise NotImplementedError("Autoencoder.encode (P5 (5.4)) is not written yet")

    def decode(self, code):
        """Make pictures, float (N, 1, 28, 28), from codes, float (N, 2)."""
        # TODO P5 (5.4):
        # Return the decoder's output, with each row brought back into the shape of a picture.
        raise NotImplementedError("Autoencoder.decode (P5 (5.4)) is not written yet")

    def forward(self, x):
        """Return the reconstructions, of the same shape as the pictures x, float (N, 1, 28, 28)."""
        # TODO P5 (5.4):
        # Compress x to its codes, and make pictures from nothing but these.
        raise NotImplementedError("Autoencoder.forward (P5 (5.4)) is not written yet")


def train(model, device, train_loader, optimizer):
    """Train for one epoch.

    train_loader: gives batches (pictures (N, 1, 28, 28), labels (N,)); an autoencoder needs no labels.
    Returns the mean training loss over the batches, a float.
    """
    # TODO P5 (5.4):
    # Put the model in training mode. For each batch: clear the old gradients, reconstruct the pictures, compare
    # with the pictures by the mean squared error, propagate back, and take one step of the optimizer.
    # Return the mean of the batches' losses as a number, not as a tensor that keeps its graph.
    raise NotImplementedError("train (P5 (5.4)) is not written yet")


def reconstruction_error(model, device, test_loader):
    """Return the mean squared error of the reconstructions over all pixels of the test pictures, a float."""
    # TODO P5 (5.4):
    # Put the model in evaluation mode and record no gradients. Batches may differ in size: sum the squared
    # errors of all pixels, and divide by the number of pixels at the end.
    raise NotImplementedError("reconstruction_error (P5 (5.4)) is not written yet")


def evaluate(model, pictures):
    """Return the reconstructions, float (N, 1, 28, 28), and the codes, float (N, 2), of pictures (N, 1, 28, 28)."""
    # TODO P5 (5.4):
    # Compute both in evaluation mode and without gradients.
    raise NotImplementedError("evaluate (P5 (5.4)) is not written yet")


def draw(model, device, data_dir):
    """Draw ten test pictures above their reconstructions, and the codes of up to 2,000 test pictures, into files."""
    pictures, labels = load_pictures(data_dir, train=False)[:2000]
    reconstructions, codes = evaluate(model, pictures.to(device))
    save_rows([pictures[:10], reconstructions[:10]], ["original", "autoencoder"], "ae_reconstructions.png")
    save_embedding(codes, labels, "ae_embedding.png", "Two-dimensional codes of the autoencoder")


def parse_arguments(arguments=None):
    """Read the settings from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="at least 10, says the handout")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--no-cuda", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments=None):
    """Train the autoencoder, save it, and draw what it does."""
    args = parse_arguments(arguments)
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() and not args.no_cuda else "cpu")
    train_loader, test_loader = make_loaders(args.data_dir, args.batch_size)
    model = Autoencoder().to(device)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        loss = train(model, device, train_loader, optimizer)
        error = reconstruction_error(model, device, test_loader)
        print(f"epoch {epoch}: training loss {loss:.4f}, test error {error:.4f}")
    torch.save(model.state_dict(), "mnist_ae.pt")
    draw(model, device, args.data_dir)


if __name__ == "__main__":
    main()
