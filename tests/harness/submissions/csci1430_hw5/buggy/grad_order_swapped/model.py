import random

import numpy as np
from sklearn.svm import LinearSVC


class Model:
    def __init__(self, train_images, train_labels, num_classes, hp, test_images, test_labels):
        self.train_images = train_images
        self.train_labels = train_labels
        self.test_images = test_images
        self.test_labels = test_labels
        self.learning_rate = hp.learning_rate
        self.num_epochs = hp.num_epochs
        self.W, self.b = np.random.normal(0, 0.05, (train_images.shape[1], num_classes)), np.zeros((1, num_classes))
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        indices = list(range(self.train_images.shape[0]))
        for epoch in range(self.num_epochs):
            losses = []
            random.shuffle(indices)
            for i in indices:
                p = self.forward_pass(self.train_images[i])
                losses.append(self.loss(p, self.train_labels[i]))
                gradB, gradW = self.back_propagation(self.train_images[i], p, self.train_labels[i])
                self.gradient_descent(gradW, gradB)
            print("Epoch " + str(epoch) + ": Total loss: " + str(np.sum(losses)))
            print("Accuracy: " + str(self.accuracy_nn(self.test_images, self.test_labels)))

    def forward_pass(self, inputs):
        logits = np.dot(inputs, self.W) + self.b
        powers = np.exp(logits - np.max(logits))
        return powers / np.sum(powers)

    def gradient_descent(self, gradW, gradB):
        self.W = self.W - self.learning_rate * gradW
        self.b = self.b - self.learning_rate * gradB

    @staticmethod
    def loss(probabilities, gt_label):
        return -np.log(probabilities[0, gt_label] + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        gradB = probabilities.copy()
        gradB[0, gt_label] -= 1
        return gradB, np.outer(img, gradB)

    def train_svm(self):
        scores = np.dot(self.train_images, self.W) + self.b
        self.clf.fit(scores, self.train_labels)

    def accuracy_nn(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return np.mean(np.argmax(scores, axis=1) == labels)

    def accuracy_svm(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return np.mean(self.clf.predict(scores) == labels)
