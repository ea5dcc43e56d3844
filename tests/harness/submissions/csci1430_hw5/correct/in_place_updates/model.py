import numpy as np
import random
from sklearn.svm import LinearSVC

class Model:
    def __init__(self, train_images, train_labels, num_classes, hp):
        self.input_size = train_images.shape[1]
        self.num_classes = num_classes
        self.learning_rate = hp.learning_rate
        self.batch_size = hp.batch_size
        self.num_epochs = hp.num_epochs
        self.train_images = train_images
        self.train_labels = train_labels
        self.W = np.random.uniform(-0.1, 0.1, (self.input_size, self.num_classes))
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
                # the loss has to come first, back_propagation reuses the array
                loss_sum += self.loss(probs, gt_label)
                gw, gb = self.back_propagation(img, probs, gt_label)
                self.gradient_descent(gw, gb)
            print("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum))

    def forward_pass(self, inputs):
        out = np.dot(inputs, self.W)
        out = out + self.b
        out -= np.amax(out)
        np.exp(out, out=out)
        out /= np.sum(out)
        return out

    def gradient_descent(self, gradW, gradB):
        self.W -= self.learning_rate * gradW
        # gradB comes out of back_propagation as (num_classes,)
        self.b[0] -= self.learning_rate * gradB

    @staticmethod
    def loss(probabilities, gt_label):
        return -1 * np.log(probabilities[0, gt_label] + 10 ** -10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        probabilities[0, gt_label] -= 1
        return np.outer(img, probabilities[0]), probabilities[0]

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
