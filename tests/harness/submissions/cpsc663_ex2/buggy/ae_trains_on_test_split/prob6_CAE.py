import torch
from torch import nn
import torch.nn.functional as F
from torchvision import datasets, transforms
import matplotlib.pyplot as plt

class CAE(nn.Module):
	def __init__(self, skip_connections=False):
		super(CAE, self).__init__()
		self.skip_connections = skip_connections
		self.enc_conv1 = nn.Conv2d(1, 4, kernel_size=3, stride=1, padding=1)
		self.enc_conv2 = nn.Conv2d(4, 8, kernel_size=3, stride=1, padding=1)
		self.enc_fc1 = nn.Linear(392, 20)
		self.enc_fc2 = nn.Linear(20, 2)
		self.dec_fc1 = nn.Linear(2, 20)
		self.dec_fc2 = nn.Linear(20, 392)
		self.dec_conv1 = nn.Conv2d(8, 4, kernel_size=3, stride=1, padding=1)
		self.dec_conv2 = nn.Conv2d(4, 1, kernel_size=3, stride=1, padding=1)

	def encoder(self, x):
		pool1 = torch.max_pool2d(torch.relu(self.enc_conv1(x)), 2)
		pool2 = torch.max_pool2d(torch.relu(self.enc_conv2(pool1)), 2)
		z = self.enc_fc2(torch.relu(self.enc_fc1(pool2.flatten(start_dim=1))))
		return z, pool1, pool2

	def decoder(self, z, pool1=0, pool2=0):
		h = torch.relu(self.dec_fc2(torch.relu(self.dec_fc1(z)))).view(-1, 8, 7, 7)
		h = F.interpolate(h + pool2, scale_factor=2)
		h = torch.relu(self.dec_conv1(h))
		h = F.interpolate(h + pool1, scale_factor=2)
		return torch.sigmoid(self.dec_conv2(h))

	def forward(self, x):
		z, pool1, pool2 = self.encoder(x)
		if self.skip_connections:
			return self.decoder(z, pool1, pool2)
		else:
			return self.decoder(z)

def add_noise(x, std=0.3):
	noisy = x + std * torch.randn(x.size(), device=x.device)
	return torch.clamp(noisy, 0., 1.)

def train(model, device, loader, optimizer, denoise):
	model.train()
	for x, _ in loader:
		x = x.to(device)
		inp = add_noise(x) if denoise else x
		optimizer.zero_grad()
		loss = F.mse_loss(model(inp), x)
		loss.backward()
		optimizer.step()

def test(model, device, loader, denoise):
	model.eval()
	total, n = 0.0, 0
	with torch.no_grad():
		for x, _ in loader:
			x = x.to(device)
			inp = add_noise(x) if denoise else x
			total += F.mse_loss(model(inp), x, reduction='sum').item()
			n += x.numel()
	return total / n

def main():
	device = 'cuda' if torch.cuda.is_available() else 'cpu'
	transform = transforms.ToTensor()
	train_loader = torch.utils.data.DataLoader(datasets.MNIST('.', train=True, download=True, transform=transform), 100, shuffle=True)
	test_loader = torch.utils.data.DataLoader(datasets.MNIST('.', train=False, transform=transform), 100)
	for denoise in [False, True]:
		for skip_connections in [False, True]:
			model = CAE(skip_connections=skip_connections).to(device)
			optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
			for epoch in range(10):
				train(model, device, train_loader, optimizer, denoise)
				print('denoise %s skip %s epoch %d test loss %.5f' % (denoise, skip_connections, epoch + 1, test(model, device, test_loader, denoise)))
			x, y = next(iter(test_loader))
			inp = add_noise(x) if denoise else x
			with torch.no_grad():
				z = model.encoder(inp.to(device))[0].cpu()
				r = model(inp.to(device)).cpu()
			plt.scatter(z[:, 0], z[:, 1], c=y, cmap='tab10')
			plt.savefig('z_%d%d.png' % (denoise, skip_connections))
			plt.clf()
			for i in range(5):
				plt.subplot(2, 5, i + 1); plt.imshow(inp[i, 0], cmap='gray')
				plt.subplot(2, 5, i + 6); plt.imshow(r[i, 0], cmap='gray')
			plt.savefig('r_%d%d.png' % (denoise, skip_connections))
			plt.clf()
			if not denoise:
				torch.save(model.state_dict(), 'mnist-cae-skip.pt' if skip_connections else 'mnist_cae.pt')

if __name__ == '__main__':
	main()
