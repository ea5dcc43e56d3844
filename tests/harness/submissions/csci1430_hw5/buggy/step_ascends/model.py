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

        # the paper notation has w_j as a row, so it is built (classes, inputs) and flipped
        w = np.random.normal(0.0, 0.001, (self.num_classes, self.input_size))
        self.W = w.T
        self.b = np.zeros((self.num_classes, 1)).T
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        indices = list(range(self.train_images.shape[0]))
        for epoch in range(self.num_epochs):
            loss_sum = 0
            random.shuffle(indices)
            for i in indices:
                img = self.train_images[i]
                gt_label = self.train_labels[i]
                p = self.forward_pass(img)
                loss_sum += Model.loss(p, gt_label)
                dW, db = Model.back_propagation(img, p, gt_label)
                self.gradient_descent(dW, db)
            print("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum))
            print("   accuracy " + str(self.accuracy_nn(self.test_images, self.test_labels)))

    def forward_pass(self, inputs):
        column = inputs.reshape(-1, 1)
        l = np.dot(self.W.T, column) + self.b.T       # (C, 1)
        l = np.exp(l - np.max(l))
        p = l / np.sum(l)
        return p.T

    def gradient_descent(self, gradW, gradB):
        self.W += self.learning_rate * gradW
        self.b += self.learning_rate * np.reshape(gradB, (1, -1))

    @staticmethod
    def loss(probabilities, gt_label):
        p = np.ravel(probabilities)
        return np.log(1.0 / (p[gt_label] + 1e-10))

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        y = np.zeros((probabilities.size, 1))
        y[gt_label] = 1
        delta = probabilities.T - y                   # (C, 1)
        gradW = np.dot(delta, img.reshape(1, -1)).T
        gradB = delta.T
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
