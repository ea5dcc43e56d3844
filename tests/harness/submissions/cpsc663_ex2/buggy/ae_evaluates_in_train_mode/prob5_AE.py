import torch
from torch import nn
from torchvision import datasets, transforms
import matplotlib.pyplot as plt

# pixels are scaled to [-1, 1], so that tanh can make them
transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])

class DeepAE(nn.Module):
	def __init__(self):
		super(DeepAE, self).__init__()
		self.encoder = nn.Sequential(
			nn.Linear(784, 1000), nn.BatchNorm1d(1000), nn.ReLU(),
			nn.Linear(1000, 500), nn.BatchNorm1d(500), nn.ReLU(),
			nn.Linear(500, 250), nn.BatchNorm1d(250), nn.ReLU(),
			nn.Linear(250, 2))
		self.decoder = nn.Sequential(
			nn.Linear(2, 250), nn.BatchNorm1d(250), nn.ReLU(),
			nn.Linear(250, 500), nn.BatchNorm1d(500), nn.ReLU(),
			nn.Linear(500, 1000), nn.BatchNorm1d(1000), nn.ReLU(),
			nn.Linear(1000, 784), nn.Tanh())

	def forward(self, x):
		z = self.encoder(x.view(x.size(0), 784))
		return self.decoder(z).view(x.size(0), 1, 28, 28)

def train(model, device, loader, optimizer):
	model.train()
	for x, _ in loader:
		x = x.to(device)
		optimizer.zero_grad()
		loss = nn.functional.mse_loss(model(x), x)
		loss.backward()
		optimizer.step()

def test(model, device, loader):
	total, n = 0.0, 0
	with torch.no_grad():
		for x, _ in loader:
			x = x.to(device)
			total += nn.functional.mse_loss(model(x), x, reduction='sum').item()
			n += x.numel()
	return total / n

def main():
	device = 'cuda' if torch.cuda.is_available() else 'cpu'
	train_loader = torch.utils.data.DataLoader(datasets.MNIST('.', train=True, download=True, transform=transform), 100, shuffle=True)
	test_loader = torch.utils.data.DataLoader(datasets.MNIST('.', train=False, transform=transform), 100)
	model = DeepAE().to(device)
	optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
	for epoch in range(10):
		train(model, device, train_loader, optimizer)
		print('epoch %d test loss %.5f' % (epoch + 1, test(model, device, test_loader)))
	torch.save(model.state_dict(), 'mnist_ae.pt')
	x, y = next(iter(test_loader))
	with torch.no_grad():
		z = model.encoder(x.view(-1, 784).to(device)).cpu()
		r = model(x.to(device)).cpu()
	plt.scatter(z[:, 0], z[:, 1], c=y, cmap='tab10')
	plt.savefig('z.png')
	plt.clf()
	for i in range(5):
		plt.subplot(2, 5, i + 1); plt.imshow(x[i, 0], cmap='gray')
		plt.subplot(2, 5, i + 6); plt.imshow(r[i, 0], cmap='gray')
	plt.savefig('r.png')

if __name__ == '__main__':
	main()
