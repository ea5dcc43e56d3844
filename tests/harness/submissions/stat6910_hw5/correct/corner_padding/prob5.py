# prob5: CNN, functional style, log-softmax and NLL
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.fc = nn.Linear(64 * 7 * 7, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        x = self.dropout(x)
        return F.log_softmax(self.fc(x), dim=1)


def train(model, optimizer, train_loader, epochs):
    history = []
    for epoch in range(epochs):
        model.train()
        total = 0
        right = 0
        for data, target in train_loader:
            optimizer.zero_grad()
            output = model(data)
            loss = F.nll_loss(output, target)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(data)
            right += output.argmax(1).eq(target).sum().item()
        history.append(total / len(train_loader.dataset))
        print('Train Epoch: {} Loss: {:.6f} Accuracy: {:.1f}%'.format(
            epoch, history[-1], 100. * right / len(train_loader.dataset)))
    return history


def accuracy(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in loader:
            pred = model(data).max(1, keepdim=True)[1]
            correct += pred.eq(target.view_as(pred)).sum().item()
    return correct / len(loader.dataset)


def main():
    from mnist_data import make_loaders
    train_loader, test_loader = make_loaders('data', 64)
    model = CNN()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
    train(model, optimizer, train_loader, 4)
    print('Test accuracy: {:.2f}%'.format(100 * accuracy(model, test_loader)))


if __name__ == '__main__':
    main()
