import numpy as np
import random
from sklearn.svm import LinearSVC


def softmax(x):
    x = x - np.max(x)
    return np.exp(x) / np.exp(x).sum()


class Model:
    def __init__(self, train_images, train_labels, num_classes, hp, test_images, test_labels):
        self.train_images, self.train_labels = train_images, train_labels
        self.test_images, self.test_labels = test_images, test_labels
        self.num_pixels, self.num_classes = train_images.shape[1], num_classes
        self.lr, self.num_epochs = hp.learning_rate, hp.num_epochs
        self.W = np.random.randn(self.num_pixels, self.num_classes) * np.sqrt(1. / self.num_pixels)
        self.b = np.full((1, self.num_classes), 0.01)
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        idx = list(range(len(self.train_labels)))
        for epoch in range(self.num_epochs):
            loss_sum = 0
            random.shuffle(idx)
            for image, label in zip(self.train_images[idx], self.train_labels[idx]):
                p = self.forward_pass(image)
                loss_sum += self.loss(p, label)
                gradW, gradB = self.back_propagation(image, p, label)
                self.gradient_descent(gradW, gradB)
            print('Epoch ' + str(epoch) + ': Total loss: ' + str(loss_sum), end=' ')
            print('Accuracy: ' + str(self.accuracy_nn(self.test_images, self.test_labels)))

    def forward_pass(self, inputs):
        return softmax(np.dot(inputs, self.W) + self.b)

    def gradient_descent(self, gradW, gradB):
        self.W -= gradW * self.lr
        self.b -= gradB * self.lr

    @staticmethod
    def loss(probabilities, gt_label):
        likelihood = probabilities.flatten()[gt_label]
        return -np.log(likelihood + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        d = probabilities.flatten()
        predicted = np.argmax(d)
        d[predicted] -= 1
        return np.array([pixel * d for pixel in img]), d

    def train_svm(self):
        self.clf.fit(np.dot(self.train_images, self.W) + self.b, self.train_labels)

    def accuracy_nn(self, images, labels):
        return np.mean(np.argmax(np.dot(images, self.W) + self.b, axis=1) == labels)

    def accuracy_svm(self, images, labels):
        return np.mean(self.clf.predict(np.dot(images, self.W) + self.b) == labels)
