import json
import numpy as np
import sys
import time
from utils import softmax_cross_entropy, data_loader_mnist, predict_label, DataSplit
import argparse
from tqdm import tqdm

class linear_layer:
    def __init__(self, input_D, output_D):
        # 1. the parameters: W is input_D x output_D, b is a row vector
        weights = np.random.normal(loc=0.0, scale=0.1, size=(input_D, output_D))
        bias = np.random.normal(loc=0.0, scale=0.1, size=(1, output_D))
        self.params = {'W': weights, 'b': bias}
        # 2. the gradients start as zeros
        self.gradient = {'W': np.zeros(weights.shape), 'b': np.zeros(bias.shape)}

    def forward(self, X):
        # a column of ones multiplies the bias
        return self.with_ones(X) @ np.vstack([self.params['W'], self.params['b']])

    @staticmethod
    def with_ones(X):
        return np.hstack([X, np.ones((len(X), 1))])

    def backward(self, X, grad):
        # chain rule: dL/dW = X^T * dL/dU, dL/db = sum over the batch of dL/dU, dL/dX = dL/dU * W^T
        both = self.with_ones(X).T @ grad
        self.gradient.update(W=both[:-1], b=both[-1:])
        grad_X = np.matmul(grad, np.transpose(self.params['W']))
        return grad_X


class relu:
    def __init__(self):
        self.mask = None

    def forward(self, X):
        # 1 where the unit is active, 0 where it is off, and a half on the corner
        self.mask = np.heaviside(X, 0.5)
        return (X + np.abs(X)) / 2

    def backward(self, X, grad):
        # the derivative of relu is exactly the mask
        return np.multiply(grad, self.mask)


def miniBatchGradientDescent(model, _learning_rate):
    # go through all the layers of the network
    for name in model:
        layer = model[name]
        # relu and the loss have no parameters, skip them
        if hasattr(layer, 'params'):
            # w = w - learning rate * gradient
            layer.params.update({p: w - _learning_rate * layer.gradient[p] for p, w in layer.params.items()})
    return model


def forward_pass(model, x, y):
    a1 = model['L1'].forward(x)
    h1 = model['nonlinear1'].forward(a1)
    a2 = model['L2'].forward(h1)
    loss = model['loss'].forward(a2, y)
    return a1, h1, a2, loss


def backward_pass(model, x, a1, h1, a2, y):
    # start at the end of the network (the loss) and walk back to the first layer
    grad_a2 = model['loss'].backward(a2, y)
    grad_h1 = model['L2'].backward(h1, grad_a2)
    grad_a1 = model['nonlinear1'].backward(a1, grad_h1)
    model['L1'].backward(x, grad_a1)


def gradient_checker(DataSet, model):
    epsilon = 1e-3
    batch, labels = DataSet.get_example(np.arange(6))
    a1, h1, a2, _ = forward_pass(model, batch, labels)
    backward_pass(model, batch, a1, h1, a2, labels)
    print('parameter     backprop        approx')
    for p in ['W', 'b']:
        for name in ['L1', 'L2']:
            backup = np.copy(model[name].params[p])
            F = {}
            for sign in ['+', '-']:
                model[name].params[p][0, 0] = eval('backup[0, 0] ' + sign + ' epsilon')
                F[sign] = forward_pass(model, batch, labels)[3]
            model[name].params[p] = backup
            approx = (F['+'] - F['-']) / (2 * epsilon)
            print('%-9s %12.8f  %12.8f' % (name + '.' + p, model[name].gradient[p][0, 0], approx))


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
