import argparse

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.optim as optim
from torchvision import datasets, transforms


class Conv_AE(nn.Module):
    def __init__(self):
        super(Conv_AE, self).__init__()
        self.encoder_cnn = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=1, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, 2),
            nn.Conv2d(4, 8, 3, stride=1, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, 2))
        self.encoder_lin = nn.Sequential(
            nn.Linear(8 * 7 * 7, 20),
            nn.ReLU(),
            nn.Linear(20, 2))
        self.decoder_lin = nn.Sequential(
            nn.Linear(2, 20),
            nn.ReLU(),
            nn.Linear(20, 8 * 7 * 7),
            nn.ReLU())
        self.decoder_cnn = nn.Sequential(
            nn.Upsample(scale_factor=2, mode='nearest'),
            nn.Conv2d(8, 4, 3, padding=1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode='nearest'),
            nn.Conv2d(4, 1, 3, padding=1),
            nn.Sigmoid())

    def forward(self, x):
        h = self.encoder_cnn(x)
        z = self.encoder_lin(h.view(h.size(0), -1))
        h = self.decoder_lin(z).view(-1, 8, 7, 7)
        return self.decoder_cnn(h), z


class Conv_AE_Skip(nn.Module):
    def __init__(self):
        super(Conv_AE_Skip, self).__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, stride=1, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, stride=1, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.relu = nn.ReLU()
        self.fc1 = nn.Linear(392, 20)
        self.fc2 = nn.Linear(20, 2)
        self.fc3 = nn.Linear(2, 20)
        self.fc4 = nn.Linear(20, 392)
        self.up = nn.Upsample(scale_factor=2, mode='nearest')
        self.conv3 = nn.Conv2d(8, 4, 3, padding=1)
        self.conv4 = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x):
        p1 = self.pool(self.relu(self.conv1(x)))
        p2 = self.pool(self.relu(self.conv2(p1)))
        z = self.fc2(self.relu(self.fc1(p2.view(-1, 392))))
        h = self.relu(self.fc4(self.relu(self.fc3(z)))).view(-1, 8, 7, 7)
        h = self.up(h + p2)
        h = self.relu(self.conv3(h))
        h = self.up(h + p1)
        return torch.sigmoid(self.conv4(h)), z


def train(args, model, device, train_loader, optimizer, epoch, noise=False):
    model.train()
    total = 0
    for data, _ in train_loader:
        data = data.to(device)
        inputs = data + 0.3 * torch.randn_like(data) if noise else data
        optimizer.zero_grad()
        recon, _ = model(inputs)
        loss = nn.functional.mse_loss(recon, data)
        loss.backward()
        optimizer.step()
        total += loss.item() * data.size(0)
    print('Epoch {}: train loss {:.5f}'.format(epoch, total / len(train_loader.dataset)))
    return total / len(train_loader.dataset)


def show(model, device, test_loader, name, noise=False):
    model.eval()
    images, labels = next(iter(test_loader))
    if noise:
        images = images + 0.3 * torch.randn_like(images)
    with torch.no_grad():
        recon, z = model(images.to(device))
    recon, z = recon.cpu(), z.cpu()
    fig, axes = plt.subplots(2, 8, figsize=(12, 3))
    for i in range(8):
        axes[0, i].imshow(images[i, 0], cmap='gray')
        axes[1, i].imshow(recon[i, 0], cmap='gray')
    fig.savefig(name + '_recon.png')
    plt.close(fig)
    plt.figure()
    plt.scatter(z[:, 0], z[:, 1], c=labels, cmap='tab10', s=5)
    plt.savefig(name + '_embedding.png')
    plt.close()


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
                                              batch_size=500, shuffle=True)
    losses = {}
    for noise in (False, True):
        for name, cls in (('cae', Conv_AE), ('skip', Conv_AE_Skip)):
            model = cls().to(device)
            optimizer = optim.Adam(model.parameters(), lr=args.lr)
            losses[name, noise] = [train(args, model, device, train_loader, optimizer, e, noise)
                                   for e in range(1, args.epochs + 1)]
            show(model, device, test_loader, name + ('_noise' if noise else ''), noise)
            if not noise:
                torch.save(model.state_dict(), 'mnist_cae.pt' if name == 'cae' else 'mnist-cae-skip.pt')
    for key, values in losses.items():
        plt.plot(values, label=str(key))
    plt.legend()
    plt.savefig(args.out + '/losses.png')


if __name__ == '__main__':
    main()
