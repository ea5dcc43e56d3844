"""The chain rule step by step, as in my written solution."""
import numpy as np


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def forward(x, W1, b1, W2, b2):
    return sigmoid(np.dot(np.tanh(np.dot(x, W1) + b1), W2) + b2)


def gradients(x, y, W1, b1, W2, b2):
    z1 = np.dot(x, W1) + b1
    a1 = np.tanh(z1)
    z2 = np.dot(a1, W2) + b2
    a2 = sigmoid(z2)
    # dL/da2, with the logarithms of eq. 5
    dL_da2 = y / a2 - (1 - y) / (1 - a2)
    da2_dz2 = a2 * (1 - a2)
    dL_dz2 = dL_da2 * da2_dz2
    dL_dW2 = np.zeros(W2.shape)
    for i in range(W2.shape[0]):
        for j in range(W2.shape[1]):
            dL_dW2[i, j] = a1[i] * dL_dz2[j]
    dL_db2 = dL_dz2.copy()
    dL_da1 = np.zeros(a1.shape)
    for j in range(W2.shape[1]):
        dL_da1 += W2[:, j] * dL_dz2[j]
    dL_dz1 = dL_da1 * (1 - np.tanh(z1) ** 2)
    dL_dW1 = np.zeros(W1.shape)
    for i in range(len(x)):
        dL_dW1[i] = x[i] * dL_dz1
    dL_db1 = dL_dz1.copy()
    return {'W1': dL_dW1, 'b1': dL_db1, 'W2': dL_dW2, 'b2': dL_db2}
