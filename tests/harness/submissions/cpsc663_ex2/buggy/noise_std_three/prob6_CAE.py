"""Problem 6: the convolutional autoencoder; the version with skips is a subclass."""
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import nn

from prob5_AE import load


class ConvAE(nn.Module):

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, kernel_size=3, stride=1, padding=1)
        self.conv2 = nn.Conv2d(4, 8, kernel_size=3, stride=1, padding=1)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.to_code = nn.Sequential(nn.Flatten(), nn.Linear(392, 20), nn.ReLU(), nn.Linear(20, 2))
        self.from_code = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 392), nn.ReLU(),
                                       nn.Unflatten(1, (8, 7, 7)))
        self.up = nn.UpsamplingNearest2d(scale_factor=2)
        self.conv3 = nn.Conv2d(8, 4, kernel_size=3, padding="same")
        self.conv4 = nn.Conv2d(4, 1, kernel_size=3, padding="same")

    def features(self, x):
        first = self.pool(self.conv1(x).relu())
        return first, self.pool(self.conv2(first).relu())

    def encode(self, x):
        return self.to_code(self.features(x)[1])

    def merge(self, h, feature):
        return h

    def forward(self, x):
        first, second = self.features(x)
        h = self.from_code(self.to_code(second))
        h = self.conv3(self.up(self.merge(h, second))).relu()
        return self.conv4(self.up(self.merge(h, first))).sigmoid()


class ConvAEWithSkips(ConvAE):

    def merge(self, h, feature):
        return h + feature


def corrupt(x):
    return x + torch.distributions.Normal(0.0, 3.0).sample(x.shape)


def unchanged(x):
    return x


def fit(model, x, corruption=unchanged, epochs=10, size=50, lr=0.001):
    adam = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        model.train()
        running = 0.0
        for part in torch.randperm(len(x)).split(size):
            adam.zero_grad()
            error = (model(corruption(x[part])) - x[part]).pow(2).mean()
            error.backward()
            adam.step()
            running += error.item() * len(part)
        print(f"epoch {epoch + 1}: {running / len(x):.5f}")


@torch.no_grad()
def report(name, model, x, y, corruption=unchanged):
    model.eval()
    seen = corruption(x)
    out = model(seen)
    print(name, "test error", (out - x).pow(2).mean().item())
    z = model.encode(seen)
    fig, ax = plt.subplots()
    ax.scatter(z[:, 0].numpy(), z[:, 1].numpy(), c=y.numpy(), cmap="tab10", s=4)
    fig.savefig(name + "_embedding.png")
    plt.close(fig)
    strip = torch.cat([torch.cat(list(t[:10, 0]), 1) for t in (x, seen, out)])
    plt.imsave(name + "_reconstructions.png", strip.numpy(), cmap="gray", vmin=0, vmax=1)


def main():
    torch.manual_seed(0)
    x, _ = load(True)
    held = load(False)
    models = {"cae": ConvAE(), "cae_skip": ConvAEWithSkips()}
    for name, model in models.items():
        fit(model, x)
        report(name, model, *held)
    torch.save(models["cae"].state_dict(), "mnist_cae.pt")
    torch.save(models["cae_skip"].state_dict(), "mnist-cae-skip.pt")
    for name, model in {"denoising": ConvAE(), "denoising_skip": ConvAEWithSkips()}.items():
        fit(model, x, corrupt)
        report(name, model, *held, corrupt)


if __name__ == "__main__":
    main()
