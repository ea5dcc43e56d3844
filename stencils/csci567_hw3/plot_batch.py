"""Given code for 3.2.1: plot test accuracy and training time against the batch size.

Usage: python plot_batch.py [--learning_rate 0.01] [--batch_sizes 1 5 50 500 5000] [--output batch_size.png]

Run `neural_networks.py` once with each batch size first: the results are read from MLP_lr<rate>_b<size>.json.
"""

import argparse
import json

import matplotlib

matplotlib.use("Agg")  # draws into a file, so that it also works where there is no screen
import matplotlib.pyplot as plt


def plot_batch(result_files, output_file):
    """Draw "test" and "time" of several runs next to each other and save them as one image.

    result_files: dict, batch size (int) -> the JSON file that `neural_networks.main` wrote for it.
    """
    results = []
    for file_name in result_files.values():
        with open(file_name) as file:
            results.append(json.load(file))
    batch_sizes = list(result_files)
    figure, panels = plt.subplots(1, 2, figsize=(10, 4))
    labels = {"test": "test accuracy", "time": "training time (seconds)"}
    for axes, (key, label) in zip(panels, labels.items(), strict=True):
        axes.plot(batch_sizes, [result[key] for result in results], marker="o")
        axes.set_xscale("log")
        axes.set_xlabel("batch size")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(output_file)
    plt.close(figure)


def main():
    """Read the settings from the command line and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 5, 50, 500, 5000])
    parser.add_argument("--output", default="batch_size.png")
    arguments = parser.parse_args()
    files = {size: f"MLP_lr{arguments.learning_rate}_b{size}.json" for size in arguments.batch_sizes}
    plot_batch(files, arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
