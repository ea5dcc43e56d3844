import sys, argparse
import torch
from torch import nn, optim
import torch.nn.functional as F
from torchvision import datasets, transforms
import matplotlib.pyplot as plt
import itertools
import numpy as np

class CNN(nn.Module):
	def __init__(self):
		super(CNN, self).__init__()
		self.conv1 = nn.Conv2d(in_channels=1, out_channels=40, kernel_size=5, stride=1)
		self.conv2 = nn.Conv2d(in_channels=40, out_channels=80, kernel_size=5, stride=1)
		self.fc1 = nn.Linear(in_features=4 * 4 * 80, out_features=500)
		self.fc2 = nn.Linear(in_features=500, out_features=10)

	def forward(self, x):
		x = torch.relu(self.conv1(x))
		x = F.max_pool2d(x, 2)
		x = torch.relu(self.conv2(x))
		x = F.max_pool2d(x, 2)
		x = torch.flatten(x, start_dim=1)
		x = torch.relu(self.fc1(x))
		x = self.fc2(x)
		return F.log_softmax(x, dim=1)

	def plot_filters(self, fname):
		w = self.conv1.weight.cpu().detach()
		for k in range(w.shape[0]):
			plt.subplot(5, 8, k + 1)
			plt.imshow(w[k, 0, :, :], cmap='seismic')
			plt.axis('off')
		plt.savefig(fname)
		plt.clf()

def train(args, model, device, train_loader, optimizer, epoch):
	model.train()
	for batch_idx, batch in enumerate(train_loader):
		x = batch[0].to(device)
		y = batch[1].to(device)
		optimizer.zero_grad()
		loss = F.nll_loss(model(x), y)
		loss.backward()
		optimizer.step()

def test(args, model, device, test_loader, epoch):
	model.eval()
	conf = np.zeros((10, 10))
	loss = 0.0
	with torch.no_grad():
		for x, y in test_loader:
			x, y = x.to(device), y.to(device)
			out = model(x)
			loss += F.nll_loss(out, y, reduction='sum').item()
			np.add.at(conf, (y.cpu().numpy(), out.argmax(dim=1).cpu().numpy()), 1)
	print('epoch %d loss %.4f accuracy %.4f' % (epoch, loss / conf.sum(), np.trace(conf) / conf.sum()))
	if epoch == args.epochs:
		model.plot_filters('filters.png')
		plot_confusion_matrix(conf)

def plot_confusion_matrix(cm):
	print(cm.astype(int))
	plt.imshow(cm, interpolation='nearest', cmap=plt.cm.Blues)
	for i, j in itertools.product(range(10), range(10)):
		plt.text(j, i, '%d' % cm[i, j], ha='center')
	plt.ylabel('True'); plt.xlabel('Predicted')
	plt.savefig('confusion.png')
	plt.clf()

def main():
	parser = argparse.ArgumentParser()
	parser.add_argument('--epochs', type=int, default=5)
	args = parser.parse_args(sys.argv[1:])
	device = 'cuda' if torch.cuda.is_available() else 'cpu'
	transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
	train_loader = torch.utils.data.DataLoader(datasets.MNIST('.', train=True, download=True, transform=transform), 64, shuffle=True)
	test_loader = torch.utils.data.DataLoader(datasets.MNIST('.', train=False, transform=transform), 100)
	model = CNN().to(device)
	optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
	for epoch in range(1, args.epochs + 1):
		train(args, model, device, train_loader, optimizer, epoch)
		test(args, model, device, test_loader, epoch)

if __name__ == '__main__':
	main()
