import numpy as np
import random
from sklearn.svm import LinearSVC

print("model.py loaded, numpy", np.__version__)

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
        self.W = np.random.normal(0, 1, (self.input_size, self.num_classes))
        self.b = np.random.normal(0, 1, (1, self.num_classes))
        print("W", self.W.shape, "b", self.b.shape)
        print(self.W)
        self.clf = LinearSVC(dual=False)

    def train_nn(self):
        indices = list(range(self.train_images.shape[0]))
        for epoch in range(self.num_epochs):
            loss_sum = 0
            right = 0
            random.shuffle(indices)
            for index in range(len(indices)):
                i = indices[index]
                img = self.train_images[i]
                gt_label = self.train_labels[i]
                p = self.forward_pass(img)
                l = self.loss(p, gt_label)
                loss_sum += l
                right += int(np.argmax(p) == gt_label)
                gradW, gradB = self.back_propagation(img, p, gt_label)
                self.gradient_descent(gradW, gradB)
                print("image", index, "of", len(indices), "label", gt_label, "loss", l, "grad norm", np.linalg.norm(gradW))
            print("============================================")
            print("Epoch " + str(epoch) + ": Total loss: " + str(loss_sum), "train accuracy", right / len(indices))
            print("Accuracy:", self.accuracy_nn(self.test_images, self.test_labels))

    def forward_pass(self, inputs):
        logits = np.dot(inputs, self.W) + self.b
        print("logits", logits)
        m = np.max(logits)
        p = np.exp(logits - m) / np.sum(np.exp(logits - m))
        assert abs(np.sum(p) - 1) < 1e-5, "softmax does not sum to 1"
        return p

    def gradient_descent(self, gradW, gradB):
        assert gradW.shape == self.W.shape
        self.W = self.W - self.learning_rate * gradW
        self.b = self.b - self.learning_rate * gradB

    @staticmethod
    def loss(probabilities, gt_label):
        p = probabilities[0, gt_label]
        print("probability of the right answer:", p)
        return -np.log(p + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        gradB = probabilities.copy()
        gradB[0, gt_label] -= 1
        gradW = np.kron(img.reshape(-1, 1), gradB)
        print("gradW", gradW.shape, "gradB", gradB.shape)
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
