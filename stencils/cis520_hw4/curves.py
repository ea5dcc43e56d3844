"""Given code: curves over the epochs, drawn into a file."""

import matplotlib

matplotlib.use("Agg")  # draws into a file, so that it also works where there is no screen
import matplotlib.pyplot as plt


def save_curves(curves, label, path):
    """Draw one curve per name against the number of epochs.

    curves: dict, name -> list of one number per epoch.
    label: what the numbers are; path: the image file to write.
    """
    figure, axes = plt.subplots()
    for name, values in curves.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", label=name)
    axes.set(xlabel="epoch", ylabel=label)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path)
    plt.close(figure)
