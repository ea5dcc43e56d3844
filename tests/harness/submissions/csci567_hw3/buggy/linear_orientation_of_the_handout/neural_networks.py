import json
import numpy as np
import sys
import time
from utils import softmax_cross_entropy, data_loader_mnist, predict_label, DataSplit
import argparse
from tqdm import tqdm

class linear_layer:

    def __init__(self, input_D, output_D):
        self.params = dict()
        self.params['W'] = np.random.normal(0, 0.1, (output_D, input_D))
        self.params['b'] = np.random.normal(0, 0.1, (1, output_D))

        self.gradient = dict()
        self.gradient['W'] = np.zeros((output_D, input_D))
        self.gradient['b'] = np.zeros((1, output_D))

    def forward(self, X):
        # Wx + b for every row x of X
        forward_output = np.dot(X, self.params['W'].T) + self.params['b']
        return forward_output

    def backward(self, X, grad):
        self.gradient['W'] = np.dot(grad.T, X)
        self.gradient['b'] = np.sum(grad, axis=0).reshape(1, -1)
        backward_output = np.dot(grad, self.params['W'])
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
    a1 = model['L1'].forward(x)
    h1 = model['nonlinear1'].forward(a1)
    a2 = model['L2'].forward(h1)
    loss = model['loss'].forward(a2, y)
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
        print('Check the gradient of {} in {}: from backpropagation {} from approximation {}'.format(param, layer, backprop, approx))

    check('L1', 'W')
    check('L1', 'b')
    check('L2', 'W')
    check('L2', 'b')


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
