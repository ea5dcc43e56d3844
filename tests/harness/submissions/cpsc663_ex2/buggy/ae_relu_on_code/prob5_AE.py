import argparse

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.optim as optim
from torchvision import datasets, transforms


class AE(nn.Module):
    """Works on flattened images: (N, 784) in, (N, 784) and the (N, 2) embedding out."""

    def __init__(self):
        super(AE, self).__init__()
        self.encoder = nn.Sequential(
            nn.Linear(28 * 28, 256),
            nn.ReLU(True),
            nn.Linear(256, 64),
            nn.ReLU(True),
            nn.Linear(64, 16),
            nn.ReLU(True),
            nn.Linear(16, 2),
            nn.ReLU(True))
        self.decoder = nn.Sequential(
            nn.Linear(2, 16),
            nn.ReLU(True),
            nn.Linear(16, 64),
            nn.ReLU(True),
            nn.Linear(64, 256),
            nn.ReLU(True),
            nn.Linear(256, 28 * 28),
            nn.Sigmoid())

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(z), z


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    total = 0
    for data, _ in train_loader:
        data = data.view(data.size(0), -1).to(device)
        optimizer.zero_grad()
        recon, _ = model(data)
        loss = nn.MSELoss()(recon, data)
        loss.backward()
        optimizer.step()
        total += loss.item() * data.size(0)
    print('Epoch {}: train loss {:.5f}'.format(epoch, total / len(train_loader.dataset)))


def test(args, model, device, test_loader, epoch):
    model.eval()
    total = 0
    with torch.no_grad():
        for data, _ in test_loader:
            data = data.view(data.size(0), -1).to(device)
            recon, _ = model(data)
            total += nn.functional.mse_loss(recon, data).item() * data.size(0)
    print('Epoch {}: test loss {:.5f}'.format(epoch, total / len(test_loader.dataset)))


def make_plots(model, device, test_loader):
    model.eval()
    images, labels = next(iter(test_loader))
    with torch.no_grad():
        recon, z = model(images.view(images.size(0), -1).to(device))
    recon, z = recon.view(-1, 28, 28).cpu(), z.cpu()
    fig, axes = plt.subplots(2, 8, figsize=(12, 3))
    for i in range(8):
        axes[0, i].imshow(images[i, 0], cmap='gray')
        axes[1, i].imshow(recon[i], cmap='gray')
    plt.savefig('ae_reconstruction.png')
    plt.figure()
    plt.scatter(z[:, 0], z[:, 1], c=labels, cmap='tab10', s=5)
    plt.colorbar()
    plt.savefig('ae_embedding.png')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--epochs', type=int, default=10)
    parser.add_argument('--lr', type=float, default=0.001)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    tf = transforms.ToTensor()
    train_loader = torch.utils.data.DataLoader(datasets.MNIST('../data', train=True, download=True, transform=tf),
                                               batch_size=args.batch_size, shuffle=True)
    test_loader = torch.utils.data.DataLoader(datasets.MNIST('../data', train=False, transform=tf),
                                              batch_size=1000, shuffle=True)
    model = AE().to(device)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(args, model, device, test_loader, epoch)
    torch.save(model.state_dict(), 'mnist_ae.pt')
    make_plots(model, device, test_loader)


if __name__ == '__main__':
    main()
