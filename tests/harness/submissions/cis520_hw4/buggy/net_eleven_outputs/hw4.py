"""Table 2 without any nn layer: parameters, and functions that use them."""
import torch
import torch.nn.functional as F
from torch import nn


class Network(nn.Module):
    def __init__(self, dropout: float = 0.3, momentum: float = 0.1):
        super().__init__()
        self.p, self.momentum = dropout, momentum
        self.kernels = nn.ParameterList(
            nn.Parameter(torch.randn(n_out, n_in, 5, 5) * (2 / (25 * n_in)) ** 0.5)
            for n_in, n_out in ((1, 32), (32, 32), (32, 64)))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(n)) for n in (32, 32, 64))
        self.w4 = nn.Parameter(torch.randn(64, 576) * (2 / 576) ** 0.5)
        self.b4 = nn.Parameter(torch.zeros(64))
        self.w5 = nn.Parameter(torch.randn(11, 64) * (2 / 64) ** 0.5)
        self.b5 = nn.Parameter(torch.zeros(11))

    def forward(self, x):
        for kernel, bias in zip(self.kernels, self.biases):
            x = F.conv2d(x, kernel, bias, stride=1, padding=2)
            x = F.max_pool2d(x.clamp_min(0), 2)
        x = F.dropout(x, self.p, self.training).flatten(1)
        x = F.linear(x, self.w4, self.b4).relu()
        return F.linear(x, self.w5, self.b5)


def train(model, device, train_loader, test_loader, optimizer, epochs):
    losses, accuracies = [], []
    for epoch in range(epochs):
        model.train()
        total, n = 0.0, 0
        for x, y in train_loader:
            model.zero_grad()
            loss = F.cross_entropy(model(x.to(device)), y.to(device), reduction="sum")
            (loss / len(y)).backward()
            optimizer.step()
            total, n = total + loss.item(), n + len(y)
        losses.append(total / n)
        accuracies.append(overall_accuracy(model, device, test_loader))
        print(f"{epoch}: {losses[-1]:.3f} {accuracies[-1]:.3f}")
    return losses, accuracies


def counts(model, device, loader):
    """Pictures and right answers of each class."""
    model.eval()
    pictures, right = torch.zeros(10, dtype=torch.long), torch.zeros(10, dtype=torch.long)
    with torch.no_grad():
        for x, y in loader:
            good = model(x.to(device)).argmax(1).cpu() == y
            pictures.index_add_(0, y, torch.ones_like(y))
            right.index_add_(0, y, good.long())
    return pictures, right


def overall_accuracy(model, device, loader):
    pictures, right = counts(model, device, loader)
    return right.sum().item() / pictures.sum().item()


def class_accuracies(model, device, loader):
    pictures, right = counts(model, device, loader)
    return [r / n if n else float("nan") for r, n in zip(right.tolist(), pictures.tolist())]


def main():
    from mnist_data import make_loaders
    torch.manual_seed(520)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader, test_loader = make_loaders("data", 50, "fashion_mnist")
    model = Network().to(device)
    train(model, device, train_loader, test_loader, torch.optim.Adam(model.parameters(), 1e-3), 2)
    print("overall", overall_accuracy(model, device, test_loader))
    print("per class", class_accuracies(model, device, test_loader))


if __name__ == "__main__":
    main()
