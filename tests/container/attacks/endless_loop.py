def miniBatchGradientDescent(model, _learning_rate):
    while True:
        pass
