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
        self.fc1 = nn.Linear(PIXELS, 512)
        self.fc2 = nn.Linear(512, 256)
        self.fc3 = nn.Linear(256, 64)
        self.fc4 = nn.Linear(64, CODE)
        self.fc5 = nn.Linear(CODE, 64)
        self.fc6 = nn.Linear(64, 256)
        self.fc7 = nn.Linear(256, 512)
        self.fc8 = nn.Linear(512, PIXELS)

    def encode(self, x):
        """Compress pictures, float (N, 1, 28, 28), to their codes, float (N, 2)."""
        x = x.view(x.shape[0], -1)
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        x = torch.relu(self.fc3(x))
        return self.fc4(x)

    def decode(self, code):
        """Make pictures, float (N, 1, 28, 28), from codes, float (N, 2)."""
        x = torch.relu(self.fc5(code))
        x = torch.relu(self.fc6(x))
        x = torch.relu(self.fc7(x))
        x = torch.sigmoid(self.fc8(x))
        return x.view(-1, 1, 28, 28)

    def forward(self, x):
        """Return the reconstructions, of the same shape as the pictures x, float (N, 1, 28, 28)."""
        code = self.encode(x)
        return self.decode(code)


def train(model, device, train_loader, optimizer):
    """Train for one epoch.

    train_loader: gives batches (pictures (N, 1, 28, 28), labels (N,)); an autoencoder needs no labels.
    Returns the mean training loss over the batches, a float.
    """
    model.train()
    criterion = nn.MSELoss()
    losses = []
    for pictures, _ in train_loader:
        pictures = pictures.to(device)
        optimizer.zero_grad()
        loss = criterion(model(pictures), pictures)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def reconstruction_error(model, device, test_loader):
    """Return the mean squared error of the reconstructions over all pixels of the test pictures, a float."""
    model.eval()
    squared, count = 0.0, 0
    with torch.no_grad():
        for pictures, _ in test_loader:
            pictures = pictures.to(device)
            squared += ((model(pictures) - pictures) ** 2).sum().item()
            count += pictures.numel()
    return squared / count


def evaluate(model, pictures):
    """Return the reconstructions, float (N, 1, 28, 28), and the codes, float (N, 2), of pictures (N, 1, 28, 28)."""
    model.eval()
    with torch.no_grad():
        codes = model.encode(pictures)
        reconstructions = model.decode(codes)
    return reconstructions, codes


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
