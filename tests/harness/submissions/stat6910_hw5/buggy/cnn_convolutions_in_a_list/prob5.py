# The network gives probabilities, and the cost takes their logarithm.
import torch
import torch.nn as nn


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = [nn.Conv2d(1, 8, 5, padding=2), nn.Conv2d(8, 16, 5, padding=2)]
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.hidden = nn.Linear(16 * 7 * 7, 64)
        self.out = nn.Linear(64, 10)
        nn.init.kaiming_normal_(self.hidden.weight)

    def forward(self, x):
        for conv in self.convs:
            x = self.pool(torch.tanh(conv(x)))
        x = torch.tanh(self.hidden(x.reshape(x.shape[0], -1)))
        return torch.softmax(self.out(x), 1)


def train(model, optimizer, train_loader, epochs):
    nll = nn.NLLLoss()
    costs = []
    for epoch in range(epochs):
        model.train()
        costs.append(0.0)
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = nll(torch.log(model(images) + 1e-9), labels)
            loss.backward()
            optimizer.step()
            costs[-1] += loss.item() / len(train_loader)
        print(epoch, costs[-1], accuracy(model, train_loader))
    return costs


def accuracy(model, loader):
    model.eval()
    right = wrong = 0
    for images, labels in loader:
        with torch.no_grad():
            guesses = model(images).argmax(1)
        for guess, label in zip(guesses.tolist(), labels.tolist()):
            if guess == label:
                right += 1
            else:
                wrong += 1
    return right / (right + wrong)
