# 5.4, run as: python prob5_AE.py
import torch, torchvision
import torch.nn as nn
import matplotlib.pyplot as plt
from tqdm import tqdm

EPOCHS, LR, BATCH = 10, 1e-3, 128
device = "cuda" if torch.cuda.is_available() else "cpu"
tt = torchvision.transforms.ToTensor()
train_loader = torch.utils.data.DataLoader(torchvision.datasets.MNIST("./data", train=True, transform=tt, download=True), BATCH, shuffle=True)
test_loader = torch.utils.data.DataLoader(torchvision.datasets.MNIST("./data", train=False, transform=tt, download=True), 1000)

encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 200), nn.ReLU(), nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 2))
decoder = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
autoencoder = nn.Sequential(encoder, decoder).to(device)

opt = torch.optim.Adam(autoencoder.parameters(), lr=LR)
lossfn = nn.MSELoss()
losses = []
for epoch in range(EPOCHS):
    autoencoder.train()
    bar = tqdm(train_loader)
    for x, _ in bar:
        x = x.to(device)
        loss = lossfn(autoencoder(x), x)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
        bar.set_description(f"{epoch}: {losses[-1]:.4f}")

autoencoder.eval()
torch.save(autoencoder.state_dict(), "mnist_ae.pt")
with torch.no_grad():
    x, y = next(iter(test_loader))
    z = encoder(x.to(device))
    r = decoder(z).cpu()
    z = z.cpu()
plt.plot(losses); plt.show()
plt.imshow(torchvision.utils.make_grid(torch.cat([x[:8], r[:8]]), nrow=8).permute(1, 2, 0)); plt.show()
plt.scatter(z[:, 0], z[:, 1], c=y, cmap="tab10"); plt.colorbar(); plt.show()
