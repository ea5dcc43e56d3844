"""Exercise II, problem 6: a convolutional autoencoder, with and without skip connections, and against noise.

Running it trains four networks: without and with skip connections, each on clean pictures (6.1, 6.2) and on noisy ones
(6.3). The first two are saved as mnist_cae.pt and mnist-cae-skip.pt; reconstructions and embeddings of all four are
drawn into cae_*.png.

Usage: python prob6_CAE.py [--epochs 10] [--batch-size 16] [--lr 0.003] [--data-dir data] [--no-cuda] [--seed 1]
"""

import argparse

import torch
from mnist_data import load_pictures, make_loaders
from mnist_plots import save_embedding, save_rows
from torch import nn, optim

CODE = 2
NOISE = 0.3


class ConvAutoencoder(nn.Module):
    """Two convolutions and two linear layers down to a two-dimensional code, and the same in reverse back to a picture.

    skip: bool; with it, skip connections lead from each pooling layer to its corresponding up-sampling layer (6.2).
    They add, so that both networks have the same 16,859 parameters.
    """

    def __init__(self, skip=False):
        super().__init__()
        self.skip = skip
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, padding=1)
        self.maxpool = nn.MaxPool2d(2)
        self.lin1 = nn.Linear(392, 20)
        self.lin2 = nn.Linear(20, CODE)
        self.lin3 = nn.Linear(CODE, 20)
        self.lin4 = nn.Linear(20, 392)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv3 = nn.Conv2d(8, 4, 3, padding=1)
        self.conv4 = nn.Conv2d(4, 1, 3, padding=1)

    def pool(self, x):
        """Return what the two pooling layers put out for pictures x: float (N, 4, 14, 14) and (N, 8, 7, 7)."""
        pool1 = self.maxpool(torch.relu(self.conv1(x)))
        pool2 = self.maxpool(torch.relu(self.conv2(pool1)))
        return pool1, pool2

    def encode(self, x):
        """Compress pictures, float (N, 1, 28, 28), to their codes, float (N, 2)."""
        x = self.pool(x)[1]
        x = torch.relu(self.lin1(torch.flatten(x, 1)))
        return self.lin2(x)

    def decode(self, code, pooled=None):
        """Make pictures, float (N, 1, 28, 28), from codes, float (N, 2).

        pooled: None, or the two outputs of `pool` to be added on the way (6.2). With None, the pictures come from the
        codes alone.
        """
        x = torch.relu(self.lin3(code))
        x = torch.relu(self.lin4(x))
        x = x.view(-1, 8, 7, 7)
        if pooled is not None:
            x = x + pooled[1]
        x = self.upsample(x)
        x = torch.relu(self.conv3(x))
        if pooled is not None:
            x = x + pooled[0]
        x = self.upsample(x)
        return torch.sigmoid(self.conv4(x))

    def forward(self, x):
        """Return the reconstructions, of the same shape as the pictures x, float (N, 1, 28, 28)."""
        code = self.encode(x)
        if self.skip:
            return self.decode(code, self.pool(x))
        return self.decode(code)


def add_noise(pictures, noise):
    """Return a copy of the pictures with fresh Gaussian noise of mean 0 and standard deviation `noise` (6.3)."""
    return pictures + torch.normal(0.0, noise**2, size=pictures.shape, device=pictures.device)


def train(model, device, train_loader, optimizer, noise=0.0):
    """Train for one epoch; with noise > 0, on pictures that are corrupted first (6.3).

    train_loader: gives batches (pictures (N, 1, 28, 28), labels (N,)); an autoencoder needs no labels.
    Returns the mean training loss over the batches, a float.
    """
    model.train()
    losses = []
    for pictures, _ in train_loader:
        pictures = pictures.to(device)
        inputs = add_noise(pictures, noise) if noise > 0 else pictures
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), pictures)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def reconstruction_error(model, device, test_loader, noise=0.0):
    """Return the mean squared error between reconstructions and clean test pictures, over all pixels, a float.

    noise: the standard deviation of the noise on the pictures that the model gets, as in `train`.
    """
    model.eval()
    squared, count = 0.0, 0
    with torch.no_grad():
        for pictures, _ in test_loader:
            pictures = pictures.to(device)
            inputs = add_noise(pictures, noise) if noise > 0 else pictures
            squared += ((model(inputs) - pictures) ** 2).sum().item()
            count += pictures.numel()
    return squared / count


def evaluate(model, pictures):
    """Return the reconstructions, float (N, 1, 28, 28), and the codes, float (N, 2), of pictures (N, 1, 28, 28)."""
    model.eval()
    with torch.no_grad():
        return model(pictures), model.encode(pictures)


def draw(model, device, data_dir, noise, name):
    """Draw reconstructions and the embedding into cae_<name>_reconstructions.png and cae_<name>_embedding.png."""
    pictures, labels = load_pictures(data_dir, train=False)[:2000]
    rows = {"original": pictures}
    if noise:
        rows["with noise"] = pictures = add_noise(pictures, noise)
    rows[name], codes = evaluate(model, pictures.to(device))
    save_rows([row[:10] for row in rows.values()], list(rows), f"cae_{name}_reconstructions.png")
    save_embedding(codes, labels, f"cae_{name}_embedding.png", f"Two-dimensional codes: {name}")


def parse_arguments(arguments=None):
    """Read the settings from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--no-cuda", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def fit(args, device, skip, noise, name):
    """Train one network, print its errors, draw what it does, and return it."""
    torch.manual_seed(args.seed)
    train_loader, test_loader = make_loaders(args.data_dir, args.batch_size)
    model = ConvAutoencoder(skip=skip).to(device)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        loss = train(model, device, train_loader, optimizer, noise)
        error = reconstruction_error(model, device, test_loader, noise)
        print(f"{name}, epoch {epoch}: training loss {loss:.4f}, test error {error:.4f}")
    draw(model, device, args.data_dir, noise, name)
    return model


def main(arguments=None):
    """Train the four networks, and save those of 6.1 and 6.2."""
    args = parse_arguments(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() and not args.no_cuda else "cpu")
    torch.save(fit(args, device, False, 0.0, "plain").state_dict(), "mnist_cae.pt")
    torch.save(fit(args, device, True, 0.0, "skip").state_dict(), "mnist-cae-skip.pt")
    fit(args, device, False, NOISE, "plain_noise")
    fit(args, device, True, NOISE, "skip_noise")


if __name__ == "__main__":
    main()
