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

        self.W = np.zeros(shape=(self.input_size, self.num_classes))
        self.b = np.random.rand(1, self.num_classes)
        self.clf = LinearSVC(dual=False)

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
                delta_W, delta_b = self.back_propagation(img, p, gt_label)
                # Step 4
                self.gradient_descent(delta_W, delta_b)

            print("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum))

    def forward_pass(self, inputs):
        l = np.dot(inputs, self.W) + self.b
        return l  # softmax still missing

    def gradient_descent(self, gradW, gradB):
        pass

    @staticmethod
    def loss(probabilities, gt_label):
        p = probabilities[0][gt_label]
        return -np.log(p + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        dLdl = probabilities - (np.arange(probabilities.shape[1]) == gt_label)
        dLdW = np.dot(np.atleast_2d(img).T, dLdl)
        return dLdW, dLdl

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
