import numpy as np
import random
from sklearn.svm import LinearSVC


class Model:
    def __init__(self, train_images, train_labels, num_classes, hp, test_images, test_labels):
        # single precision: half the memory and faster on my laptop
        self.train_images = train_images.astype(np.float32)
        self.train_labels = train_labels
        self.test_images = test_images.astype(np.float32)
        self.test_labels = test_labels
        self.input_size = train_images.shape[1]
        self.num_classes = num_classes
        self.learning_rate = np.float32(hp.learning_rate)
        self.batch_size = hp.batch_size
        self.num_epochs = hp.num_epochs
        self.W = (np.random.randn(self.input_size, num_classes) / np.sqrt(self.input_size)).astype(np.float32)
        self.b = np.zeros((1, num_classes), dtype=np.float32)
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        indices = list(range(self.train_images.shape[0]))
        for epoch in range(self.num_epochs):
            loss_sum = 0
            random.shuffle(indices)
            for i in indices:
                img, gt_label = self.train_images[i], self.train_labels[i]
                probabilities = self.forward_pass(img)
                loss_sum += self.loss(probabilities, gt_label)
                gradW, gradB = self.back_propagation(img, probabilities, gt_label)
                self.gradient_descent(gradW, gradB)
            print("Epoch {}: Total loss: {}".format(epoch, loss_sum))
            print("Accuracy: {}".format(self.accuracy_nn(self.test_images, self.test_labels)))

    def forward_pass(self, inputs):
        x = np.asarray(inputs, dtype=np.float32).reshape(1, -1)
        logits = x @ self.W.astype(np.float32) + self.b.astype(np.float32)
        logits = logits - logits.max(axis=1, keepdims=True)
        e = np.exp(logits)
        return e / e.sum(axis=1, keepdims=True)

    def gradient_descent(self, gradW, gradB):
        self.W = (self.W - self.learning_rate * gradW).astype(np.float32)
        self.b = (self.b - self.learning_rate * gradB).astype(np.float32)

    @staticmethod
    def loss(probabilities, gt_label):
        return -np.log(probabilities[0, gt_label].astype(np.float32) + np.float32(1e-10))

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        delta = probabilities.astype(np.float32)
        delta[0, gt_label] -= 1
        return np.outer(img.astype(np.float32), delta), delta

    def train_svm(self):
        scores = np.dot(self.train_images, self.W) + self.b
        self.clf.fit(scores, self.train_labels)

    def accuracy_nn(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return np.mean(np.argmax(scores, axis=1) == labels)

    def accuracy_svm(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return np.mean(self.clf.predict(scores) == labels)
