import math
import random
import numpy as np
from sklearn.svm import LinearSVC

class Model:
    def __init__(self, train_images, train_labels, num_classes, hp, test_images, test_labels):
        self.train_images = train_images
        self.train_labels = train_labels
        self.test_images = test_images
        self.test_labels = test_labels
        self.num_classes = num_classes
        self.input_size = len(train_images[0])
        self.learning_rate = hp.learning_rate
        self.num_epochs = hp.num_epochs
        self.W = np.ones((self.input_size, num_classes)) * 0.05
        self.b = np.zeros((1, num_classes))
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        indices = list(range(len(self.train_images)))
        for epoch in range(self.num_epochs):
            loss_sum = 0
            random.shuffle(indices)
            for i in indices:
                img = self.train_images[i]
                label = self.train_labels[i]
                p = self.forward_pass(img)
                loss_sum += self.loss(p, label)
                gw, gb = self.back_propagation(img, p, label)
                self.gradient_descent(gw, gb)
            print("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum))

    def forward_pass(self, inputs):
        # Eq 1, one class at a time
        l = []
        for j in range(self.num_classes):
            l.append(np.dot(self.W[:, j], inputs) + self.b[0, j])
        # Eq 2
        biggest = max(l)
        exps = [math.exp(v - biggest) for v in l]
        total = sum(exps)
        p = np.zeros((1, self.num_classes))
        for j in range(self.num_classes):
            p[0, j] = exps[j] / total
        return p

    def gradient_descent(self, gradW, gradB):
        for j in range(self.num_classes):
            self.W[:, j] = self.W[:, j] - self.learning_rate * gradW[:, j]
            self.b[0, j] = self.b[0, j] - self.learning_rate * gradB[j]

    @staticmethod
    def loss(probabilities, gt_label):
        total = 0
        for j in range(probabilities.shape[1]):
            if j == gt_label:
                total = total - math.log(probabilities[0, j] + 1e-10)
        return total

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        n = probabilities.shape[1]
        gradW = np.zeros((img.shape[0], n))
        gradB = np.zeros(n)
        for j in range(n):
            if j == gt_label:
                gradW[:, j] = img * (probabilities[0, j] - 1)
                gradB[j] = probabilities[0, j] - 1
            else:
                gradW[:, j] = img * probabilities[0, j]
                gradB[j] = probabilities[0, j]
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
