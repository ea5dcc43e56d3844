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
        self.params = dict()
        self.params['W'] = np.random.normal(0, 0.1, (input_D, output_D))
        self.params['b'] = np.random.normal(0, 0.1, (1, output_D))

        self.gradient = dict()
        self.gradient['W'] = np.zeros((input_D, output_D))
        self.gradient['b'] = np.zeros((1, output_D))

    def forward(self, X):
        # XW + b, b is broadcast to every row
        forward_output = np.dot(X, self.params['W']) + self.params['b']
        return forward_output

    def backward(self, X, grad):
        self.gradient['W'] = np.dot(X.T, grad)
        self.gradient['b'] = np.sum(grad, axis=0).reshape(1, -1)
        backward_output = np.dot(grad, self.params['W'].T)
        return backward_output


class relu:

    def __init__(self):
        self.mask = None

    def forward(self, X):
        self.mask = (X > 0).astype(float)
        forward_output = self.mask * X
        return forward_output

    def backward(self, X, grad):
        backward_output = self.mask * grad
        return backward_output


def miniBatchGradientDescent(model, _learning_rate):
    for module_name, module in model.items():
        # only the linear layers have something to learn
        if hasattr(module, 'params'):
            for key in module.params.keys():
                g = module.gradient[key]
                module.params[key] = module.params[key] - _learning_rate * g
    return model


def forward_pass(model, x, y):
    a1 = model["L1"].forward(x)
    h1 = model["nonlinear1"].forward(a1)
    a2 = model["L2"].forward(h1)
    loss = model["loss"].forward(a2, y)
    return a1, h1, a2, loss


def backward_pass(model, x, a1, h1, a2, y):
    grad_a2 = model['loss'].backward(a2, y)
    grad_h1 = model['L2'].backward(h1, grad_a2)
    grad_a1 = model['nonlinear1'].backward(a1, grad_h1)
    grad_x = model['L1'].backward(x, grad_a1)


def gradient_checker(DataSet, model):
    x, y = DataSet.get_example(np.arange(min(5, DataSet.N)))
    a1, h1, a2, _ = forward_pass(model, x, y)
    backward_pass(model, x, a1, h1, a2, y)
    epsilon = 1e-3

    def check(layer, param):
        w = model[layer].params[param]
        old = w[0, 0]
        w[0, 0] = old + epsilon
        loss_plus = forward_pass(model, x, y)[3]
        w[0, 0] = old - epsilon
        loss_minus = forward_pass(model, x, y)[3]
        w[0, 0] = old
        approx = (loss_plus - loss_minus) / (2 * epsilon)
        backprop = model[layer].gradient[param][0, 0]
        error = abs(backprop - approx) / (abs(backprop) + abs(approx) + 1e-12)
        print('%s %s: F(w+eps) = %.4f, F(w-eps) = %.4f' % (layer, param, loss_plus, loss_minus))
        print('   backprop %.4f   approx %.4f   relative error %.1e' % (backprop, approx, error))

    check('L1', 'W')
    check('L1', 'b')
    check('L2', 'W')
    check('L2', 'b')


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
