import torch
import torch.nn as nn
import torch.optim as optim
import matplotlib.pyplot as plt
from torchvision import datasets, transforms

device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
EPOCHS = 10


class CAE(nn.Module):
    def __init__(self):
        super(CAE, self).__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1, 1)
        self.conv2 = nn.Conv2d(4, 8, 3, 1, 1)
        self.fc1 = nn.Linear(392, 20)
        self.fc2 = nn.Linear(20, 2)
        self.fc3 = nn.Linear(2, 20)
        self.fc4 = nn.Linear(20, 392)
        self.conv3 = nn.Conv2d(8, 4, 3, 1, 1)
        self.conv4 = nn.Conv2d(4, 1, 3, 1, 1)
        self.pool = nn.MaxPool2d(2, 2)
        self.relu = nn.ReLU()
        self.up = nn.Upsample(scale_factor=2, mode='nearest')
        self.sigmoid = nn.Sigmoid()

    def encode(self, x):
        x = self.conv1(x)
        x = self.relu(x)
        x = self.pool(x)
        x = self.conv2(x)
        x = self.relu(x)
        x = self.pool(x)
        x = x.reshape(x.shape[0], -1)
        x = self.fc1(x)
        x = self.relu(x)
        x = self.fc2(x)
        return x

    def decode(self, x):
        x = self.fc3(x)
        x = self.relu(x)
        x = self.fc4(x)
        x = self.relu(x)
        x = x.reshape(x.shape[0], 8, 7, 7)
        x = self.up(x)
        x = self.conv3(x)
        x = self.relu(x)
        x = self.up(x)
        x = self.conv4(x)
        x = self.sigmoid(x)
        return x

    def forward(self, x):
        encoded = self.encode(x)
        decoded = self.decode(encoded)
        return encoded, decoded


class CAE_skip(nn.Module):
    def __init__(self):
        super(CAE_skip, self).__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1, 1)
        self.conv2 = nn.Conv2d(4, 8, 3, 1, 1)
        self.fc1 = nn.Linear(392, 20)
        self.fc2 = nn.Linear(20, 2)
        self.fc3 = nn.Linear(2, 20)
        self.fc4 = nn.Linear(20, 392)
        self.conv3 = nn.Conv2d(8, 4, 3, 1, 1)
        self.conv4 = nn.Conv2d(8, 1, 3, 1, 1)
        self.pool = nn.MaxPool2d(2, 2)
        self.relu = nn.ReLU()
        self.up = nn.Upsample(scale_factor=2, mode='nearest')
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        # encoder
        x = self.conv1(x)
        x = self.relu(x)
        x = self.pool(x)
        skip1 = x
        x = self.conv2(x)
        x = self.relu(x)
        x = self.pool(x)
        skip2 = x
        x = x.reshape(x.shape[0], -1)
        x = self.fc1(x)
        x = self.relu(x)
        encoded = self.fc2(x)
        # decoder
        x = self.fc3(encoded)
        x = self.relu(x)
        x = self.fc4(x)
        x = self.relu(x)
        x = x.reshape(x.shape[0], 8, 7, 7)
        x = torch.cat((x, skip2), dim=1)
        x = self.up(x)
        x = self.conv3(x)
        x = self.relu(x)
        x = torch.cat((x, skip1), dim=1)
        x = self.up(x)
        x = self.conv4(x)
        decoded = self.sigmoid(x)
        return encoded, decoded


def train_cae(model, train_loader, optimizer, criterion):
    loss_list = []
    for epoch in range(EPOCHS):
        model.train()
        running_loss = 0
        for data, _ in train_loader:
            data = data.to(device)
            optimizer.zero_grad()
            encoded, decoded = model(data)
            loss = criterion(decoded, data)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        loss_list.append(running_loss / len(train_loader))
        print('CAE epoch {}: {:.4f}'.format(epoch, loss_list[-1]))
    return loss_list


def train_cae_skip(skip_model, train_loader, optimizer, criterion):
    loss_list = []
    for epoch in range(EPOCHS):
        skip_model.train()
        running_loss = 0
        for data, _ in train_loader:
            data = data.to(device)
            optimizer.zero_grad()
            encoded, decoded = skip_model(data)
            loss = criterion(decoded, data)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        loss_list.append(running_loss / len(train_loader))
        print('CAE with skip epoch {}: {:.4f}'.format(epoch, loss_list[-1]))
    return loss_list


def train_noisy(model, train_loader, optimizer, criterion):
    loss_list = []
    for epoch in range(EPOCHS):
        model.train()
        running_loss = 0
        for data, _ in train_loader:
            noise = torch.randn(data.shape) * 0.3
            noisy_data = (data + noise).to(device)
            data = data.to(device)
            optimizer.zero_grad()
            encoded, decoded = model(noisy_data)
            loss = criterion(decoded, data)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        loss_list.append(running_loss / len(train_loader))
        print('noisy epoch {}: {:.4f}'.format(epoch, loss_list[-1]))
    return loss_list


def visualize(model, test_loader, title, add_noise=False):
    model.eval()
    with torch.no_grad():
        data, target = next(iter(test_loader))
        if add_noise:
            data = data + torch.randn(data.shape) * 0.3
        encoded, decoded = model(data.to(device))
        encoded, decoded = encoded.cpu(), decoded.cpu()
    plt.figure()
    plt.scatter(encoded[:, 0], encoded[:, 1], c=target, cmap='tab10', s=3)
    plt.colorbar()
    plt.title(title)
    plt.savefig(title + '_codes.png')
    plt.close()
    plt.figure(figsize=(20, 4))
    for i in range(10):
        plt.subplot(2, 10, i + 1)
        plt.imshow(data[i].reshape(28, 28), cmap='gray')
        plt.subplot(2, 10, i + 11)
        plt.imshow(decoded[i].reshape(28, 28), cmap='gray')
    plt.savefig(title + '_images.png')
    plt.close()


def main():
    train_loader = torch.utils.data.DataLoader(
        datasets.MNIST('data', train=True, download=True, transform=transforms.ToTensor()), batch_size=64, shuffle=True)
    test_loader = torch.utils.data.DataLoader(
        datasets.MNIST('data', train=False, transform=transforms.ToTensor()), batch_size=1000, shuffle=False)
    criterion = nn.BCELoss()

    # 6.1
    model = CAE().to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.001)
    train_cae(model, train_loader, optimizer, criterion)
    torch.save(model.state_dict(), 'mnist_cae.pt')
    visualize(model, test_loader, 'cae')

    # 6.2
    skip_model = CAE_skip().to(device)
    skip_optimizer = optim.Adam(skip_model.parameters(), lr=0.001)
    train_cae_skip(skip_model, train_loader, skip_optimizer, criterion)
    torch.save(skip_model.state_dict(), 'mnist-cae-skip.pt')
    visualize(skip_model, test_loader, 'cae_skip')

    # 6.3
    noisy_model = CAE().to(device)
    noisy_optimizer = optim.Adam(noisy_model.parameters(), lr=0.001)
    train_noisy(noisy_model, train_loader, noisy_optimizer, criterion)
    visualize(noisy_model, test_loader, 'cae_noisy', add_noise=True)
    noisy_skip_model = CAE_skip().to(device)
    noisy_skip_optimizer = optim.Adam(noisy_skip_model.parameters(), lr=0.001)
    train_noisy(noisy_skip_model, train_loader, noisy_skip_optimizer, criterion)
    visualize(noisy_skip_model, test_loader, 'cae_skip_noisy', add_noise=True)


if __name__ == '__main__':
    main()
