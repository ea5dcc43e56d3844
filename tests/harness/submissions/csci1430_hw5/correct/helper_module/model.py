import random

import numpy as np
from sklearn.svm import LinearSVC

import nn_math
from nn_math import cross_entropy


class Model:
    def __init__(self, train_images, train_labels, num_classes, hp, test_images, test_labels):
        self.train_images = train_images
        self.train_labels = train_labels
        self.test_images = test_images
        self.test_labels = test_labels
        self.learning_rate = hp.learning_rate
        self.num_epochs = hp.num_epochs
        self.W, self.b = nn_math.initial_parameters(train_images.shape[1], num_classes)
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        indices = list(range(self.train_images.shape[0]))
        for epoch in range(self.num_epochs):
            losses = []
            random.shuffle(indices)
            for i in indices:
                p = self.forward_pass(self.train_images[i])
                losses.append(self.loss(p, self.train_labels[i]))
                gradW, gradB = self.back_propagation(self.train_images[i], p, self.train_labels[i])
                self.gradient_descent(gradW, gradB)
            print("Epoch " + str(epoch) + ": Total loss: " + str(np.sum(losses)))
            print("Accuracy: " + str(self.accuracy_nn(self.test_images, self.test_labels)))

    def forward_pass(self, inputs):
        return nn_math.softmax(np.dot(inputs, self.W) + self.b)

    def gradient_descent(self, gradW, gradB):
        self.W = nn_math.step(self.W, gradW, self.learning_rate)
        self.b = nn_math.step(self.b, gradB, self.learning_rate)

    loss = staticmethod(cross_entropy)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        gradB = nn_math.softmax_gradient(probabilities, gt_label)
        return np.outer(img, gradB), gradB

    def train_svm(self):
        scores = np.dot(self.train_images, self.W) + self.b
        self.clf.fit(scores, self.train_labels)

    def accuracy_nn(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return np.mean(np.argmax(scores, axis=1) == labels)

    def accuracy_svm(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return np.mean(self.clf.predict(scores) == labels)
