import numpy as np
import random
from sklearn.svm import LinearSVC

class Model:
	def __init__(self, train_images, train_labels, num_classes, hp, test_images, test_labels):
		self.train_images = train_images
		self.train_labels = train_labels
		self.test_images = test_images
		self.test_labels = test_labels
		self.input_size = train_images.shape[1]
		self.num_classes = num_classes
		self.learning_rate = hp.learning_rate
		self.batch_size = hp.batch_size
		self.num_epochs = hp.num_epochs

		self.W = np.random.rand(self.input_size, self.num_classes) - 0.5
		self.b = np.random.rand(1, self.num_classes) - 0.5
		self.clf = LinearSVC(dual=False)

	def train_nn(self):
		indices = list(range(self.train_images.shape[0]))
		for epoch in range(self.num_epochs):
			loss_sum = 0
			random.shuffle(indices)
			for index in range(len(indices)):
				i = indices[index]
				img = self.train_images[i]
				gt_label = self.train_labels[i]

				prob = self.forward_pass(img)
				loss_sum += self.loss(prob, gt_label)
				gw, gb = self.back_propagation(img, prob, gt_label)
				self.gradient_descent(gw, gb)
			print("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum))

	def forward_pass(self, inputs):
		logits = np.dot(inputs, self.W) + self.b
		e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
		return np.divide(e, np.sum(e, axis=1, keepdims=True))

	def gradient_descent(self, gradW, gradB):
		self.W -= self.learning_rate * gradW
		self.b -= self.learning_rate * gradB

	@staticmethod
	def loss(probabilities, gt_label):
		return - np.log(probabilities[0, gt_label] + 1e-10)

	@staticmethod
	def back_propagation(img, probabilities, gt_label):
		gradB = probabilities + 0
		gradB[0, gt_label] -= 1
		return np.dot(img[:, None], gradB), gradB[0]

    # given functions, tab width of the stencil
	def train_svm(self):
		scores = np.dot(self.train_images, self.W) + self.b
		self.clf.fit(scores, self.train_labels)

	def accuracy_nn(self, images, labels):
		scores = np.dot(images, self.W) + self.b
		return np.mean(np.argmax(scores, axis=1) == labels)

	def accuracy_svm(self, images, labels):
		scores = np.dot(images, self.W) + self.b
		return np.mean(self.clf.predict(scores) == labels)
