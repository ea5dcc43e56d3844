"""Problem 5.4: two-dimensional autoencoder, MNIST in memory."""
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import nn
from torchvision.datasets import MNIST


class LinearAutoEncoder(nn.Module):

    def __init__(self, widths=(784, 300, 100, 30, 2)):
        super().__init__()
        pairs = list(zip(widths[:-1], widths[1:]))
        self.down = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.up = nn.ModuleList(nn.Linear(b, a) for a, b in reversed(pairs))

    def embed(self, images):
        h = images.reshape(-1, 784)
        for layer in self.down[:-1]:
            h = layer(h).relu()
        return self.down[-1](h)

    def reconstruct(self, z):
        h = z
        for layer in self.up[:-1]:
            h = layer(h).relu()
        return self.up[-1](h).sigmoid()

    def forward(self, images):
        return self.reconstruct(self.embed(images)).reshape(images.shape)


def load(train):
    source = MNIST("data", train=train, download=True)
    return source.data[:, None].float() / 255, source.targets


def fit(model, x, epochs=10, size=100, lr=0.001):
    adam = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        model.train()
        running = 0.0
        for part in torch.randperm(len(x)).split(size):
            adam.zero_grad()
            error = (model(x[part]) - x[part]).pow(2).mean()
            error.backward()
            adam.step()
            running += error.item() * len(part)
        print(f"epoch {epoch + 1}: {running / len(x):.5f}")


@torch.no_grad()
def report(model, x, y):
    model.eval()
    print("test error", (model(x) - x).pow(2).mean().item())
    z = model.embed(x)
    fig, ax = plt.subplots()
    ax.scatter(z[:, 0].numpy(), z[:, 1].numpy(), c=y.numpy(), cmap="tab10", s=4)
    fig.savefig("embedding.png")
    pairs = torch.cat([x[:10].flatten(2), model(x[:10]).flatten(2)], 2).view(20, 28, 28)
    plt.imsave("reconstructions.png", torch.cat(list(pairs), 1).numpy(), cmap="gray")


def main():
    torch.manual_seed(0)
    model = LinearAutoEncoder()
    fit(model, load(True)[0])
    report(model, *load(False))
    torch.save(model.state_dict(), "mnist_ae.pt")


if __name__ == "__main__":
    main()
