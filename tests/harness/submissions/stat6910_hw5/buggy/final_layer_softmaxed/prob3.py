"""prob3 -- networks come from functions, log-softmax at the end, NLL as the cost."""
from torch import nn, optim, no_grad
import torch.nn.functional as F


def make_net(hidden1=128, hidden2=64, batch_norm=False):
    layers = [nn.Flatten(), nn.Linear(784, hidden1)]
    if batch_norm:
        layers.append(nn.BatchNorm1d(hidden1))
    layers += [nn.ReLU(), nn.Linear(hidden1, hidden2)]
    if batch_norm:
        layers.append(nn.BatchNorm1d(hidden2))
    layers += [nn.ReLU(), nn.Linear(hidden2, 10), nn.LogSoftmax(dim=1)]
    return nn.Sequential(*layers)


def Net():
    return make_net()


def BatchNormNet():
    return make_net(batch_norm=True)


OPTIMIZERS = {
    "sgd": lambda p, lr=0.3: optim.SGD(p, lr),
    "momentum": lambda p, lr=0.05, momentum=0.9: optim.SGD(p, lr, momentum),
    "adagrad": lambda p, lr=0.01, lr_decay=0, eps=1e-10: optim.Adagrad(p, lr, lr_decay=lr_decay, eps=eps),
    "adam": lambda p, lr=0.001, betas=(0.9, 0.999), eps=1e-8: optim.Adam(p, lr, betas, eps),
}


def make_optimizer(name, parameters, **hyperparameters):
    try:
        maker = OPTIMIZERS[name]
    except KeyError:
        raise ValueError(f"{name} is none of {list(OPTIMIZERS)}")
    return maker(parameters, **hyperparameters)


def run_epoch(model, loader, optimizer=None):
    """One pass; with an optimizer it trains. Returns mean cost and accuracy."""
    model.train(optimizer is not None)
    cost_sum = right = seen = 0
    for x, y in loader:
        log_p = model(x)
        cost = F.nll_loss(log_p, y)
        if optimizer is not None:
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
        cost_sum += cost.item() * y.numel()
        right += log_p.argmax(-1).eq(y).sum().item()
        seen += y.numel()
    return cost_sum / seen, right / seen


def train(model, optimizer, train_loader, validation_loader, epochs):
    history = [[], []]
    for _ in range(epochs):
        history[0].append(run_epoch(model, train_loader, optimizer)[0])
        history[1].append(accuracy(model, validation_loader))
    return history[0], history[1]


def accuracy(model, loader):
    with no_grad():
        return run_epoch(model, loader)[1]


if __name__ == "__main__":
    from mnist_data import make_loaders
    train_loader, test_loader = make_loaders("data", 32)
    for name in OPTIMIZERS:
        net = Net()
        print(name, train(net, make_optimizer(name, net.parameters()), train_loader, test_loader, 5))
    net = BatchNormNet()
    print("batch norm", train(net, make_optimizer("sgd", net.parameters()), train_loader, test_loader, 5))
