import json
import numpy as np
import sys
import time
from utils import softmax_cross_entropy, data_loader_mnist, predict_label, DataSplit
import argparse
from tqdm import tqdm

class linear_layer:
    def __init__(self, input_D, output_D):
        sizes = {"W": (input_D, output_D), "b": (1, output_D)}
        self.params = {k: np.random.normal(0., .1, s) for k, s in sizes.items()}
        self.gradient = {k: np.zeros(s) for k, s in sizes.items()}

    def forward(self, X):
        return X.dot(self.params["W"]) + self.params["b"]

    def backward(self, X, grad):
        self.gradient["W"] = X.T.dot(grad)
        self.gradient["b"] = np.ones((1, X.shape[0])).dot(grad)
        return grad.dot(self.params["W"].T)


class relu:
    def __init__(self):
        self.mask = None

    def forward(self, X):
        self.mask = X > 0
        return X * self.mask

    def backward(self, X, grad):
        return grad * (X > 0)


def miniBatchGradientDescent(model, _learning_rate):
    for m in model.values():
        for k in getattr(m, "params", {}):
            m.params[k] -= _learning_rate * m.gradient[k]
    return model


def forward_pass(model, x, y):
    a1 = model['L1'].forward(x)
    h1 = model['nonlinear1'].forward(a1)
    a2 = model['L2'].forward(h1)
    loss = model['loss'].forward(a2, y)
    return a1, h1, a2, loss


def backward_pass(model, x, a1, h1, a2, y):
    g = model["loss"].backward(a2, y)
    for name, inp in (("L2", h1), ("nonlinear1", a1), ("L1", x)):
        g = model[name].backward(inp, g)


def gradient_checker(DataSet, model):
    eps = 1e-3
    x, y = DataSet.get_example(np.random.choice(DataSet.N, min(DataSet.N, 8), replace=False))
    for l in ("L1", "L2"):
        for k in ("W", "b"):
            p, f = model[l].params[k], []
            old = p.flat[0]
            for e in (eps, -eps):
                p.flat[0] = old + e
                f.append(forward_pass(model, x, y)[-1])
            p.flat[0] = old
            print(f"{l}.{k}: backprop {model[l].gradient[k].flat[0]:.6f}, numerical {(f[0] - f[1]) / (2 * eps):.6f}")


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
