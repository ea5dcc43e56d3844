"""CNN after a well-known tutorial: forward also returns the flattened features, for a plot."""
import torch
import torch.nn as nn


class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels=1, out_channels=16, kernel_size=5, stride=1, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2),
        )
        self.conv2 = nn.Sequential(
            nn.Conv2d(16, 32, 5, 1, 2),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.out = nn.Linear(32 * 7 * 7, 10)

    def forward(self, x):
        x = self.conv1(x)
        x = self.conv2(x)
        x = x.view(x.size(0), -1)
        output = self.out(x)
        return output, x    # x for the picture of the last layer


def train(model, optimizer, train_loader, epochs):
    loss_func = nn.CrossEntropyLoss()
    costs = []
    for epoch in range(epochs):
        model.train()
        epoch_costs = []
        for step, (b_x, b_y) in enumerate(train_loader):
            output = model(b_x)[0]
            loss = loss_func(output, b_y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            epoch_costs.append(loss.item())
        costs.append(sum(epoch_costs) / len(epoch_costs))
        print('Epoch: ', epoch, '| train loss: %.4f' % costs[-1], '| train accuracy: %.3f' % accuracy(model, train_loader))
    return costs


def accuracy(model, loader):
    model.eval()
    right = 0.
    total = 0
    with torch.no_grad():
        for x, y in loader:
            test_output, last_layer = model(x)
            pred_y = torch.max(test_output, 1)[1].numpy()
            right += float((pred_y == y.numpy()).astype(int).sum())
            total += float(y.size(0))
    return right / total


if __name__ == '__main__':
    from mnist_data import make_loaders
    train_loader, test_loader = make_loaders('data', 50)
    cnn = CNN()
    print(cnn)
    train(cnn, torch.optim.Adam(cnn.parameters(), lr=0.001), train_loader, 2)
    print('test accuracy: %.3f' % accuracy(cnn, test_loader))
