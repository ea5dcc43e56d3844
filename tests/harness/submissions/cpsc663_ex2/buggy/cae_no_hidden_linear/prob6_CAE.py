import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms


class ConvAE(nn.Module):
    def __init__(self):
        super(ConvAE, self).__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1, 1)
        self.conv2 = nn.Conv2d(4, 8, 3, 1, 1)
        self.fc1 = nn.Linear(392, 2)
        self.fc3 = nn.Linear(2, 20)
        self.fc4 = nn.Linear(20, 392)
        self.conv3 = nn.Conv2d(8, 4, 3, 1, 1)
        self.conv4 = nn.Conv2d(4, 1, 3, 1, 1)

    def encode(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2, 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2, 2)
        return self.fc1(x.view(-1, 392))

    def decode(self, z):
        z = F.relu(self.fc3(z))
        z = F.relu(self.fc4(z)).view(-1, 8, 7, 7)
        z = F.relu(self.conv3(F.interpolate(z, scale_factor=2)))
        return torch.sigmoid(self.conv4(F.interpolate(z, scale_factor=2)))

    def forward(self, x):
        return self.decode(self.encode(x))


class ConvAESkip(nn.Module):
    def __init__(self):
        super(ConvAESkip, self).__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1, 1)
        self.conv2 = nn.Conv2d(4, 8, 3, 1, 1)
        self.fc1 = nn.Linear(392, 20)
        self.fc2 = nn.Linear(20, 2)
        self.fc3 = nn.Linear(2, 20)
        self.fc4 = nn.Linear(20, 392)
        self.conv3 = nn.Conv2d(16, 4, 3, 1, 1)
        self.conv4 = nn.Conv2d(8, 1, 3, 1, 1)

    def encode(self, x):
        p1 = F.max_pool2d(F.relu(self.conv1(x)), 2, 2)
        p2 = F.max_pool2d(F.relu(self.conv2(p1)), 2, 2)
        return self.fc2(F.relu(self.fc1(p2.view(-1, 392)))), p1, p2

    def forward(self, x):
        z, p1, p2 = self.encode(x)
        z = F.relu(self.fc3(z))
        z = F.relu(self.fc4(z)).view(-1, 8, 7, 7)
        z = F.interpolate(torch.cat([z, p2], 1), scale_factor=2)
        z = F.relu(self.conv3(z))
        z = F.interpolate(torch.cat([z, p1], 1), scale_factor=2)
        return torch.sigmoid(self.conv4(z))


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
        codes = codes[0] if isinstance(codes, tuple) else codes
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
    torch.save(cae.state_dict(), 'mnist_cae.pt')
    plot_results(cae, test_loader, 'cae')
    skip = ConvAESkip()
    train_model(skip, train_loader)
    torch.save(skip.state_dict(), 'mnist-cae-skip.pt')
    plot_results(skip, test_loader, 'cae_skip')
    # 6.3
    cae_noise = ConvAE()
    train_model(cae_noise, train_loader, noise=0.3)
    plot_results(cae_noise, test_loader, 'cae_noise', noise=0.3)
    skip_noise = ConvAESkip()
    train_model(skip_noise, train_loader, noise=0.3)
    plot_results(skip_noise, test_loader, 'cae_skip_noise', noise=0.3)
