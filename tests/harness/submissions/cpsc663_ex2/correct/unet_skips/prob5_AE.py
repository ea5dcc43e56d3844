import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
import torch.nn as nn
from torchvision import datasets, transforms


class Bottleneck(nn.Module):
    """Encoder and decoder of problem 5 as lists of layers, run one after the other."""

    def __init__(self):
        super().__init__()
        sizes = [784, 350, 150, 50, 2]
        self.encoder = nn.Sequential()
        self.decoder = nn.Sequential()
        for i in range(4):
            self.encoder.add_module("linear%d" % i, nn.Linear(sizes[i], sizes[i + 1]))
            if i < 3:
                self.encoder.add_module("relu%d" % i, nn.ReLU())
        for i in range(4, 0, -1):
            self.decoder.add_module("linear%d" % i, nn.Linear(sizes[i], sizes[i - 1]))
            self.decoder.add_module("act%d" % i, nn.ReLU() if i > 1 else nn.Sigmoid())

    def forward(self, x):
        code = self.encoder(torch.flatten(x, 1))
        return {"code": code, "output": self.decoder(code).view_as(x)}


def main():
    torch.manual_seed(7)
    load = lambda train: torch.utils.data.DataLoader(
        datasets.MNIST("data", train=train, download=True, transform=transforms.ToTensor()), batch_size=50, shuffle=train)
    training, testing = load(True), load(False)
    net = Bottleneck()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(12):
        net.train()
        for x, _ in training:
            adam.zero_grad()
            loss = nn.functional.mse_loss(net(x)["output"], x)
            loss.backward()
            adam.step()
        print(epoch, float(loss))
    net.eval()
    with torch.no_grad():
        x, y = next(iter(testing))
        result = net(x)
    torch.save(net.state_dict(), "mnist_ae.pt")
    plt.scatter(result["code"][:, 0], result["code"][:, 1], c=y, cmap="tab10")
    plt.savefig("codes.png")
    plt.imsave("pairs.png", torch.cat([torch.cat([*t[:10, 0]], 1) for t in (x, result["output"])]).numpy())


if __name__ == "__main__":
    main()
