import numpy as np
import random
import sys
from sklearn.svm import LinearSVC


class Model:
    def __init__(self, train_images, train_labels, num_classes, hp, test_images=None, test_labels=None):
        self.train_images = train_images
        self.train_labels = train_labels
        self.test_images = test_images
        self.test_labels = test_labels
        self.input_size = train_images.shape[1]
        self.num_classes = num_classes
        self.learning_rate = hp.learning_rate
        self.num_epochs = hp.num_epochs
        self.W = np.random.normal(scale=0.1, size=[self.input_size, self.num_classes])
        self.b = np.zeros(self.num_classes)
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        indices = list(range(self.train_images.shape[0]))
        for epoch in range(self.num_epochs):
            loss_sum = 0
            random.shuffle(indices)
            for i in indices:
                img = self.train_images[i]
                gt_label = self.train_labels[i]
                probs = self.forward_pass(img)
                loss_sum += self.loss(probs, gt_label)
                gradW, gradB = self.back_propagation(img, probs, gt_label)
                self.gradient_descent(gradW, gradB)
            sys.stdout.write("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum) + "\n")

    def forward_pass(self, inputs):
        inputs = inputs.reshape(1, self.W.shape[0])
        logits = inputs.dot(self.W) + self.b
        exp = np.exp(logits - np.max(logits, axis=1).reshape(-1, 1))
        return exp / np.sum(exp, axis=1).reshape(-1, 1)

    def gradient_descent(self, gradW, gradB):
        self.W = self.W - gradW * self.learning_rate
        self.b = self.b - gradB * self.learning_rate

    @staticmethod
    def loss(probabilities, gt_label):
        return -np.log(probabilities[0, gt_label] + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        gradB = probabilities.copy()
        gradB[0, gt_label] = gradB[0, gt_label] - 1
        gradW = img.reshape(-1, 1) @ gradB
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
