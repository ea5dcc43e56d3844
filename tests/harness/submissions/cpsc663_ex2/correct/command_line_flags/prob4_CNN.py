#!/usr/bin/env python
"""python prob4_CNN.py"""
import argparse
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 40, 5)
        self.conv2 = nn.Conv2d(40, 80, 5)
        self.fc1 = nn.Linear(80 * 4 * 4, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = x.view(-1, 1280)
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for i, (x, y) in enumerate(train_loader):
        x, y = x.to(device), y.to(device)
        loss = F.nll_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if i % 100 == 0:
            print(epoch, i, loss.item())


def test(args, model, device, test_loader, epoch):
    model.eval()
    true, pred = [], []
    with torch.no_grad():
        for x, y in test_loader:
            true += y.tolist()
            pred += model(x.to(device)).argmax(dim=1).tolist()
    true, pred = np.array(true), np.array(pred)
    print('epoch %d: %.2f%%' % (epoch, 100 * np.mean(true == pred)))
    if epoch == args.epochs:
        import matplotlib.pyplot as plt
        from sklearn.metrics import confusion_matrix
        fig, axes = plt.subplots(4, 10)
        for ax, kernel in zip(axes.flat, model.conv1.weight.detach().cpu().numpy()):
            ax.imshow(kernel.reshape(5, 5), cmap='gray')
            ax.axis('off')
        fig.savefig('filters.pdf')
        cm = confusion_matrix(true, pred, normalize='true')
        print(np.round(cm, 3))
        fig, ax = plt.subplots()
        ax.imshow(cm)
        fig.savefig('confusion.pdf')


if __name__ == '__main__':
    p = argparse.ArgumentParser()
    p.add_argument('--epochs', type=int, default=5)
    args = p.parse_args()
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    t = transforms.ToTensor()
    train_loader = torch.utils.data.DataLoader(datasets.MNIST('data', True, t, download=True), 64, True)
    test_loader = torch.utils.data.DataLoader(datasets.MNIST('data', False, t, download=True), 256)
    model = CNN().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(args, model, device, test_loader, epoch)
