"""Problem 5.4: an autoencoder put together from an encoder and a decoder."""
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.datasets import MNIST


@dataclass
class Config:
    epochs: int = 10
    batch_size: int = 32
    lr: float = 1e-3
    hidden: tuple[int, int, int] = (512, 128, 32)
    latent_dim: int = 32


class Output(NamedTuple):
    reconstruction: Tensor
    code: Tensor


def mlp(sizes: list[int]) -> list[nn.Module]:
    """Linear layers with a ReLU after each but the last."""
    layers: list[nn.Module] = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return layers[:-1]


class Encoder(nn.Module):
    def __init__(self, hidden: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), *mlp([784, *hidden, latent_dim]))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Decoder(nn.Module):
    def __init__(self, hidden: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(*mlp([latent_dim, *hidden[::-1], 784]), nn.Sigmoid())

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z).unflatten(1, (1, 28, 28))


class MnistAutoencoder(nn.Module):
    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Output:
        z = self.encoder(x)
        return Output(self.decoder(z), z)


def build_model(config: Config = Config()) -> MnistAutoencoder:
    return MnistAutoencoder(Encoder(config.hidden, config.latent_dim), Decoder(config.hidden, config.latent_dim))


def run_epoch(model: nn.Module, loader: DataLoader, device: str, optimizer: torch.optim.Optimizer | None = None) -> float:
    """Train where an optimizer is given, evaluate otherwise; the mean loss per pixel."""
    model.train(optimizer is not None)
    total, count = 0.0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for x, _ in loader:
            x = x.to(device)
            loss = nn.functional.mse_loss(model(x).reconstruction, x)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total += loss.item() * len(x)
            count += len(x)
    return total / count


def plot(model: nn.Module, loader: DataLoader, device: str) -> None:
    import matplotlib.pyplot as plt
    x, y = next(iter(loader))
    model.eval()
    with torch.no_grad():
        out = model(x.to(device))
    fig, (left, right) = plt.subplots(1, 2, figsize=(14, 6))
    left.imshow(torch.cat([torch.cat(list(part[:8, 0].cpu()), dim=1) for part in (x, out.reconstruction)]), cmap="gray")
    points = right.scatter(out.code[:, 0].cpu(), out.code[:, 1].cpu(), c=y, cmap="tab10")
    fig.colorbar(points)
    fig.savefig("autoencoder.png")


def main() -> None:
    config = Config()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = {split: MNIST("mnist", train=split, download=True, transform=T.ToTensor()) for split in (True, False)}
    training = DataLoader(data[True], config.batch_size, shuffle=True)
    testing = DataLoader(data[False], 500)
    model = build_model(config).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr)
    for epoch in range(config.epochs):
        print(epoch, run_epoch(model, training, device, optimizer), run_epoch(model, testing, device))
    torch.save(model.state_dict(), "mnist_ae.pt")
    plot(model, testing, device)


if __name__ == "__main__":
    main()
