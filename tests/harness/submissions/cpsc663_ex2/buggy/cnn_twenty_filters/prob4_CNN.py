import argparse
import numpy as np
import torch, torchvision
import torch.nn as nn, torch.nn.functional as F
import matplotlib.pyplot as plt
from tqdm import tqdm
from torchvision.utils import save_image

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--bs", type=int, default=64)
parser.add_argument("--log_interval", type=int, default=50)
args = parser.parse_args()

device = "cuda" if torch.cuda.is_available() else "cpu"
tt = torchvision.transforms.ToTensor()
train_data = torchvision.datasets.MNIST("./data", train=True, transform=tt, download=True)
test_data = torchvision.datasets.MNIST("./data", train=False, transform=tt, download=True)
train_loader = torch.utils.data.DataLoader(train_data, args.bs, shuffle=True)
test_loader = torch.utils.data.DataLoader(test_data, args.bs)

class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)
    def forward(self, x):
        x = F.max_pool2d(self.conv1(x).relu(), 2)
        x = F.max_pool2d(self.conv2(x).relu(), 2)
        x = self.fc1(torch.flatten(x, 1)).relu()
        return self.fc2(x).log_softmax(1)

def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for x, y in tqdm(train_loader, desc=f"epoch {epoch}"):
        x, y = x.to(device), y.to(device)
        loss = F.nll_loss(model(x), y)
        optimizer.zero_grad(); loss.backward(); optimizer.step()

def test(args, model, device, test_loader, epoch):
    model.eval()
    cm = np.zeros((10, 10), dtype=int)
    with torch.no_grad():
        for x, y in test_loader:
            p = model(x.to(device)).argmax(1).cpu()
            for t, q in zip(y.tolist(), p.tolist()):
                cm[t, q] += 1
    print("epoch", epoch, "accuracy", np.trace(cm) / cm.sum())
    if epoch == args.epochs:
        save_image(model.conv1.weight.detach().cpu(), "filters.png", nrow=8, normalize=True, padding=1)
        print(cm)
        plt.imshow(cm, cmap="Blues")
        plt.xlabel("predicted"); plt.ylabel("true"); plt.colorbar()
        plt.savefig("confusion.png")
        plt.show()

model = CNN().to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.5)
for epoch in range(1, args.epochs + 1):
    train(args, model, device, train_loader, optimizer, epoch)
    test(args, model, device, test_loader, epoch)
