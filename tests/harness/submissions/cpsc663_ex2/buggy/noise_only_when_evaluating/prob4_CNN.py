"""Problem 4: CNN on MNIST, with the figures for 4.2."""
from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.datasets import MNIST
from torchvision.utils import make_grid, save_image

OUT = Path("figures")


class CNN(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 40, (5, 5))
        self.conv2 = nn.Conv2d(40, 80, (5, 5))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(1280, 500), nn.ReLU(inplace=True), nn.Linear(500, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(F.max_pool2d(self.conv1(x), kernel_size=2))  # max and relu commute
        x = F.relu_(F.max_pool2d(self.conv2(x), kernel_size=2))
        return self.head(x).log_softmax(dim=-1)


def train(args: Namespace, model: nn.Module, device: torch.device, train_loader: DataLoader, optimizer: Optimizer,
          epoch: int) -> None:
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad(set_to_none=True)
        F.nll_loss(model(x.to(device)), y.to(device)).backward()
        optimizer.step()


@torch.inference_mode()
def test(args: Namespace, model: nn.Module, device: torch.device, test_loader: DataLoader, epoch: int) -> None:
    model.eval()
    pairs: Counter[tuple[int, int]] = Counter()
    for x, y in test_loader:
        pairs.update(zip(y.tolist(), model(x.to(device)).argmax(dim=-1).tolist()))
    total = sum(pairs.values())
    right = sum(count for (truth, guess), count in pairs.items() if truth == guess)
    print(f"[{epoch}] {right}/{total}")
    if epoch == args.epochs:
        OUT.mkdir(exist_ok=True)
        save_filters(model)
        print_confusion(pairs)


def save_filters(model: CNN) -> None:
    grid = make_grid(model.conv1.weight.detach().cpu(), nrow=8, normalize=True, scale_each=True)
    save_image(grid, OUT / "filters.png")


def print_confusion(pairs: Counter[tuple[int, int]]) -> None:
    matrix = torch.tensor([[pairs[truth, guess] for guess in range(10)] for truth in range(10)])
    lines = ["      " + " ".join(f"{guess:5d}" for guess in range(10))]
    lines += [f"{truth:5d} " + " ".join(f"{n:5d}" for n in row) for truth, row in enumerate(matrix.tolist())]
    text = "\n".join(lines)
    (OUT / "confusion.txt").write_text(text)
    print(text)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=0.02)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = {split: MNIST("mnist", train=split, download=True, transform=T.ToTensor()) for split in (True, False)}
    model = CNN().to(device)
    optimizer = SGD(model.parameters(), lr=args.lr, momentum=0.9)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, DataLoader(data[True], 64, shuffle=True), optimizer, epoch)
        test(args, model, device, DataLoader(data[False], 128), epoch)


if __name__ == "__main__":
    main()
