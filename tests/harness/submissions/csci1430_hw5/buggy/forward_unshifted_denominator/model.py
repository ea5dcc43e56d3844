import random

import numpy as np
from sklearn.svm import LinearSVC


class Model:
    def __init__(self, train_images, train_labels, num_classes, hp, *test_split):
        self.train_images = train_images
        self.train_labels = train_labels
        self.test_split = test_split
        self.learning_rate = hp.learning_rate
        self.num_epochs = hp.num_epochs
        shape = (train_images.shape[1], num_classes)
        self.W = np.random.rand(*shape) / 100
        self.b = np.zeros(num_classes)[np.newaxis]
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        n = self.train_images.shape[0]
        for epoch in range(1, self.num_epochs + 1):
            loss_sum = 0
            for i in np.random.permutation(n):
                loss_sum += self.train_on(self.train_images[i], self.train_labels[i])
            print("epoch", epoch, "of", self.num_epochs, "total loss", round(loss_sum, 3))
            if self.test_split:
                print("  test accuracy", self.accuracy_nn(*self.test_split))

    def train_on(self, img, gt_label):
        p = self.forward_pass(img)
        gradW, gradB = self.back_propagation(img, p, gt_label)
        self.gradient_descent(gradW, gradB)
        return self.loss(p, gt_label)

    def forward_pass(self, inputs):
        logits = np.tensordot(inputs, self.W, axes=1) + self.b
        p = np.exp(logits - logits.max())
        p = p / np.exp(logits).sum()
        return p

    def gradient_descent(self, gradW, gradB):
        self.W, self.b = self.W - self.learning_rate * gradW, self.b - self.learning_rate * gradB

    @staticmethod
    def loss(probabilities, gt_label):
        return -np.log(probabilities.item(gt_label) + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        gradB = np.where(np.arange(probabilities.size) == gt_label, probabilities - 1, probabilities)
        gradW = np.multiply.outer(img, gradB[0])
        return gradW, gradB

    def train_svm(self):
        scores = np.dot(self.train_images, self.W) + self.b
        self.clf.fit(scores, self.train_labels)

    def accuracy_nn(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return np.mean(np.argmax(scores, axis=1) == labels)

    def accuracy_svm(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return np.mean(self.clf.predict(scores) == labels)
