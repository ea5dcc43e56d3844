import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms


class ConvAE(nn.Module):
    def __init__(self, with_skips=False):
        super().__init__()
        self.with_skips = with_skips
        self.block1 = nn.Sequential(nn.Conv2d(1, 4, 3, stride=1, padding=1), nn.ReLU(), nn.MaxPool2d(2, stride=2))
        self.block2 = nn.Sequential(nn.Conv2d(4, 8, 3, stride=1, padding=1), nn.ReLU(), nn.MaxPool2d(2, stride=2))
        self.to_code = nn.Sequential(nn.Linear(392, 20), nn.ReLU(), nn.Linear(20, 2))
        self.from_code = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 392), nn.ReLU())
        self.block3 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 4, 3, stride=1, padding=1), nn.ReLU())
        self.block4 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(4, 1, 3, stride=1, padding=1), nn.Sigmoid())

    def encode(self, x):
        return self.to_code(torch.flatten(self.block2(self.block1(x)), 1))

    def forward(self, x):
        a = self.block1(x)
        b = self.block2(a)
        h = self.from_code(self.to_code(torch.flatten(b, 1))).view(-1, 8, 7, 7)
        h = self.block3(torch.add(h, b) if self.with_skips else h)
        return self.block4(torch.add(h, a) if self.with_skips else h)


def get_loaders(batch_size=32):
    transform = transforms.ToTensor()
    train_set = datasets.MNIST('./data', train=True, download=True, transform=transform)
    test_set = datasets.MNIST('./data', train=False, download=True, transform=transform)
    train_loader = torch.utils.data.DataLoader(train_set, batch_size=batch_size, shuffle=True)
    test_loader = torch.utils.data.DataLoader(test_set, batch_size=1000)
    return train_loader, test_loader


def train_model(model, train_loader, epochs=10, lr=0.002, noise=0, device='cpu'):
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        model.train()
        for images, _ in train_loader:
            images = images.to(device)
            noisy = images + torch.randn_like(images) * noise
            optimizer.zero_grad()
            loss = F.mse_loss(model(noisy), images)
            loss.backward()
            optimizer.step()
        print('epoch', epoch + 1, 'loss', loss.item())


def plot_results(model, test_loader, name, noise=0, device='cpu'):
    import matplotlib.pyplot as plt
    model.eval()
    images, labels = next(iter(test_loader))
    images = images + torch.randn_like(images) * noise
    with torch.no_grad():
        codes = model.encode(images.to(device))
        outputs = model(images.to(device)).cpu()
    plt.scatter(codes[:, 0].cpu(), codes[:, 1].cpu(), c=labels, cmap='tab10')
    plt.colorbar()
    plt.savefig(name + '_embedding.png')
    plt.close()
    fig, axes = plt.subplots(2, 6)
    for i in range(6):
        axes[0][i].imshow(images[i][0])
        axes[1][i].imshow(outputs[i][0])
    plt.savefig(name + '_reconstruction.png')
    plt.close()


if __name__ == '__main__':
    torch.manual_seed(0)
    train_loader, test_loader = get_loaders()
    # 6.1 and 6.2
    cae = ConvAE()
    train_model(cae, train_loader)
    torch.save(cae, 'mnist_cae.pt')
    plot_results(cae, test_loader, 'cae')
    skip = ConvAE(with_skips=True)
    train_model(skip, train_loader)
    torch.save(skip, 'mnist-cae-skip.pt')
    plot_results(skip, test_loader, 'cae_skip')
    # 6.3
    cae_noise = ConvAE()
    train_model(cae_noise, train_loader, noise=0.3)
    plot_results(cae_noise, test_loader, 'cae_noise', noise=0.3)
    skip_noise = ConvAE(with_skips=True)
    train_model(skip_noise, train_loader, noise=0.3)
    plot_results(skip_noise, test_loader, 'cae_skip_noise', noise=0.3)
