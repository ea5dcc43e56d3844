import numpy as np
import random
from sklearn.svm import LinearSVC

class Model:
    def __init__(self, train_images, train_labels, num_classes, hp, test_images, test_labels):
        self.input_size = train_images.shape[1]
        self.num_classes = num_classes
        self.learning_rate = hp.learning_rate
        self.batch_size = hp.batch_size
        self.num_epochs = hp.num_epochs
        self.train_images = train_images
        self.train_labels = train_labels
        self.test_images = test_images
        self.test_labels = test_labels
        # zeros are fine here since there is only one layer (no symmetry problem)
        self.W = np.zeros((self.input_size, self.num_classes))
        self.b = np.zeros((1, self.num_classes))
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        indices = np.arange(self.train_images.shape[0])
        for epoch in range(self.num_epochs):
            loss_sum = 0
            random.shuffle(indices)
            for i in indices:
                probabilities = self.forward_pass(self.train_images[i])
                loss_sum += self.loss(probabilities, self.train_labels[i])
                grads = self.back_propagation(self.train_images[i], probabilities, self.train_labels[i])
                self.gradient_descent(grads[0], grads[1])
            print("Epoch", epoch, "loss:", loss_sum, "accuracy:", self.accuracy_nn(self.test_images, self.test_labels))

    def forward_pass(self, inputs):
        logits = np.matmul(inputs, self.W) + self.b
        shifted = logits - np.max(logits, axis=-1, keepdims=True)
        return np.exp(shifted) / np.sum(np.exp(shifted), axis=-1, keepdims=True)

    def gradient_descent(self, gradW, gradB):
        self.W = np.subtract(self.W, np.multiply(self.learning_rate, gradW))
        self.b = np.subtract(self.b, np.multiply(self.learning_rate, gradB))
        return

    @staticmethod
    def loss(probabilities, gt_label):
        one_hot = np.eye(probabilities.shape[1])[gt_label]
        return -np.sum(one_hot * np.log(probabilities + 1e-10))

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        one_hot = np.eye(probabilities.shape[1])[gt_label]
        error = probabilities - one_hot
        gradW = np.dot(img.reshape((img.shape[0], 1)), error)
        gradB = np.sum(error, axis=0)
        return gradW, gradB

    def train_svm(self):
        self.clf.fit(np.dot(self.train_images, self.W) + self.b, self.train_labels)

    def accuracy_nn(self, images, labels):
        return np.mean(np.argmax(np.dot(images, self.W) + self.b, axis=1) == labels)

    def accuracy_svm(self, images, labels):
        return np.mean(self.clf.predict(np.dot(images, self.W) + self.b) == labels)
