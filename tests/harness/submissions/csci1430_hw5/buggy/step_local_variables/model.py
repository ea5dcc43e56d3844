import numpy as np
import random
from scipy.special import softmax
from sklearn.svm import LinearSVC
from sklearn.metrics import accuracy_score

class Model:
    def __init__(self, train_images, train_labels, num_classes, hp, test_images, test_labels):
        self.input_size = train_images.shape[1]
        self.num_classes = num_classes
        self.lr = hp.learning_rate
        self.epochs = hp.num_epochs
        self.train_images = train_images
        self.train_labels = train_labels
        self.test_images = test_images
        self.test_labels = test_labels
        self.W = np.random.random_sample((self.input_size, self.num_classes)) - 0.5
        self.b = np.random.random_sample((1, self.num_classes)) - 0.5
        self.clf = LinearSVC(dual=False, max_iter=2000)

    def train_nn(self):
        indices = list(range(self.train_images.shape[0]))
        epoch = 0
        while epoch < self.epochs:
            loss_sum = 0
            random.shuffle(indices)
            for i in indices:
                img = self.train_images[i]
                label = self.train_labels[i].item()
                prob = self.forward_pass(img)
                dw, db = self.back_propagation(img, prob, label)
                loss_sum += self.loss(prob, label)
                self.gradient_descent(dw, db)
            print("Epoch %d: Total loss: %f, accuracy %.2f" % (epoch, loss_sum, self.accuracy_nn(self.test_images, self.test_labels)))
            epoch += 1

    def forward_pass(self, inputs):
        return softmax(np.dot(inputs, self.W) + self.b)

    def gradient_descent(self, gradW, gradB):
        W = self.W - self.lr * gradW
        b = self.b - self.lr * gradB

    @staticmethod
    def loss(probabilities, gt_label):
        return (-np.log(probabilities[:, gt_label] + 1e-10)).sum()

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        # x_i * p_j first, then take x_i off the column of the true class
        gradW = np.outer(img, probabilities)
        gradW[:, gt_label] -= img
        gradB = np.array(probabilities)
        gradB[:, gt_label] -= 1
        return gradW, gradB

    def train_svm(self):
        scores = np.dot(self.train_images, self.W) + self.b
        self.clf.fit(scores, self.train_labels)

    def accuracy_nn(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return accuracy_score(labels, np.argmax(scores, axis=1))

    def accuracy_svm(self, images, labels):
        scores = np.dot(images, self.W) + self.b
        return accuracy_score(labels, self.clf.predict(scores))
