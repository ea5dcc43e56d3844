from torch import nn, no_grad
import torch


def block(n_in, n_out):
    return [nn.Conv2d(n_in, n_out, 3, padding="same"), nn.BatchNorm2d(n_out), nn.ReLU(), nn.MaxPool2d(2)]


def make_cnn(channels=(16, 32, 64)):
    layers = []
    n_in = 1
    for n_out in channels:
        layers += block(n_in, n_out)
        n_in = n_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, 10))


def train(model, optimizer, train_loader, epochs):
    costs = []
    for epoch in range(epochs):
        model.train()
        total = count = right = 0
        for x, y in train_loader:
            scores = model(x)
            loss = nn.functional.cross_entropy(scores, y)
            model.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            count += len(y)
            right += (scores.argmax(1) == y).sum().item()
        costs.append(total / count)
        print(f"{epoch=} cost={costs[-1]:.3f} accuracy={right / count:.3f}")
    return costs


def accuracy(model, loader):
    model.eval()
    with no_grad():
        return torch.cat([model(x).argmax(1).eq(y) for x, y in loader]).float().mean().item()


if __name__ == "__main__":
    from mnist_data import make_loaders
    train_loader, test_loader = make_loaders("data", 32)
    cnn = make_cnn()
    train(cnn, torch.optim.AdamW(cnn.parameters(), lr=2e-3), train_loader, 3)
    print(accuracy(cnn, test_loader))
