# CSCI1430 HW5 written (numpy)
import random
import numpy as np
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

        self.W = np.random.rand(self.input_size, self.num_classes)
        self.b = np.random.rand(1, self.num_classes)
        self.clf = LinearSVC(multi_class='ovr', dual=False)

    def train_nn(self):
        indices = list(range(self.train_images.shape[0]))

        # storage for the update
        delta_W = np.zeros((self.input_size, self.num_classes))
        delta_b = np.zeros((1, self.num_classes))

        for epoch in range(self.num_epochs):
            loss_sum = 0
            random.shuffle(indices)

            for index in range(len(indices)):
                i = indices[index]
                img = self.train_images[i]
                gt_label = self.train_labels[i]

                # Step 1
                p = self.forward_pass(img)
                # Step 2
                loss_sum = loss_sum + self.loss(p, gt_label)
                # Step 3
                gradW, gradB = self.back_propagation(img, p, gt_label)
                delta_W += gradW
                delta_b += gradB
                # Step 4
                self.gradient_descent(delta_W, delta_b)

            print("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum))

    def forward_pass(self, inputs):
        l = np.dot(inputs, self.W) + self.b
        l = l - np.max(l)          # so exp does not blow up
        e = np.exp(l)
        return e / np.sum(e)

    def gradient_descent(self, gradW, gradB):
        self.W -= self.learning_rate * gradW
        self.b -= self.learning_rate * gradB

    @staticmethod
    def loss(probabilities, gt_label):
        p = probabilities[0][gt_label]
        return -np.log(p + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        y = np.zeros(probabilities.shape)
        y[0][gt_label] = 1
        diff = probabilities - y
        gradW = np.matmul(img.reshape(-1, 1), diff)
        gradB = diff
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
