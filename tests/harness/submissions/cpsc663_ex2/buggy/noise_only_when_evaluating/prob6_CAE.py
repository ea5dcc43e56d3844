"""Problem 6: convolutional autoencoder from an encoder and a decoder; the skips go through a list."""
from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.datasets import MNIST

VARIANCE = 0.3


def down(c_in: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, kernel_size=3, stride=1, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2))


def up(c_in: int, c_out: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"),
                         nn.Conv2d(c_in, c_out, kernel_size=3, stride=1, padding=1), activation)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([down(1, 4), down(4, 8)])
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 7 * 7, 20), nn.ReLU(), nn.Linear(20, 2))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        pooled = []
        for block in self.blocks:
            x = block(x)
            pooled.append(x)
        return self.head(x), pooled


class Decoder(nn.Module):
    def __init__(self, use_skips: bool) -> None:
        super().__init__()
        factor = 2 if use_skips else 1
        self.use_skips = use_skips
        self.stem = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 8 * 7 * 7), nn.ReLU(),
                                  nn.Unflatten(1, (8, 7, 7)))
        self.blocks = nn.ModuleList([up(8 * factor, 4, nn.ReLU()), up(4 * factor, 1, nn.Sigmoid())])

    def forward(self, z: Tensor, pooled: list[Tensor]) -> Tensor:
        h = self.stem(z)
        for block in self.blocks:
            if self.use_skips:
                h = torch.cat([pooled.pop(), h], dim=1)
            h = block(h)
        return h


class ConvolutionalAutoencoder(nn.Module):
    def __init__(self, use_skips: bool = False) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder(use_skips)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, pooled = self.encoder(x)
        return self.decoder(z, pooled), z


def corrupt(x: Tensor) -> Tensor:
    """N(0, 0.3), read as mean and variance."""
    return x + torch.randn_like(x).mul_(math.sqrt(VARIANCE))


def run_epoch(model: nn.Module, loader: DataLoader, device: str, noisy: bool,
              optimizer: torch.optim.Optimizer | None = None) -> float:
    model.train(optimizer is not None)
    total, count = 0.0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for x, _ in loader:
            x = x.to(device)
            reconstruction, _ = model(corrupt(x) if noisy and optimizer is None else x)
            loss = nn.functional.mse_loss(reconstruction, x)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total += loss.item() * len(x)
            count += len(x)
    return total / count


def plot(model: nn.Module, loader: DataLoader, device: str, noisy: bool, name: str) -> None:
    import matplotlib.pyplot as plt
    x, y = next(iter(loader))
    seen = corrupt(x) if noisy else x
    model.eval()
    with torch.no_grad():
        reconstruction, z = model(seen.to(device))
    fig, (left, right) = plt.subplots(1, 2, figsize=(14, 6))
    left.imshow(torch.cat([torch.cat(list(part[:8, 0].cpu()), dim=1) for part in (x, seen, reconstruction)]), cmap="gray")
    points = right.scatter(z[:, 0].cpu(), z[:, 1].cpu(), c=y, cmap="tab10")
    fig.colorbar(points)
    fig.savefig(f"{name}.png")
    plt.close(fig)


def main(epochs: int = 10) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = {split: MNIST("mnist", train=split, download=True, transform=T.ToTensor()) for split in (True, False)}
    training = DataLoader(data[True], 32, shuffle=True)
    testing = DataLoader(data[False], 500)
    for noisy, use_skips in itertools.product((False, True), repeat=2):
        name = f"cae{'-skip' if use_skips else ''}{'-noise' if noisy else ''}"
        model = ConvolutionalAutoencoder(use_skips).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for epoch in range(epochs):
            print(name, epoch, run_epoch(model, training, device, noisy, optimizer),
                  run_epoch(model, testing, device, noisy))
        plot(model, testing, device, noisy, name)
        if not noisy:
            torch.save(model.state_dict(), "mnist-cae-skip.pt" if use_skips else "mnist_cae.pt")


if __name__ == "__main__":
    main()
