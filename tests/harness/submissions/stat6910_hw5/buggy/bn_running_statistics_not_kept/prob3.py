# STAT 6910 HW5 problem 3
# I wrote the optimizers and the batch normalization myself, from the lecture slides.
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, random_split

from mnist_data import load_pictures


class Net(nn.Module):
    def __init__(self, hidden=100):
        super(Net, self).__init__()
        self.hidden1 = nn.Linear(784, hidden)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 10)
        self.act = nn.Sigmoid()
        for layer in (self.hidden1, self.hidden2, self.out):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = x.reshape(-1, 784)
        x = self.act(self.hidden1(x))
        x = self.act(self.hidden2(x))
        return self.out(x)


class MyBatchNorm(nn.Module):
    def __init__(self, size, momentum=0.1, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(size))
        self.beta = nn.Parameter(torch.zeros(size))
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))
        self.momentum = momentum
        self.eps = eps

    def forward(self, z):
        if self.training:
            mu = z.mean(dim=0)
            var = ((z - mu) ** 2).mean(dim=0)
            with torch.no_grad():
                running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mu
                running_var = (1 - self.momentum) * self.running_var + self.momentum * var
        else:
            mu = self.running_mean
            var = self.running_var
        z_hat = (z - mu) / torch.sqrt(var + self.eps)
        return self.gamma * z_hat + self.beta


class BatchNormNet(nn.Module):
    def __init__(self, hidden=100):
        super(BatchNormNet, self).__init__()
        self.hidden1 = nn.Linear(784, hidden)
        self.norm1 = MyBatchNorm(hidden)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.norm2 = MyBatchNorm(hidden)
        self.out = nn.Linear(hidden, 10)
        self.act = nn.Sigmoid()

    def forward(self, x):
        x = x.reshape(-1, 784)
        x = self.act(self.norm1(self.hidden1(x)))
        x = self.act(self.norm2(self.hidden2(x)))
        return self.out(x)


class MyOptimizer:
    def __init__(self, parameters, lr):
        self.parameters = list(parameters)
        self.lr = lr

    def zero_grad(self):
        for w in self.parameters:
            w.grad = None

    def step(self):
        with torch.no_grad():
            for i, w in enumerate(self.parameters):
                if w.grad is not None:
                    self.update(i, w, w.grad)


class MySGD(MyOptimizer):
    def update(self, i, w, g):
        w -= self.lr * g


class MyMomentum(MyOptimizer):
    # v' = mu v - eta grad C,  w' = w + v'
    def __init__(self, parameters, lr, mu):
        super().__init__(parameters, lr)
        self.mu = mu
        self.v = [torch.zeros_like(w) for w in self.parameters]

    def update(self, i, w, g):
        self.v[i] = self.mu * self.v[i] - self.lr * g
        w += self.v[i]


class MyAdaGrad(MyOptimizer):
    def __init__(self, parameters, lr, lr_decay, eps):
        super().__init__(parameters, lr)
        self.lr_decay = lr_decay
        self.eps = eps
        self.steps = 0
        self.G = [torch.zeros_like(w) for w in self.parameters]

    def step(self):
        super().step()
        self.steps += 1

    def update(self, i, w, g):
        eta = self.lr / (1 + self.steps * self.lr_decay)
        self.G[i] = self.G[i] + g ** 2
        w -= eta * g / (torch.sqrt(self.G[i]) + self.eps)


class MyAdam(MyOptimizer):
    def __init__(self, parameters, lr, betas, eps):
        super().__init__(parameters, lr)
        self.beta1, self.beta2 = betas
        self.eps = eps
        self.t = 0
        self.m = [torch.zeros_like(w) for w in self.parameters]
        self.s = [torch.zeros_like(w) for w in self.parameters]

    def step(self):
        self.t += 1
        super().step()

    def update(self, i, w, g):
        self.m[i] = self.beta1 * self.m[i] + (1 - self.beta1) * g
        self.s[i] = self.beta2 * self.s[i] + (1 - self.beta2) * g ** 2
        m_hat = self.m[i] / (1 - self.beta1 ** self.t)
        s_hat = self.s[i] / (1 - self.beta2 ** self.t)
        w -= self.lr * m_hat / (torch.sqrt(s_hat) + self.eps)


def make_optimizer(name, parameters, **hyperparameters):
    if name == 'sgd':
        return MySGD(parameters, hyperparameters.get('lr', 0.5))
    if name == 'momentum':
        return MyMomentum(parameters, hyperparameters.get('lr', 0.05), hyperparameters.get('momentum', 0.9))
    if name == 'adagrad':
        return MyAdaGrad(parameters, hyperparameters.get('lr', 0.01), hyperparameters.get('lr_decay', 0),
                         hyperparameters.get('eps', 1e-8))
    if name == 'adam':
        return MyAdam(parameters, hyperparameters.get('lr', 0.003), hyperparameters.get('betas', (0.9, 0.999)),
                      hyperparameters.get('eps', 1e-8))
    raise ValueError("no such optimizer: %s" % name)


def train(model, optimizer, train_loader, validation_loader, epochs):
    costs, accs = [], []
    cost_function = nn.CrossEntropyLoss(reduction='sum')
    for epoch in range(epochs):
        model.train()
        total, n = 0.0, 0
        for x, y in train_loader:
            cost = cost_function(model(x), y) / len(y)
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            total += float(cost) * len(y)
            n += len(y)
        costs.append(total / n)
        accs.append(accuracy(model, validation_loader))
    return costs, accs


@torch.no_grad()
def accuracy(model, loader):
    was_training = model.training
    model.eval()
    hits = torch.cat([model(x).argmax(1) == y for x, y in loader])
    model.train(was_training)
    return hits.float().mean().item()


def main():
    torch.manual_seed(6910)
    full = load_pictures("data", True)
    n_val = len(full) // 6
    training, validation = random_split(full, [len(full) - n_val, n_val])
    train_loader = DataLoader(training, 64, shuffle=True)
    val_loader = DataLoader(validation, 500)
    test_loader = DataLoader(load_pictures("data", False), 500)
    for name in ['sgd', 'momentum', 'adagrad', 'adam']:
        model = Net()
        train(model, make_optimizer(name, model.parameters()), train_loader, val_loader, 10)
        print(name, 'test accuracy', accuracy(model, test_loader))
    model = BatchNormNet()
    train(model, make_optimizer('sgd', model.parameters(), lr=2.0), train_loader, val_loader, 10)
    print('batch norm test accuracy', accuracy(model, test_loader))


if __name__ == '__main__':
    main()
