# problem 6, run as: python prob6_CAE.py
import torch, torchvision
import torch.nn as nn, torch.nn.functional as F
import matplotlib.pyplot as plt
from tqdm import tqdm

EPOCHS, LR, BATCH = 10, 1e-3, 64
device = "cuda" if torch.cuda.is_available() else "cpu"
tt = torchvision.transforms.ToTensor()
train_loader = torch.utils.data.DataLoader(torchvision.datasets.MNIST("./data", train=True, transform=tt, download=True), BATCH, shuffle=True)
test_loader = torch.utils.data.DataLoader(torchvision.datasets.MNIST("./data", train=False, transform=tt, download=True), 1000)

class Net(nn.Module):
    def __init__(self, skip=False):
        super().__init__()
        k = 2 if skip else 1
        self.skip = skip
        self.c1, self.c2 = nn.Conv2d(1, 4, 3, 1, 1), nn.Conv2d(4, 8, 3, 1, 1)
        self.l1, self.l2 = nn.Linear(392, 20), nn.Linear(20, 2)
        self.l3, self.l4 = nn.Linear(2, 20), nn.Linear(20, 392)
        self.c3, self.c4 = nn.Conv2d(8 * k, 4, 3, 1, 1), nn.Conv2d(4 * k, 1, 3, 1, 1)
    def forward(self, x):
        a = F.max_pool2d(F.relu(self.c1(x)), 2)
        b = F.max_pool2d(F.relu(self.c2(a)), 2)
        z = self.l2(F.relu(self.l1(b.flatten(1))))
        y = F.relu(self.l4(F.relu(self.l3(z)))).view(-1, 8, 7, 7)
        if self.skip: y = torch.cat([y, b], 1)
        y = F.relu(self.c3(F.interpolate(y, scale_factor=2)))
        if self.skip: y = torch.cat([y, a], 1)
        y = torch.sigmoid(self.c4(F.interpolate(y, scale_factor=2)))
        return y, z

def fit(net, sigma=0.):
    opt = torch.optim.Adam(net.parameters(), lr=LR)
    hist = []
    for epoch in range(EPOCHS):
        net.train()
        for x, _ in tqdm(train_loader, leave=False):
            x = x.to(device)
            noisy = x + torch.normal(0., sigma, size=x.shape, device=device) if sigma else x
            loss = F.mse_loss(net(noisy)[0], x)
            opt.zero_grad(); loss.backward(); opt.step()
            hist.append(loss.item())
        print(epoch, hist[-1])
    return hist

def look(net, sigma=0.):
    net.eval()
    x, y = next(iter(test_loader))
    noisy = x + torch.normal(0., sigma, size=x.shape) if sigma else x
    with torch.no_grad():
        r, z = net(noisy.to(device))
    plt.imshow(torchvision.utils.make_grid(torch.cat([x[:8], noisy[:8], r.cpu()[:8]]), nrow=8).permute(1, 2, 0).clamp(0, 1)); plt.show()
    plt.scatter(*z.cpu().T, c=y, cmap="tab10"); plt.colorbar(); plt.show()

# 6.1
cae = Net().to(device)
h1 = fit(cae); look(cae)
torch.save(cae.state_dict(), "mnist_cae.pt")
# 6.2
cae_skip = Net(skip=True).to(device)
h2 = fit(cae_skip); look(cae_skip)
torch.save(cae_skip.state_dict(), "mnist-cae-skip.pt")
# 6.3
dae, dae_skip = Net().to(device), Net(skip=True).to(device)
h3 = fit(dae, 0.3); look(dae, 0.3)
h4 = fit(dae_skip, 0.3); look(dae_skip, 0.3)
for h in (h1, h2, h3, h4): plt.plot(h)
plt.legend(["CAE", "CAE + skip", "CAE + noise", "CAE + skip + noise"]); plt.show()
