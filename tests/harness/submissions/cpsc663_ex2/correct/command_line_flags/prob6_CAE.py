#!/usr/bin/env python
"""Convolutional autoencoder.

    python prob6_CAE.py                     # 6.1
    python prob6_CAE.py --skip              # 6.2
    python prob6_CAE.py --noise 0.3         # 6.3 without skip connections
    python prob6_CAE.py --skip --noise 0.3  # 6.3 with skip connections
"""
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms


class CAE(nn.Module):
    def __init__(self, skip):
        super().__init__()
        self.skip = skip
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, padding=1)
        self.fc1 = nn.Linear(392, 20)
        self.fc2 = nn.Linear(20, 2)
        self.fc3 = nn.Linear(2, 20)
        self.fc4 = nn.Linear(20, 392)
        self.conv3 = nn.Conv2d(8, 4, 3, padding=1)
        self.conv4 = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x, return_code=False):
        p1 = F.max_pool2d(F.relu(self.conv1(x)), 2)
        p2 = F.max_pool2d(F.relu(self.conv2(p1)), 2)
        code = self.fc2(F.relu(self.fc1(p2.flatten(1))))
        u = F.relu(self.fc4(F.relu(self.fc3(code)))).view(-1, 8, 7, 7)
        if self.skip:
            u = u + p2
        u = F.relu(self.conv3(F.interpolate(u, size=14)))
        if self.skip:
            u = u + p1
        out = self.conv4(F.interpolate(u, size=28)).sigmoid()
        return (out, code) if return_code else out


def run(skip, noise, epochs):
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    t = transforms.ToTensor()
    train_loader = torch.utils.data.DataLoader(datasets.MNIST('data', True, t, download=True), 64, True)
    test_loader = torch.utils.data.DataLoader(datasets.MNIST('data', False, t, download=True), 256)
    model = CAE(skip).to(device)
    opt = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(epochs):
        model.train()
        for x, _ in train_loader:
            x = x.to(device)
            out = model(x + noise * torch.randn_like(x))
            loss = F.mse_loss(out, x)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(epoch, loss.item())
    if noise == 0:
        torch.save(model.state_dict(), 'mnist-cae-skip.pt' if skip else 'mnist_cae.pt')
    plot(model, device, test_loader, noise, 'skip%d_noise%g' % (skip, noise))


def plot(model, device, test_loader, noise, name):
    import matplotlib.pyplot as plt
    model.eval()
    x, y = next(iter(test_loader))
    x = x + noise * torch.randn_like(x)
    with torch.no_grad():
        out, code = model(x.to(device), return_code=True)
    fig, ax = plt.subplots()
    ax.scatter(*code.cpu().numpy().T, c=y.numpy(), cmap='tab10')
    fig.savefig(name + '_embedding.pdf')
    fig, ax = plt.subplots()
    ax.imshow(torch.cat([torch.cat([*x[:9, 0]], 1), torch.cat([*out[:9, 0].cpu()], 1)]))
    fig.savefig(name + '_reconstruction.pdf')


if __name__ == '__main__':
    p = argparse.ArgumentParser()
    p.add_argument('--epochs', type=int, default=10)
    p.add_argument('--skip', action='store_true')
    p.add_argument('--noise', type=float, default=0.0)
    args = p.parse_args()
    run(args.skip, args.noise, args.epochs)
