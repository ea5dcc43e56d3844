import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm import tqdm

device = torch.device("cuda")


class FeedForward(nn.Module):
    def __init__(self, n_in, n_h1, n_h2, n_out, use_bn):
        super().__init__()
        self.l1 = nn.Linear(n_in, n_h1)
        self.l2 = nn.Linear(n_h1, n_h2)
        self.l3 = nn.Linear(n_h2, n_out)
        self.use_bn = use_bn
        if use_bn:
            self.bn1 = nn.BatchNorm1d(n_h1)
            self.bn2 = nn.BatchNorm1d(n_h2)

    def forward(self, x):
        x = x.flatten(start_dim=1)
        x = F.tanh(self.l1(x))
        if self.use_bn:
            x = self.bn1(x)          # after the activation, as in the lab
        x = F.tanh(self.l2(x))
        if self.use_bn:
            x = self.bn2(x)
        return self.l3(x)


net = FeedForward(784, 200, 80, 10, use_bn=False)
bn_net = FeedForward(784, 200, 80, 10, use_bn=True)


def make_optimizer(name, parameters, **kw):
    if name == "sgd":
        kw.setdefault("lr", 0.1)
        return torch.optim.SGD(parameters, **kw)
    if name == "momentum":
        kw.setdefault("lr", 0.05)
        kw.setdefault("momentum", 0.9)
        kw.setdefault("dampening", kw["momentum"])
        return torch.optim.SGD(parameters, **kw)
    if name == "adagrad":
        kw.setdefault("lr", 0.02)
        return torch.optim.Adagrad(parameters, **kw)
    if name == "adam":
        kw.setdefault("lr", 0.001)
        return torch.optim.Adam(parameters, **kw)
    raise ValueError("name must be sgd, momentum, adagrad or adam")


def train(model, optimizer, train_loader, validation_loader, epochs):
    model = model.to(device)
    criterion = nn.CrossEntropyLoss().to(device)
    costs = np.zeros(epochs)
    accs = np.zeros(epochs)
    for e in tqdm(range(epochs)):
        model.train()
        losses = []
        for X, y in train_loader:
            X, y = X.to(device), y.to(device)
            model.zero_grad()
            loss = criterion(model(X), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        costs[e] = np.mean(losses)
        accs[e] = accuracy(model, validation_loader)
    return costs.tolist(), accs.tolist()


def accuracy(model, loader):
    model.eval()
    predictions, truth = [], []
    for X, y in loader:
        with torch.no_grad():
            scores = model(X.to(device)).cpu().numpy()
        predictions.extend(np.argmax(scores, axis=1))
        truth.extend(y.numpy())
    return float(np.mean(np.array(predictions) == np.array(truth)))


if __name__ == "__main__":
    from mnist_data import make_loaders
    train_loader, test_loader = make_loaders("data", 50)
    optimizer = make_optimizer("adam", net.parameters())
    print(train(net, optimizer, train_loader, test_loader, 5))
    optimizer = make_optimizer("adam", bn_net.parameters())
    print(train(bn_net, optimizer, train_loader, test_loader, 5))
