"""Homework 5, Q6: a one-layer neural network in NumPy, alone and as the feature transform of an SVM.

An image is a row of D pixels, `inputs` of shape (D,); the network has one neuron for each of C classes. With the
weights in the columns of W (D, C) and the biases in b (1, C), Eq. 1 of the handout reads logits = inputs W + b.
"""

import random

import numpy as np
from sklearn.svm import LinearSVC


class Model:
    """The classifier: `train_nn` fits the network, `train_svm` then fits an SVM to the network's logits.

    train_images, test_images: int or float (N, D), one image per row.
    train_labels, test_labels: int (N,), the classes 0 .. C-1.
    num_classes: int, C.
    hp: the settings `hp.num_epochs`, `hp.learning_rate` and `hp.batch_size` (see hyperparameters.py).
    """

    def __init__(self, train_images, train_labels, num_classes, hp, test_images=None, test_labels=None):
        self.input_size = train_images.shape[1]
        self.num_classes = num_classes
        self.num_epochs = hp.num_epochs
        self.learning_rate = hp.learning_rate
        self.batch_size = hp.batch_size
        self.train_images = train_images
        self.train_labels = train_labels
        self.test_images = test_images
        self.test_labels = test_labels
        self.clf = LinearSVC(dual=False)

        # TODO Q6.1:
        # Initialize the weights self.W, shape (input_size, num_classes), and the biases self.b, shape
        # (1, num_classes), as float arrays. Small random numbers are a good start.
        raise NotImplementedError("Model.__init__ (Q6.1) is not written yet")

    def train_nn(self):
        """Train the network by stochastic gradient descent, one image per step (Q6.2).

        In each of self.num_epochs epochs every training image is visited once, in random order. After each epoch
        the total loss over the training images is printed, and the accuracy on the test images where there are any.
        Changes self.W and self.b; returns None.
        """
        indices = list(range(len(self.train_images)))
        for epoch in range(self.num_epochs):
            random.shuffle(indices)
            total_loss = 0.0
            for index in indices:
                # TODO Q6.2:
                # Take one training step on the image and label with this index:
                # 1. compute the class probabilities with `forward_pass`;
                # 2. compute the loss of this image with `loss` and add it to total_loss;
                # 3. compute the gradients of W and b with `back_propagation`;
                # 4. update the model with `gradient_descent`.
                raise NotImplementedError(f"Model.train_nn (Q6.2) is not written yet: it met image {index}")
            self.print_progress(epoch, total_loss)

    def print_progress(self, epoch, total_loss):
        """Print the loss, and the accuracy where there are test images, after an epoch (given)."""
        line = f"epoch {epoch}: total loss {total_loss:.3f}"
        if self.test_images is not None:
            line += f", test accuracy {100 * self.accuracy_nn(self.test_images, self.test_labels):.2f}%"
        print(line)

    def forward_pass(self, inputs):
        """Compute the class probabilities of one image: the logits of Eq. 1, then the softmax of Eq. 2 (Q6.3).

        inputs: int or float (D,), the pixels of one image.
        Returns float (1, C): positive, and their sum is 1.
        """
        # TODO Q6.3:
        # Compute the logits and return their softmax. Exponentials of large logits overflow: subtract the
        # largest logit from all of them first, which changes nothing in Eq. 2.
        raise NotImplementedError("Model.forward_pass (Q6.3) is not written yet")

    def gradient_descent(self, gradW, gradB):
        """Take one step of gradient descent with the rate self.learning_rate (Q6.4; Eq. 4 and 5).

        gradW: float (D, C), dL/dW; gradB: float (C,) or (1, C), dL/db.
        Changes self.W and self.b, which keep their shapes; returns None.
        """
        # TODO Q6.4:
        # Move the weights and the biases against their gradients.
        raise NotImplementedError("Model.gradient_descent (Q6.4) is not written yet")

    @staticmethod
    def loss(probabilities, gt_label):
        """Compute the cross-entropy loss of one image (Q6.5; Eq. 3).

        probabilities: float (1, C), from `forward_pass`; gt_label: int, the true class.
        Returns a float: the negative natural logarithm of the true class's probability.
        """
        # TODO Q6.5:
        # Only the true class has y_j = 1 in Eq. 3, so one term of the sum is left. Add 1e-10 inside the
        # logarithm, so that a probability of 0 gives a large loss and not an infinite one.
        raise NotImplementedError("Model.loss (Q6.5) is not written yet")

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        """Compute the gradients of the loss of one image (Q6.6; Eq. 6 and 7).

        img: int or float (D,), the pixels; probabilities: float (1, C), from `forward_pass`; gt_label: int.
        Returns gradW (D, C) with the entries x_i (p_j - y_j), and gradB (1, C) with the entries p_j - y_j.
        """
        # TODO Q6.6:
        # Compute p_j - y_j for all classes at once: y_j is 1 for the true class and 0 for all others. Work on a
        # copy of the probabilities. gradW then holds one product for each pair of a pixel and a class.
        raise NotImplementedError("Model.back_propagation (Q6.6) is not written yet")

    def logits(self, images):
        """Compute the logits of many images at once: (N, D) -> (N, C) (given)."""
        return images @ self.W + self.b

    def accuracy_nn(self, images, labels):
        """Return the share of images (N, D) that the network classifies as their labels (N,) say (given)."""
        return float(np.mean(np.argmax(self.logits(images), axis=1) == labels))

    def train_svm(self):
        """Fit the SVM to the logits of the training images; call `train_nn` before (given)."""
        self.clf.fit(self.logits(self.train_images), self.train_labels)

    def accuracy_svm(self, images, labels):
        """Return the share of images (N, D) that the SVM classifies as their labels (N,) say (given)."""
        return float(np.mean(self.clf.predict(self.logits(images)) == labels))
