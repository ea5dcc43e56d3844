# everything as matrices with one row
import numpy as np
from scipy.special import expit


def _pass(x, W1, b1, W2, b2):
    X = np.asarray(x).reshape(1, -1)
    A1 = np.tanh(X.dot(W1) + b1)
    A2 = expit(A1.dot(W2) + b2)
    return X, A1, A2


def forward(x, W1, b1, W2, b2):
    return _pass(x, W1, b1, W2, b2)[2].ravel()


def gradients(x, y, W1, b1, W2, b2):
    X, A1, A2 = _pass(x, W1, b1, W2, b2)
    delta2 = np.asarray(y).reshape(1, -1) - A2
    delta1 = delta2.dot(W2.T) * (1 - np.square(A1))
    return dict(W1=X.T.dot(delta1), b1=delta1, W2=A1.T.dot(delta2), b2=delta2)
