import json
import numpy as np
import sys
import time
from utils import softmax_cross_entropy, data_loader_mnist, predict_label, DataSplit
import argparse
from tqdm import tqdm

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
        X[~self.mask] = 0
        return X

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
    return model


def forward_pass(model, x, y):
    a1 = model['L1'].forward(x)
    h1 = model['nonlinear1'].forward(a1)
    a2 = model['L2'].forward(h1)
    loss = model['loss'].forward(a2, y)
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
            print(layer_name, parameter_name)
            print("   backpropagation:", layer.gradient[parameter_name][0, 0])
            print("   approximation:", approximation)


def magnitude_checker(DataSet, model):
    for n in [50, 5000]:
        x, y = DataSet.get_example(np.arange(min(n, DataSet.N)))
        a1, h1, a2, _ = forward_pass(model, x, y)
        backward_pass(model, x, a1, h1, a2, y)
        print('Magnitude of the gradient of L1 W, batch size', n, ':', np.sum(np.abs(model['L1'].gradient['W'])))


def main(main_params):

    np.random.seed(int(main_params['random_seed']))
    Xtrain, Ytrain, Xval, Yval, Xtest, Ytest = data_loader_mnist(main_params['data_dir'])
    N_train, d = Xtrain.shape
    trainSet = DataSplit(Xtrain, Ytrain)
    valSet = DataSplit(Xval, Yval)
    testSet = DataSplit(Xtest, Ytest)

    # the network
    num_epoch = int(main_params['num_epoch'])
    minibatch_size = int(main_params['minibatch_size'])
    _learning_rate = float(main_params['learning_rate'])
    model = dict()
    model['L1'] = linear_layer(input_D=d, output_D=128)
    model['nonlinear1'] = relu()
    model['L2'] = linear_layer(input_D=128, output_D=10)
    model['loss'] = softmax_cross_entropy()

    if main_params['check_magnitude']:
        magnitude_checker(trainSet, model)
    if main_params['check_gradient']:
        gradient_checker(trainSet, model)

    train_acc_record = []
    val_acc_record = []
    best_acc = -1
    best_params = None
    waiting = 0
    start = time.time()

    for t in range(num_epoch):
        print('At epoch', t + 1)
        idx_order = np.random.permutation(N_train)
        for i in tqdm(range(0, N_train, minibatch_size)):
            x, y = trainSet.get_example(idx_order[i:i + minibatch_size])
            a1, h1, a2, _ = forward_pass(model, x, y)
            backward_pass(model, x, a1, h1, a2, y)
            model = miniBatchGradientDescent(model, _learning_rate)

        train_acc = evaluate(model, trainSet)
        val_acc = evaluate(model, valSet)
        train_acc_record.append(train_acc)
        val_acc_record.append(val_acc)
        print('Training accuracy:', train_acc, 'Validation accuracy:', val_acc)

        if val_acc > best_acc:
            best_acc = val_acc
            best_params = [{k: v.copy() for k, v in model[name].params.items()} for name in ['L1', 'L2']]
            waiting = 0
        else:
            waiting += 1
            if waiting >= int(main_params['early_stopping_patience']):
                break

    model['L1'].params, model['L2'].params = best_params
    seconds = time.time() - start
    test_acc = evaluate(model, testSet)
    print('Test accuracy:', test_acc, 'Training time:', seconds)

    file_name = 'MLP_lr' + str(main_params['learning_rate']) + '_b' + str(main_params['minibatch_size']) + '.json'
    with open(file_name, 'w') as f:
        json.dump({'train': train_acc_record, 'val': val_acc_record, 'test': test_acc, 'time': seconds}, f)
    print('Finish running!')


def evaluate(model, split):
    correct = 0
    for i in range(0, split.N, 1000):
        x, y = split.get_example(np.arange(i, min(i + 1000, split.N)))
        _, _, a2, _ = forward_pass(model, x, y)
        correct += np.sum(predict_label(a2) == y)
    return float(correct / split.N)


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--random_seed', default=42)
    parser.add_argument('--data_dir', default='data')
    parser.add_argument('--learning_rate', default=0.01)
    parser.add_argument('--num_epoch', default=30)
    parser.add_argument('--minibatch_size', default=5)
    parser.add_argument('--early_stopping_patience', default=3)
    parser.add_argument('--check_gradient', action='store_true', default=False)
    parser.add_argument('--check_magnitude', action='store_true', default=False)
    main(vars(parser.parse_args()))
