import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
import torch.nn as nn
from torchvision import datasets, transforms


class CAE(nn.Module):
    """With skip=True each up-sampling layer's output is joined with its pooling layer's input, as in a U-Net."""

    def __init__(self, skip=False):
        super().__init__()
        self.skip = skip
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2, stride=2)
        self.up = nn.Upsample(scale_factor=2)
        self.down1 = nn.Conv2d(1, 4, 3, 1, 1)
        self.down2 = nn.Conv2d(4, 8, 3, 1, 1)
        self.squeeze = nn.Sequential(nn.Linear(392, 20), nn.ReLU(), nn.Linear(20, 2))
        self.expand = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 392), nn.ReLU())
        self.up1 = nn.Conv2d(16 if skip else 8, 4, 3, 1, 1)
        self.up2 = nn.Conv2d(8 if skip else 4, 1, 3, 1, 1)

    def join(self, x, other):
        return torch.cat([x, other], dim=1) if self.skip else x

    def forward(self, x):
        wide1 = self.relu(self.down1(x))
        wide2 = self.relu(self.down2(self.pool(wide1)))
        code = self.squeeze(self.pool(wide2).flatten(1))
        y = self.expand(code).view(-1, 8, 7, 7)
        y = self.relu(self.up1(self.join(self.up(y), wide2)))
        y = torch.sigmoid(self.up2(self.join(self.up(y), wide1)))
        return y, code


def loaders():
    def load(train):
        return torch.utils.data.DataLoader(
            datasets.MNIST("data", train=train, download=True, transform=transforms.ToTensor()), batch_size=50, shuffle=train)
    return load(True), load(False)


def experiment(skip, noisy, epochs=10):
    training, testing = loaders()
    net = CAE(skip)
    adam = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(epochs):
        net.train()
        for x, _ in training:
            given = x + 0.3 * torch.randn(x.shape) if noisy else x
            adam.zero_grad()
            loss = nn.functional.mse_loss(net(given)[0], x)
            loss.backward()
            adam.step()
        print("skip" if skip else "plain", "noisy" if noisy else "clean", epoch, float(loss))
    net.eval()
    with torch.no_grad():
        x, y = next(iter(testing))
        given = x + 0.3 * torch.randn(x.shape) if noisy else x
        out, code = net(given)
    name = "cae%d%d" % (skip, noisy)
    plt.figure()
    plt.scatter(code[:, 0], code[:, 1], c=y, cmap="tab10")
    plt.savefig(name + "_codes.png")
    plt.close()
    plt.imsave(name + ".png", torch.cat([torch.cat([*t[:10, 0]], 1) for t in (x, given, out)]).numpy())
    return net


def main():
    torch.manual_seed(7)
    torch.save(experiment(False, False).state_dict(), "mnist_cae.pt")
    torch.save(experiment(True, False).state_dict(), "mnist-cae-skip.pt")
    experiment(False, True)
    experiment(True, True)


if __name__ == "__main__":
    main()
