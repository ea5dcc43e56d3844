import argparse
import copy
import json
import time

import numpy as np
from utils import softmax_cross_entropy, data_loader_mnist, predict_label, DataSplit

try:
    from tqdm import tqdm
except ImportError:
    def tqdm(iterable, **_settings):
        return iterable

HIDDEN_UNITS = 128
CLASSES = 10

class linear_layer:
    """A fully connected layer, U = X W + b (handout 3.1.1).

    input_D: int, the number of features D of each example.
    output_D: int, the number of output units M.

    self.params: dict, "W" float (D, M) and "b" float (1, M).
    self.gradient: dict, the derivatives of the loss with respect to "W" (D, M) and "b" (1, M), stored by `backward`.
    """

    def __init__(self, input_D, output_D):
        self.params = dict()
        self.gradient = dict()

        mean, std = 0, 0.1
        self.params["W"] = np.random.normal(mean, std, size=(input_D, output_D))
        self.params["b"] = np.random.normal(mean, std, size=(1, output_D))
        self.gradient["W"] = np.zeros_like(self.params["W"])
        self.gradient["b"] = np.zeros_like(self.params["b"])

    def forward(self, X):
        """Compute the layer's output for a batch (handout 3.1.1).

        X: float (N, D), one example per row; it must not be changed.
        Returns U: float (N, M), one output per row.
        """
        U = X @ self.params["W"] + self.params["b"]
        return U

    def backward(self, X, grad):
        """Propagate a gradient back through the layer and store the parameters' gradients (handout 3.1.1).

        X: float (N, D), the input that `forward` was called with.
        grad: float (N, M), dLoss/dU, the gradient with respect to this layer's output.
        Stores dLoss/dW (D, M) in self.gradient["W"] and dLoss/db (1, M) in self.gradient["b"].
        Returns dLoss/dX: float (N, D).
        """
        # (D, N) x (N, M) = (D, M)
        self.gradient["W"] = X.T @ grad
        # (N, M) -> (1, M)
        self.gradient["b"] = grad.sum(axis=0, keepdims=True)
        # (N, M) x (M, D) = (N, D)
        return grad @ self.params["W"].T


class relu:
    """The rectified linear unit, h = max(0, u) entry by entry (handout 3.1.2). It has no parameters.

    self.mask: array of the input's shape, kept by `forward`: which entries are positive.
    """

    def __init__(self):
        self.mask = None

    def forward(self, X):
        """Compute max(0, X), entry by entry (handout 3.1.2).

        X: float (N, M).
        Returns float (N, M).
        """
        self.mask = X > 0
        return np.maximum(0, X)

    def backward(self, X, grad):
        """Propagate a gradient back through the ReLU (handout 3.1.2).

        X: float (N, M), the input that `forward` was called with.
        grad: float (N, M), the gradient with respect to the output of the ReLU.
        Returns float (N, M), the gradient with respect to X.
        """
        return grad * self.mask


def miniBatchGradientDescent(model, _learning_rate):
    """Take one step of stochastic gradient descent, w <- w - eta * dF/dw, in every layer (handout 3.1.3).

    model: dict, the layers by name; some, such as the ReLU and the loss, have no `params`.
    _learning_rate: float, the step size eta.
    Returns the model with updated `params`; the gradients stand in each layer's `gradient`.
    """
    for layer in model.values():
        if not hasattr(layer, "params"):
            continue
        layer.params["W"] -= _learning_rate * layer.gradient["W"]
        layer.params["b"] -= _learning_rate * layer.gradient["b"]
        # ready for the next batch
        layer.gradient = {"W": np.zeros_like(layer.params["W"]), "b": np.zeros_like(layer.params["b"])}
    return model


def forward_pass(model, x, y):
    a1 = model["L1"].forward(x)
    h1 = model["nonlinear1"].forward(a1)
    a2 = model["L2"].forward(h1)
    loss = model["loss"].forward(a2, y)
    return a1, h1, a2, loss


def backward_pass(model, x, a1, h1, a2, y):
    """Run back-propagation through the whole network (handout 3.1.4).

    model: dict, the layers by name (see the top of this file).
    x: float (N, D), y: float (N, 1), and a1, h1, a2 as `forward_pass` returned them for this batch.
    Returns None: afterwards the gradients stand in model["L1"].gradient and model["L2"].gradient.
    """
    dL_da2 = model["loss"].backward(a2, y)
    dL_dh1 = model["L2"].backward(h1, dL_da2)
    dL_da1 = model["nonlinear1"].backward(a1, dL_dh1)
    dL_dx = model["L1"].backward(x, dL_da1)


def gradient_checker(DataSet, model):
    """Compare back-propagation with a numerical approximation of the gradient (handout 3.1.5).

    DataSet: DataSplit, from which a small batch is taken with DataSet.get_example(indices).
    model: dict, the layers by name; every parameter must be left exactly as it was found.
    Prints, for the entry [0, 0] of W and b in the layers L1 and L2, the derivative from back-propagation and its
    approximation (F(w + epsilon) - F(w - epsilon)) / (2 epsilon) with epsilon = 1e-3. Returns None.
    """
    x, y = DataSet.get_example(np.arange(min(10, DataSet.N)))
    a1, h1, a2, loss = forward_pass(model, x, y)
    backward_pass(model, x, a1, h1, a2, y)

    epsilon = 1e-3
    exact, approximated = [], []
    for layer_name in ["L1", "L2"]:
        for parameter_name in ["W", "b"]:
            layer = model[layer_name]
            saved = layer.params[parameter_name][0, 0]

            layer.params[parameter_name][0, 0] = saved + epsilon
            _, _, _, loss_plus = forward_pass(model, x, y)

            layer.params[parameter_name][0, 0] = saved - epsilon
            _, _, _, loss_minus = forward_pass(model, x, y)

            layer.params[parameter_name][0, 0] = saved

            approximation = (loss_plus - loss_minus) / (2 * epsilon)
            approximated.append(approximation)
            exact.append(float(layer.gradient[parameter_name][0, 0]))

    print("from backpropagation (W1, b1, W2, b2):", exact)
    print("from approximation:                   ", approximated)


