#!/usr/bin/env python
"""python prob5_AE.py [--epochs 10]"""
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms


class AE(nn.Module):
    def __init__(self, input_dim, hidden=256, latent=2):
        super().__init__()
        self.enc = nn.ModuleDict({
            'l1': nn.Linear(input_dim, hidden), 'l2': nn.Linear(hidden, hidden // 2),
            'l3': nn.Linear(hidden // 2, hidden // 4), 'out': nn.Linear(hidden // 4, latent)})
        self.dec = nn.ModuleDict({
            'l1': nn.Linear(latent, hidden // 4), 'l2': nn.Linear(hidden // 4, hidden // 2),
            'l3': nn.Linear(hidden // 2, hidden), 'out': nn.Linear(hidden, input_dim)})

    @staticmethod
    def run(stack, x):
        for name in ('l1', 'l2', 'l3'):
            x = F.relu(stack[name](x))
        return stack['out'](x)

    def encode(self, x):
        return self.run(self.enc, x)

    def decode(self, z):
        return self.run(self.dec, z).sigmoid()

    def forward(self, x):
        return self.decode(self.encode(x))


def epoch_loss(model, loader, device, opt=None):
    losses = []
    for x, _ in loader:
        x = x.flatten(1).to(device)
        loss = F.mse_loss(model(x), x)
        if opt:
            opt.zero_grad()
            loss.backward()
            opt.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


if __name__ == '__main__':
    p = argparse.ArgumentParser()
    p.add_argument('--epochs', type=int, default=10)
    args = p.parse_args()
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    t = transforms.ToTensor()
    train_loader = torch.utils.data.DataLoader(datasets.MNIST('data', True, t, download=True), 64, True)
    test_loader = torch.utils.data.DataLoader(datasets.MNIST('data', False, t, download=True), 256)
    model = AE(input_dim=28 * 28).to(device)
    opt = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(args.epochs):
        model.train()
        a = epoch_loss(model, train_loader, device, opt)
        model.eval()
        with torch.no_grad():
            b = epoch_loss(model, test_loader, device)
        print(epoch, a, b)
    torch.save(model.state_dict(), 'mnist_ae.pt')
    import matplotlib.pyplot as plt
    x, y = next(iter(test_loader))
    with torch.no_grad():
        z = model.encode(x.flatten(1).to(device))
        r = model.decode(z).view(-1, 28, 28).cpu()
    fig, ax = plt.subplots()
    ax.scatter(*z.cpu().numpy().T, c=y.numpy(), cmap='tab10')
    fig.savefig('embedding.pdf')
    fig, ax = plt.subplots()
    ax.imshow(torch.cat([torch.cat([*x[:9, 0]], 1), torch.cat([*r[:9]], 1)]))
    fig.savefig('reconstruction.pdf')
