import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms


class Autoencoder(nn.Module):
    def __init__(self):
        super(Autoencoder, self).__init__()
        self.enc1 = nn.Linear(784, 256)
        self.enc2 = nn.Linear(256, 128)
        self.enc3 = nn.Linear(128, 32)
        self.enc4 = nn.Linear(32, 2)
        self.dec1 = nn.Linear(2, 32)
        self.dec2 = nn.Linear(32, 128)
        self.dec3 = nn.Linear(128, 256)
        self.dec4 = nn.Linear(256, 784)

    def encode(self, x):
        x = x.view(x.size(0), -1)
        x = F.relu(self.enc1(x))
        x = F.relu(self.enc2(x))
        x = F.relu(self.enc3(x))
        return self.enc4(x)

    def decode(self, z):
        z = F.relu(self.dec1(z))
        z = F.relu(self.dec2(z))
        z = F.relu(self.dec3(z))
        return torch.sigmoid(self.dec4(z)).view(-1, 1, 28, 28)

    def forward(self, x):
        return self.decode(self.encode(x))


def get_loaders(batch_size=32):
    transform = transforms.ToTensor()
    train_set = datasets.MNIST('./data', train=True, download=True, transform=transform)
    test_set = datasets.MNIST('./data', train=False, download=True, transform=transform)
    train_loader = torch.utils.data.DataLoader(train_set, batch_size=batch_size, shuffle=True)
    test_loader = torch.utils.data.DataLoader(test_set, batch_size=1000)
    return train_loader, test_loader


def train_model(model, train_loader, epochs=10, lr=0.001, device='cpu'):
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        model.train()
        for images, _ in train_loader:
            images = images.to(device)
            optimizer.zero_grad()
            loss = F.mse_loss(model(images), images)
            loss.backward()
            optimizer.step()
        print('epoch', epoch + 1, 'loss', loss.item())


def plot_results(model, test_loader, device='cpu'):
    import matplotlib.pyplot as plt
    model.eval()
    images, labels = next(iter(test_loader))
    with torch.no_grad():
        codes = model.encode(images.to(device)).cpu()
        outputs = model(images.to(device)).cpu()
    plt.scatter(codes[:, 0], codes[:, 1], c=labels, cmap='tab10')
    plt.colorbar()
    plt.savefig('prob5_embedding.png')
    plt.close()
    fig, axes = plt.subplots(2, 6)
    for i in range(6):
        axes[0][i].imshow(images[i][0])
        axes[1][i].imshow(outputs[i][0])
    plt.savefig('prob5_reconstruction.png')
    plt.close()


if __name__ == '__main__':
    torch.manual_seed(0)
    train_loader, test_loader = get_loaders()
    model = Autoencoder()
    train_model(model, train_loader, epochs=20)
    torch.save(model.state_dict(), 'mnist_ae.pt')
    plot_results(model, test_loader)
