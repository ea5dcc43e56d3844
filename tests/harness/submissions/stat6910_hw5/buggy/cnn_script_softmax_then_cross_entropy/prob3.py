#==============================================================================
# STAT 6910, Homework 5, PROBLEM 3
#==============================================================================
import torch
import torch.nn as nn
import torchvision.datasets as dset
import torchvision.transforms as transforms
import matplotlib.pyplot as plt

DATA = r'C:\Users\jordan\Documents\__USU\Stat 6910\hw5\data'

trans = transforms.Compose([transforms.ToTensor()])
full_train = dset.MNIST(root=DATA, train=True, transform=trans, download=True)
test_set = dset.MNIST(root=DATA, train=False, transform=trans, download=True)
n_train = int(len(full_train) * 5 / 6)
train_set, valid_set = torch.utils.data.random_split(full_train, [n_train, len(full_train) - n_train])

batch_size = 32
train_loader = torch.utils.data.DataLoader(train_set, batch_size=batch_size, shuffle=True)
valid_loader = torch.utils.data.DataLoader(valid_set, batch_size=batch_size, shuffle=False)
test_loader = torch.utils.data.DataLoader(test_set, batch_size=batch_size, shuffle=False)


class NeuralNet(nn.Module):
    def __init__(self):
        super(NeuralNet, self).__init__()
        self.fc1 = nn.Linear(784, 100)
        self.sig1 = nn.ReLU()
        self.fc2 = nn.Linear(100, 100)
        self.sig2 = nn.ReLU()
        self.fc3 = nn.Linear(100, 10)

    def forward(self, x):
        out = x.reshape(-1, 28*28)
        out = self.sig1(self.fc1(out))
        out = self.sig2(self.fc2(out))
        return self.fc3(out)


class NeuralNetBN(nn.Module):
    def __init__(self):
        super(NeuralNetBN, self).__init__()
        self.fc1 = nn.Linear(784, 100)
        self.bn1 = nn.BatchNorm1d(100)
        self.sig1 = nn.ReLU()
        self.fc2 = nn.Linear(100, 100)
        self.bn2 = nn.BatchNorm1d(100)
        self.sig2 = nn.ReLU()
        self.fc3 = nn.Linear(100, 10)

    def forward(self, x):
        out = x.reshape(-1, 28*28)
        out = self.sig1(self.bn1(self.fc1(out)))
        out = self.sig2(self.bn2(self.fc2(out)))
        return self.fc3(out)


criterion = nn.CrossEntropyLoss()
num_epochs = 3


def get_accuracy(model, loader):
    model.eval()
    correct = 0
    total = 0
    with torch.no_grad():
        for images, labels in loader:
            outputs = model(images)
            _, predicted = torch.max(outputs.data, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    return correct / total


def make_optimizer(name, parameters, **hp):
    makers = dict(sgd=torch.optim.SGD, momentum=torch.optim.SGD, adagrad=torch.optim.Adagrad, adam=torch.optim.Adam)
    settings = dict(sgd=dict(lr=0.5), momentum=dict(lr=0.05, momentum=0.9),
                    adagrad=dict(lr=0.01, lr_decay=1e-8), adam=dict(lr=0.003))
    if name not in makers:
        raise ValueError(name)
    settings[name].update(hp)
    return makers[name](parameters, **settings[name])


def train(model, optimizer, train_loader, validation_loader, epochs):
    cost_list = []
    acc_list = []
    for epoch in range(epochs):
        model.train()
        epoch_cost = 0
        for i, (images, labels) in enumerate(train_loader):
            optimizer.zero_grad()
            outputs = model(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            epoch_cost += loss.item()
        cost_list.append(epoch_cost / (i + 1))
        acc_list.append(get_accuracy(model, validation_loader))
        print('Epoch [{}/{}], cost: {:.4f}, validation accuracy: {:.2f}%'.format(
            epoch + 1, epochs, cost_list[-1], 100 * acc_list[-1]))
    return cost_list, acc_list


#==============================================================================
# 3.1: the four optimizers
#==============================================================================
results = {}
for name in ['sgd', 'momentum', 'adagrad', 'adam']:
    print('=' * 20, name)
    model = NeuralNet()
    optimizer = make_optimizer(name, model.parameters())
    results[name] = train(model, optimizer, train_loader, valid_loader, num_epochs)
    print('Final TEST accuracy:', round(100 * get_accuracy(model, test_loader), 3), '%')

for name in results:
    plt.plot(range(1, num_epochs + 1), results[name][0], label=name)
plt.xlabel('epoch')
plt.ylabel('training cost')
plt.legend()
plt.show()
for name in results:
    plt.plot(range(1, num_epochs + 1), results[name][1], label=name)
plt.xlabel('epoch')
plt.ylabel('validation accuracy')
plt.legend()
plt.show()

#==============================================================================
# 3.2: batch normalization
#==============================================================================
bn_model = NeuralNetBN()
bn_optimizer = make_optimizer('sgd', bn_model.parameters(), lr=2.0)
train(bn_model, bn_optimizer, train_loader, valid_loader, num_epochs)
print('Final TEST accuracy using BATCH NORMALIZATION:', round(100 * get_accuracy(bn_model, test_loader), 3), '%')
