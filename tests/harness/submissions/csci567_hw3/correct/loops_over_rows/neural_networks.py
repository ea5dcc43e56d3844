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

    def __init__(self, input_D, output_D):
        self.input_D = input_D
        self.output_D = output_D
        self.params = dict()
        self.params['W'] = np.zeros((input_D, output_D))
        for i in range(input_D):
            self.params['W'][i] = np.random.normal(0, 0.1, output_D)
        self.params['b'] = np.zeros((1, output_D))
        for j in range(output_D):
            self.params['b'][0][j] = np.random.normal(0, 0.1)
        self.gradient = dict()
        self.gradient['W'] = np.zeros((input_D, output_D))
        self.gradient['b'] = np.zeros((1, output_D))

    def forward(self, X):
        N = X.shape[0]
        out = np.zeros((N, self.output_D))
        for n in range(N):
            out[n] = X[n].dot(self.params['W']) + self.params['b'][0]
        return out

    def backward(self, X, grad):
        self.gradient['W'] = np.zeros((self.input_D, self.output_D))
        self.gradient['b'] = np.zeros((1, self.output_D))
        out = np.zeros(X.shape)
        for n in range(len(X)):
            self.gradient['W'] += np.outer(X[n], grad[n])
            self.gradient['b'] += grad[n]
            out[n] = np.dot(self.params['W'], grad[n])
        return out


class relu:

    def __init__(self):
        self.mask = None

    def forward(self, X):
        rows = []
        self.mask = np.ones(X.shape)
        for n in range(X.shape[0]):
            self.mask[n][X[n] <= 0] = 0
            rows.append(X[n] * self.mask[n])
        return np.array(rows)

    def backward(self, X, grad):
        result = np.zeros(grad.shape)
        for n in range(X.shape[0]):
            result[n] = grad[n] * self.mask[n]
        return result


def miniBatchGradientDescent(model, _learning_rate):
    for name, layer in model.items():
        try:
            layer.params['W'] = layer.params['W'] - _learning_rate * layer.gradient['W']
            layer.params['b'] = layer.params['b'] - _learning_rate * layer.gradient['b']
        except AttributeError:
            # relu and softmax
            pass
    return model


def forward_pass(model, x, y):
    a1 = model["L1"].forward(x)
    h1 = model["nonlinear1"].forward(a1)
    a2 = model["L2"].forward(h1)
    loss = model["loss"].forward(a2, y)
    return a1, h1, a2, loss


def backward_pass(model, x, a1, h1, a2, y):
    grad = model['loss'].backward(a2, y)
    inputs = {'L2': h1, 'nonlinear1': a1, 'L1': x}
    for name in ['L2', 'nonlinear1', 'L1']:
        grad = model[name].backward(inputs[name], grad)


def gradient_checker(DataSet, model):
    eps = 1e-3
    # a single example makes it easy to follow
    x, y = DataSet.get_example([0])
    a1, h1, a2, loss = forward_pass(model, x, y)
    backward_pass(model, x, a1, h1, a2, y)
    for layer in ['L1', 'L2']:
        for param in ['W', 'b']:
            losses = []
            for sign in [1, -1]:
                model[layer].params[param][0][0] += sign * eps
                losses.append(forward_pass(model, x, y)[3])
                model[layer].params[param][0][0] -= sign * eps
            approx = (losses[0] - losses[1]) / (2 * eps)
            print(layer, param, 'backprop:', model[layer].gradient[param][0][0], 'approx:', approx)


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
