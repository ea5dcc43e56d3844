import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import argparse
import matplotlib.pyplot as plt
from sklearn import metrics
from torchvision import datasets, transforms
from torchvision.utils import make_grid


class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(1, 40, 5), nn.ReLU(), nn.MaxPool2d(2))
        self.layer2 = nn.Sequential(nn.Conv2d(40, 80, 5), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Linear(1280, 500), nn.ReLU(), nn.Linear(500, 10))

    def forward(self, x):
        x = self.layer1(x)
        x = self.layer2(x)
        x = x.view(x.shape[0], -1)
        x = self.classifier(x)
        return F.log_softmax(x, dim=1)


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()


def test(args, model, device, test_loader, epoch):
    model.eval()
    all_preds = torch.tensor([], dtype=torch.long)
    all_labels = torch.tensor([], dtype=torch.long)
    with torch.no_grad():
        for data, target in test_loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            pred = output.max(1, keepdim=True)[1].squeeze(1)
            all_preds = torch.cat((all_preds, pred.cpu()))
            all_labels = torch.cat((all_labels, target.cpu()))
    acc = metrics.accuracy_score(all_labels, all_preds)
    print('Epoch: {} Test accuracy: {:.2f}%'.format(epoch, 100. * acc))

    # only on the last epoch
    if epoch == args.epochs:
        # part a: filters
        kernels = model.layer1[0].weight.detach().clone().cpu()
        kernels = kernels - kernels.min()
        kernels = kernels / kernels.max()
        img = make_grid(kernels, nrow=10)
        plt.figure(figsize=(10, 4))
        plt.imshow(img.permute(1, 2, 0))
        plt.axis('off')
        plt.savefig('prob4_filters.png')
        plt.close()
        # part b: confusion matrix
        cm = metrics.confusion_matrix(y_true=all_labels, y_pred=all_preds)
        plt.figure(figsize=(10, 7))
        plt.imshow(cm, cmap='Oranges')
        plt.colorbar()
        plt.xlabel('Predicted label')
        plt.ylabel('True label')
        plt.savefig('prob4_confusion.png')
        plt.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--epochs', type=int, default=5)
    parser.add_argument('--lr', type=float, default=0.01)
    args, _ = parser.parse_known_args()
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train_loader = torch.utils.data.DataLoader(
        datasets.MNIST('data', train=True, download=True, transform=transform), batch_size=64, shuffle=True)
    test_loader = torch.utils.data.DataLoader(
        datasets.MNIST('data', train=False, transform=transform), batch_size=64, shuffle=False)
    model = CNN().to(device)
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.5)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(args, model, device, test_loader, epoch)


if __name__ == '__main__':
    main()