def print_gradients(layer_name, parameter_name, backpropagated, approximation):
    print(f"gradient of {layer_name}.{parameter_name}[0, 0]")
    print(f"    by back-propagation: {backpropagated:.10f}")
    print(f"    by approximation:    {approximation:.10f}")


def magnitude_checker(DataSet, model):
    for batch_size in (50, 5000):
        x, y = DataSet.get_example(np.arange(min(batch_size, DataSet.N)))
        a1, h1, a2, _ = forward_pass(model, x, y)
        backward_pass(model, x, a1, h1, a2, y)
        magnitude = np.sum(np.abs(model["L1"].gradient["W"]))
        print(f"l1-norm of the gradient of L1.W with a batch of {len(x)}: {magnitude:.6f}")


def build_model(input_D):
    return {
        "L1": linear_layer(input_D, HIDDEN_UNITS),
        "nonlinear1": relu(),
        "L2": linear_layer(HIDDEN_UNITS, CLASSES),
        "loss": softmax_cross_entropy(),
    }


def train_one_epoch(model, DataSet, minibatch_size, learning_rate):
    order = np.random.permutation(DataSet.N)
    for start in tqdm(range(0, DataSet.N, minibatch_size), leave=False):
        x, y = DataSet.get_example(order[start : start + minibatch_size])
        a1, h1, a2, _ = forward_pass(model, x, y)
        backward_pass(model, x, a1, h1, a2, y)
        model = miniBatchGradientDescent(model, learning_rate)
    return model


def accuracy(model, DataSet):
    _, _, a2, _ = forward_pass(model, DataSet.X, DataSet.Y)
    return float(np.mean(predict_label(a2) == DataSet.Y))


def train_with_early_stopping(model, train_set, val_set, main_params):
    best_model, best_epoch, best_accuracy = copy.deepcopy(model), 0, -1.0
    train_accuracies, val_accuracies = [], []
    for epoch in range(1, int(main_params["num_epoch"]) + 1):
        model = train_one_epoch(
            model, train_set, int(main_params["minibatch_size"]), float(main_params["learning_rate"])
        )
        train_accuracies.append(accuracy(model, train_set))
        val_accuracies.append(accuracy(model, val_set))
        print(f"epoch {epoch}: training accuracy {train_accuracies[-1]:.4f}, validation {val_accuracies[-1]:.4f}")
        if val_accuracies[-1] > best_accuracy:
            best_model, best_epoch, best_accuracy = copy.deepcopy(model), epoch, val_accuracies[-1]
        elif epoch - best_epoch >= int(main_params["early_stopping_patience"]):
            print(f"stopped early: no better validation accuracy than in epoch {best_epoch}")
            break
    print(f"best model: epoch {best_epoch}, validation accuracy {best_accuracy:.4f}")
    return best_model, train_accuracies, val_accuracies


def main(main_params):
    np.random.seed(int(main_params["random_seed"]))
    X_train, Y_train, X_val, Y_val, X_test, Y_test = data_loader_mnist(main_params["data_dir"])
    train_set, val_set, test_set = DataSplit(X_train, Y_train), DataSplit(X_val, Y_val), DataSplit(X_test, Y_test)
    model = build_model(train_set.d)

    if main_params["check_magnitude"]:
        magnitude_checker(train_set, model)
    if main_params["check_gradient"]:
        gradient_checker(train_set, model)

    start = time.perf_counter()
    model, train_accuracies, val_accuracies = train_with_early_stopping(model, train_set, val_set, main_params)
    seconds = time.perf_counter() - start
    test_accuracy = accuracy(model, test_set)
    print(f"test accuracy {test_accuracy:.4f}, training took {seconds:.1f} seconds")

    result = {"train": train_accuracies, "val": val_accuracies, "test": test_accuracy, "time": seconds}
    with open(f"MLP_lr{main_params['learning_rate']}_b{main_params['minibatch_size']}.json", "w") as file:
        json.dump(result, file)


def parse_arguments():
    parser = argparse.ArgumentParser(description="Train a two-layer perceptron on Fashion-MNIST.")
    parser.add_argument("--random_seed", type=int, default=42)
    parser.add_argument("--data_dir", default="data", help="the folder with the four *-ubyte.gz files")
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--num_epoch", type=int, default=30)
    parser.add_argument("--minibatch_size", type=int, default=5)
    parser.add_argument("--early_stopping_patience", type=int, default=3, help="epochs without improvement")
    parser.add_argument("--check_gradient", action="store_true", help="compare gradients before training")
    parser.add_argument("--check_magnitude", action="store_true", help="compare gradient sizes before training")
    return vars(parser.parse_args())


if __name__ == "__main__":
    main(parse_arguments())
