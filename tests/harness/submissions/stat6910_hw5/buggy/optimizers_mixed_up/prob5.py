import torch
import torch.nn.functional as F
from torch import nn


class CNN(nn.Module):
    """conv-conv-pool would be more modern, but the handout wants a pooling behind each convolution."""

    def __init__(self, channels1=24, channels2=48, hidden=64):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels1, 5, stride=1)
        self.conv2 = nn.Conv2d(channels1, channels2, 3)
        with torch.no_grad():
            size = self.features(torch.zeros(1, 1, 28, 28)).shape[1]
        self.fc1 = nn.Linear(size, hidden)
        self.fc2 = nn.Linear(hidden, 10)

    def features(self, x):
        x = F.max_pool2d(self.conv1(x), (2, 2)).relu()
        x = F.max_pool2d(self.conv2(x), (2, 2)).relu()
        return x.flatten(1)

    def forward(self, x):
        x = F.relu(self.fc1(self.features(x)))
        x = F.dropout(x, 0.4, training=self.training)
        return self.fc2(x)


def train(model, optimizer, train_loader, epochs):
    model.cuda()
    costs = []
    for epoch in range(epochs):
        model.train()
        running = []
        for images, labels in train_loader:
            images, labels = images.cuda(), labels.cuda()
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            running.append(loss.item())
        costs.append(sum(running) / len(running))
        print(f"epoch {epoch}: cost {costs[-1]:.3f}")
    return costs


def accuracy(model, loader):
    model.eval()
    hits = 0
    n = 0
    with torch.no_grad():
        for images, labels in loader:
            hits += (model(images.cuda()).argmax(1) == labels.cuda()).sum().item()
            n += images.shape[0]
    return hits / n


cnn = CNN()

if __name__ == "__main__":
    from mnist_data import make_loaders
    train_loader, test_loader = make_loaders("data", 100)
    train(cnn, torch.optim.SGD(cnn.parameters(), lr=0.1, momentum=0.9), train_loader, 3)
    print("accuracy on the test data:", accuracy(cnn, test_loader))
