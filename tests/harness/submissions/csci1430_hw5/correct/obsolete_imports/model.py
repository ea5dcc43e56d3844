from numpy.lib.function_base import gradient
from numpy.core.fromnumeric import argmax, shape
import tensorflow as tf
import numpy as np
import random
from skimage.transform import resize
from skimage import io
from sklearn.svm import LinearSVC
from torch import normal

class Model:
    def __init__(self, train_images, train_labels, num_classes, hp):
        self.input_size = train_images.shape[1]
        self.num_classes = num_classes
        self.learning_rate = hp.learning_rate
        self.batch_size = hp.batch_size
        self.num_epochs = hp.num_epochs
        self.train_images = train_images
        self.train_labels = train_labels
        self.W = np.random.rand(self.input_size, self.num_classes)
        self.b = np.zeros((1, self.num_classes))
        self.clf = LinearSVC(multi_class='ovr', dual=False)

    def train_nn(self):
        indices = list(range(self.train_images.shape[0]))
        for epoch in range(self.num_epochs):
            loss_sum = 0
            random.shuffle(indices)
            for index in range(len(indices)):
                i = indices[index]
                img = self.train_images[i]
                gt_label = self.train_labels[i]
                softmax = self.forward_pass(img)
                loss_sum += self.loss(softmax, gt_label)
                gradW, gradB = self.back_propagation(img, softmax, gt_label)
                self.gradient_descent(gradW, gradB)
            print("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum))

    def forward_pass(self, inputs):
        logits = np.dot(inputs, self.W) + self.b
        logits = logits - logits[0, argmax(logits)]
        return np.exp(logits) / np.sum(np.exp(logits))

    def gradient_descent(self, gradW, gradB):
        self.W = self.W - (self.learning_rate * gradW)
        self.b = self.b - (self.learning_rate * gradB)

    @staticmethod
    def loss(probabilities, gt_label):
        return -np.log(probabilities[0, gt_label] + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        y = np.zeros((1, shape(probabilities)[1]))
        y[:, gt_label] = 1
        gradB = probabilities - y
        gradW = np.outer(img, gradB)
        return gradW, gradB

    def train_svm(self):
        scores = np.dot(self.train_images, self.W) + self.b
        self.clf.fit(scores, self.train_labels)

    def accuracy_nn(self, test_images, test_labels):
        scores = np.dot(test_images, self.W) + self.b
        predicted_classes = np.argmax(scores, axis=1)
        return np.mean(predicted_classes == test_labels)

    def accuracy_svm(self, test_images, test_labels):
        scores = np.dot(test_images, self.W) + self.b
        predicted_classes = self.clf.predict(scores)
        return np.mean(predicted_classes == test_labels)
