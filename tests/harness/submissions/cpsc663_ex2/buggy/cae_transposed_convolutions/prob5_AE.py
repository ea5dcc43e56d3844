import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import matplotlib.pyplot as plt
from torchvision import datasets, transforms


class AutoEncoder(nn.Module):
    def __init__(self):
        super(AutoEncoder, self).__init__()
        # encoder
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 12)
        self.fc4 = nn.Linear(12, 2)
        # decoder
        self.fc5 = nn.Linear(2, 12)
        self.fc6 = nn.Linear(12, 64)
        self.fc7 = nn.Linear(64, 128)
        self.fc8 = nn.Linear(128, 784)

    def encoder(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = F.relu(self.fc3(x))
        return self.fc4(x)

    def decoder(self, x):
        x = F.relu(self.fc5(x))
        x = F.relu(self.fc6(x))
        x = F.relu(self.fc7(x))
        return torch.sigmoid(self.fc8(x))

    def forward(self, x):
        x = x.view(-1, 784)
        encoded = self.encoder(x)
        decoded = self.decoder(encoded)
        return encoded, decoded


def train(model, device, train_loader, optimizer, criterion, epoch):
    model.train()
    running_loss = 0
    for data, target in train_loader:
        data = data.to(device)
        optimizer.zero_grad()
        encoded, decoded = model(data)
        loss = criterion(decoded, data.view(-1, 784))
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print('Epoch: {} Loss: {:.4f}'.format(epoch, running_loss / len(train_loader)))


def test(model, device, test_loader):
    model.eval()
    codes, labels, originals, outputs = [], [], [], []
    with torch.no_grad():
        for data, target in test_loader:
            encoded, decoded = model(data.to(device))
            codes.append(encoded.cpu())
            labels.append(target)
            originals.append(data)
            outputs.append(decoded.cpu())
    return torch.cat(codes), torch.cat(labels), torch.cat(originals), torch.cat(outputs)


def main():
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    train_loader = torch.utils.data.DataLoader(
        datasets.MNIST('data', train=True, download=True, transform=transforms.ToTensor()), batch_size=64, shuffle=True)
    test_loader = torch.utils.data.DataLoader(
        datasets.MNIST('data', train=False, transform=transforms.ToTensor()), batch_size=64, shuffle=False)
    model = AutoEncoder().to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.001)
    criterion = nn.BCELoss()
    for epoch in range(1, 11):
        train(model, device, train_loader, optimizer, criterion, epoch)
    torch.save(model.state_dict(), 'mnist_ae.pt')
    codes, labels, originals, outputs = test(model, device, test_loader)
    plt.figure()
    plt.scatter(codes[:, 0], codes[:, 1], c=labels, cmap='tab10', s=3)
    plt.colorbar()
    plt.savefig('prob5_codes.png')
    plt.close()
    plt.figure(figsize=(20, 4))
    for i in range(10):
        plt.subplot(2, 10, i + 1)
        plt.imshow(originals[i].reshape(28, 28), cmap='gray')
        plt.subplot(2, 10, i + 11)
        plt.imshow(outputs[i].reshape(28, 28), cmap='gray')
    plt.savefig('prob5_images.png')
    plt.close()


if __name__ == '__main__':
    main()
