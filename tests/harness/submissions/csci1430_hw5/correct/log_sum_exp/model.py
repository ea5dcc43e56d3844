from __future__ import annotations

import random
from typing import Any

import numpy as np
from sklearn.svm import LinearSVC

EPSILON = 1e-10


class SoftmaxRegression:
    """What the two models share."""

    W: np.ndarray
    b: np.ndarray

    def scores(self, images: np.ndarray) -> np.ndarray:
        return images @ self.W + self.b

    def forward_pass(self, inputs: np.ndarray) -> np.ndarray:
        z = self.scores(inputs)
        top = z.max(axis=1, keepdims=True)
        log_z = top + np.log(np.exp(z - top).sum(axis=1, keepdims=True))
        return np.exp(z - log_z)

    @staticmethod
    def loss(probabilities: np.ndarray, gt_label: int) -> float:
        # clipping and adding are the same thing unless p is tiny
        return -np.log(np.maximum(probabilities[0, gt_label], EPSILON))

    @staticmethod
    def back_propagation(img: np.ndarray, probabilities: np.ndarray, gt_label: int) -> tuple[np.ndarray, np.ndarray]:
        target = (np.arange(probabilities.shape[-1]) == gt_label).astype(float)
        error = probabilities[0] - target
        return np.einsum("i,j->ij", img, error), error


class Model(SoftmaxRegression):
    def __init__(
        self,
        train_images: np.ndarray,
        train_labels: np.ndarray,
        num_classes: int,
        hp: Any,
        test_images: np.ndarray,
        test_labels: np.ndarray,
    ) -> None:
        self.train_images, self.train_labels = train_images, train_labels
        self.test_images, self.test_labels = test_images, test_labels
        self.learning_rate, self.num_epochs = hp.learning_rate, hp.num_epochs
        generator = np.random.default_rng(1430)
        limit = np.sqrt(6 / (train_images.shape[1] + num_classes))
        self.W = generator.uniform(-limit, limit, (train_images.shape[1], num_classes))
        self.b = np.zeros((1, num_classes))
        self.clf = LinearSVC(dual="auto")

    def train_nn(self) -> None:
        for epoch in range(self.num_epochs):
            order = random.sample(range(len(self.train_images)), len(self.train_images))
            total = sum(self._step(i) for i in order)
            accuracy = self.accuracy_nn(self.test_images, self.test_labels)
            print(f"Epoch {epoch}: Total loss: {total} Accuracy: {accuracy:.1%}")

    def _step(self, i: int) -> float:
        image, label = self.train_images[i], self.train_labels[i]
        probabilities = self.forward_pass(image)
        self.gradient_descent(*self.back_propagation(image, probabilities, label))
        return self.loss(probabilities, label)

    def gradient_descent(self, gradW: np.ndarray, gradB: np.ndarray) -> None:
        for name, gradient in (("W", gradW), ("b", gradB)):
            setattr(self, name, getattr(self, name) - self.learning_rate * gradient)

    def train_svm(self) -> None:
        self.clf.fit(self.scores(self.train_images), self.train_labels)

    def accuracy_nn(self, images: np.ndarray, labels: np.ndarray) -> float:
        return np.mean(self.scores(images).argmax(axis=1) == labels)

    def accuracy_svm(self, images: np.ndarray, labels: np.ndarray) -> float:
        return self.clf.score(self.scores(images), labels)
