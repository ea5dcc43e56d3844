import random

import numpy as np
from sklearn.svm import LinearSVC


class Model:
    """Single layer softmax classifier (and an SVM on top of its logits)."""

    def __init__(self, images, labels, n_classes, hyperparams, val_images=None, val_labels=None):
        self.x, self.y = images, labels
        self.vx, self.vy = val_images, val_labels
        self.hp = hyperparams
        self.n_classes = n_classes
        self.W = np.random.normal(0, 0.01, size=(images.shape[1], n_classes))
        self.b = np.random.normal(0, 0.01, size=(1, n_classes))
        self.clf = LinearSVC()

    def train_nn(self):
        order = [i for i in range(len(self.x))]
        for epoch in range(self.hp.num_epochs):
            total = 0.0
            random.shuffle(order)
            for i in order:
                x, y = self.x[i], self.y[i]
                p = self.forward_pass(x)
                total += self.loss(p, y)
                self.gradient_descent(*self.back_propagation(x, p, y))
            line = f"Epoch {epoch}: Total loss: {total:.4f}"
            if self.vx is not None:
                line += f" accuracy {100 * self.accuracy_nn(self.vx, self.vy):.2f}%"
            print(line)

    def logits(self, images):
        return images @ self.W + self.b

    def forward_pass(self, inputs):
        z = self.logits(inputs)
        # sigmoid, from the lecture slides
        return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))

    def gradient_descent(self, gradW, gradB):
        step = self.hp.learning_rate
        self.W = self.W - step * gradW
        self.b = self.b - step * gradB

    @staticmethod
    def loss(probabilities, gt_label):
        return float(-np.log(probabilities[0, int(gt_label)] + 1e-10))

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        dl = probabilities.copy().reshape(-1)
        dl[int(gt_label)] -= 1.0
        return img[:, np.newaxis] * dl[np.newaxis, :], dl

    def train_svm(self):
        self.clf.fit(self.logits(self.x), self.y)

    def accuracy_nn(self, images, labels):
        return np.mean(self.logits(images).argmax(axis=1) == labels)

    def accuracy_svm(self, images, labels):
        return np.mean(self.clf.predict(self.logits(images)) == labels)
