"""Given: trains and tests the model of Q6 on one of the handout's four conditions.

    python main.py --dataset mnist    --mode nn
    python main.py --dataset mnist    --mode nn+svm
    python main.py --dataset scenerec --mode nn
    python main.py --dataset scenerec --mode nn+svm

--data names the folder that holds the data sets (see datasets.py).
"""

import argparse
import random

import hyperparameters as hp
import numpy as np
from datasets import Datasets
from model import Model


def parse_arguments():
    """Read the condition to run from the command line."""
    parser = argparse.ArgumentParser(description="Train a one-layer network, alone or followed by an SVM.")
    parser.add_argument("--dataset", choices=["mnist", "scenerec"], default="mnist")
    parser.add_argument("--mode", choices=["nn", "nn+svm"], default="nn")
    parser.add_argument("--data", default="data", metavar="DIR", help="the folder that holds the data sets")
    parser.add_argument("--seed", type=int, default=0, help="makes a run repeatable")
    return parser.parse_args()


def main():
    """Train the network, and the SVM if asked for, and print the accuracies on the test images."""
    arguments = parse_arguments()
    random.seed(arguments.seed)
    np.random.seed(arguments.seed)
    data = Datasets(arguments.dataset, arguments.data)
    model = Model(data.train_images, data.train_labels, data.num_classes, hp, data.test_images, data.test_labels)
    model.train_nn()
    print(f"NN on {arguments.dataset}: {100 * model.accuracy_nn(data.test_images, data.test_labels):.2f}%")
    if arguments.mode == "nn+svm":
        model.train_svm()
        print(f"NN+SVM on {arguments.dataset}: {100 * model.accuracy_svm(data.test_images, data.test_labels):.2f}%")


if __name__ == "__main__":
    main()
