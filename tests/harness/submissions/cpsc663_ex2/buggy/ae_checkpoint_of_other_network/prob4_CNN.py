from __future__ import print_function
import argparse

import matplotlib.pyplot as plt
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from torchvision import datasets, transforms


class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()
        self.conv1 = nn.Conv2d(1, 40, 5, 1)
        self.conv2 = nn.Conv2d(40, 80, 5, 1)
        self.fc1 = nn.Linear(4*4*80, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(x, 2, 2)
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2, 2)
        x = x.view(-1, 4*4*80)
        x = F.relu(self.fc1(x))
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for i, (images, labels) in enumerate(train_loader):
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        if i % args.log_interval == 0:
            print('Epoch {} [{}/{}]\tloss {:.5f}'.format(epoch, i * len(images), len(train_loader.dataset), loss.item()))


def test(args, model, device, test_loader, epoch):
    model.eval()
    test_loss = 0
    correct = 0
    y_true, y_pred = [], []
    with torch.no_grad():
        for images, labels in test_loader:
            images, labels = images.to(device), labels.to(device)
            output = model(images)
            test_loss += F.nll_loss(output, labels, reduction='sum').item()
            pred = output.argmax(dim=1)
            correct += (pred == labels).sum().item()
            y_true.extend(labels.cpu().tolist())
            y_pred.extend(pred.cpu().tolist())
    n = len(test_loader.dataset)
    print('Epoch {}: test loss {:.4f}, accuracy {}/{}'.format(epoch, test_loss / n, correct, n))
    if epoch == args.epochs:
        plot_filters(model)
        plot_confusion(y_true, y_pred)


def plot_filters(model):
    w = model.conv1.weight.data.cpu()
    fig = plt.figure(figsize=(10, 6))
    for i in range(40):
        ax = fig.add_subplot(5, 8, i + 1)
        ax.imshow(w[i, 0], cmap='gray')
        ax.set_xticks([])
        ax.set_yticks([])
    fig.suptitle('conv1 filters after training')
    plt.savefig('conv1_filters.png')
    plt.close(fig)


def plot_confusion(y_true, y_pred):
    cm = confusion_matrix(y_true, y_pred)
    print(cm)
    ConfusionMatrixDisplay(cm).plot()
    plt.savefig('confusion_matrix.png')
    plt.close()


def main():
    parser = argparse.ArgumentParser(description='MNIST CNN')
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--test-batch-size', type=int, default=100)
    parser.add_argument('--epochs', type=int, default=5)
    parser.add_argument('--lr', type=float, default=0.01)
    parser.add_argument('--momentum', type=float, default=0.5)
    parser.add_argument('--no-cuda', action='store_true', default=False)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--log-interval', type=int, default=100)
    args = parser.parse_args()
    use_cuda = not args.no_cuda and torch.cuda.is_available()
    torch.manual_seed(args.seed)
    device = torch.device('cuda' if use_cuda else 'cpu')
    kwargs = {'num_workers': 1, 'pin_memory': True} if use_cuda else {}
    tf = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train_loader = torch.utils.data.DataLoader(datasets.MNIST('../data', train=True, download=True, transform=tf),
                                               batch_size=args.batch_size, shuffle=True, **kwargs)
    test_loader = torch.utils.data.DataLoader(datasets.MNIST('../data', train=False, transform=tf),
                                              batch_size=args.test_batch_size, shuffle=True, **kwargs)
    model = CNN().to(device)
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(args, model, device, test_loader, epoch)


if __name__ == '__main__':
    main()
