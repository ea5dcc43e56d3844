"""Given code for 3.1.6: plot the training accuracy of one run against the epochs.

Usage: python plot_train_process.py [MLP_lr0.01_b5.json] [--output train_process.png]
"""

import argparse
import json

import matplotlib

matplotlib.use("Agg")  # draws into a file, so that it also works where there is no screen
import matplotlib.pyplot as plt


def plot_train_process(result_file, output_file):
    """Draw the curves "train" and "val" of a file that `neural_networks.main` wrote, and save them as an image."""
    with open(result_file) as file:
        result = json.load(file)
    epochs = range(1, len(result["train"]) + 1)
    figure, axes = plt.subplots()
    axes.plot(epochs, result["train"], marker="o", label="training")
    axes.plot(epochs, result["val"], marker="s", label="validation")
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy")
    axes.set_title(result_file)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(output_file)
    plt.close(figure)


def main():
    """Read the file names from the command line and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result_file", nargs="?", default="MLP_lr0.01_b5.json")
    parser.add_argument("--output", default="train_process.png")
    arguments = parser.parse_args()
    plot_train_process(arguments.result_file, arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
