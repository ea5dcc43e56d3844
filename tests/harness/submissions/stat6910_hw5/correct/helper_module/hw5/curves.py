# my own copy, with a grid
import matplotlib.pyplot as plt


def save_curves(curves, label, path):
    for name in curves:
        plt.plot(curves[name], label=name)
    plt.grid()
    plt.legend()
    plt.ylabel(label)
    plt.savefig(path)
