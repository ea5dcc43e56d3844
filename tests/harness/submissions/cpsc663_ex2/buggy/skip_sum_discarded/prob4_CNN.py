"""Problem 4.2. Everything is held in memory, because MNIST fits."""
import argparse

import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torchvision.datasets import MNIST


class CNN(nn.Module):

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 40, kernel_size=5)
        self.conv2 = nn.Conv2d(40, 80, kernel_size=5)
        self.fc1 = nn.Linear(80 * 4 * 4, 500)
        self.fc2 = nn.Linear(500, 10)
        self.pool = nn.MaxPool2d(2)
        self.act = nn.ReLU()
        self.log_softmax = nn.LogSoftmax(dim=-1)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = self.pool(self.act(conv(x)))
        x = self.act(self.fc1(x.reshape(len(x), -1)))
        return self.log_softmax(self.fc2(x))


class Batches:
    """What train and test need of a loader: it can be iterated over and has a length."""

    def __init__(self, root, train, size):
        source = MNIST(root, train=train, download=True)
        self.x = source.data.unsqueeze(1) / 255.0
        self.y = source.targets
        self.size, self.shuffle = size, train

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __iter__(self):
        order = torch.randperm(len(self.x)) if self.shuffle else torch.arange(len(self.x))
        for part in order.split(self.size):
            yield self.x[part], self.y[part]


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for step, (x, y) in enumerate(train_loader):
        for p in model.parameters():
            p.grad = None
        loss = nn.functional.nll_loss(model(x.to(device)), y.to(device))
        loss.backward()
        optimizer.step()
        if step % 200 == 0:
            print(f"{epoch} {step} {float(loss.detach()):.4f}")


@torch.no_grad()
def test(args, model, device, test_loader, epoch):
    model.eval()
    cells = torch.zeros(100, dtype=torch.long)
    for x, y in test_loader:
        guess = model(x.to(device)).argmax(1).cpu()
        cells += torch.bincount(10 * y + guess, minlength=100)
    matrix = cells.view(10, 10)
    print(f"epoch {epoch}: accuracy {matrix.diag().sum().item() / matrix.sum().item():.4f}")
    if epoch == args.epochs:
        write_report(model, matrix.numpy())


def write_report(model, matrix):
    filters = model.conv1.weight.detach().cpu().numpy()[:, 0]
    rows = []
    for r in range(4):
        rows.append(np.hstack([np.pad(f, 1, constant_values=filters.min()) for f in filters[10 * r:10 * r + 10]]))
    plt.imsave("filters.png", np.vstack(rows), cmap="gray")
    print("rows: true digit, columns: predicted digit")
    print(matrix)
    np.savetxt("confusion.csv", matrix, fmt="%d", delimiter=",")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--epochs", type=int, default=5)
    ap.add_argument("--data", default="data")
    args = ap.parse_args()
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = CNN().to(device)
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    training, testing = Batches(args.data, True, 64), Batches(args.data, False, 100)
    for epoch in range(1, args.epochs + 1):
        train(args, net, device, training, sgd, epoch)
        test(args, net, device, testing, epoch)
