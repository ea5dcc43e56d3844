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

        # weights and biases
        self.W = np.random.rand(self.input_size, self.num_classes) * 0.01
        self.b = np.zeros((1, self.num_classes))
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

                probs = self.forward_pass(img)
                loss_sum += self.loss(probs, gt_label)
                gradW, gradB = self.back_propagation(img, probs, gt_label)

            acc = self.accuracy_nn(self.test_images, self.test_labels)
            print("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum) + " Accuracy: " + str(acc * 100) + "%")

    def forward_pass(self, inputs):
        logits = np.dot(inputs, self.W) + self.b
        exps = np.exp(logits - np.max(logits))
        return exps / np.sum(exps, axis=1, keepdims=True)

    def gradient_descent(self, gradW, gradB):
        self.W = self.W - self.learning_rate * gradW
        self.b = self.b - self.learning_rate * gradB

    @staticmethod
    def loss(probabilities, gt_label):
        return -np.log(probabilities[0, gt_label] + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        # p_j - 1 for the true class, p_j everywhere else
        gradB = np.copy(probabilities)
        gradB[0, gt_label] -= 1
        gradW = np.outer(img, gradB)
        return gradW, gradB

    def train_svm(self):
        scores = np.dot(self.train_images, self.W) + self.b
        self.clf.fit(scores, self.train_labels)

    def accuracy_nn(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        predicted = np.argmax(scores, axis=1)
        return np.mean(predicted == labels)

    def accuracy_svm(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return np.mean(self.clf.predict(scores) == labels)
