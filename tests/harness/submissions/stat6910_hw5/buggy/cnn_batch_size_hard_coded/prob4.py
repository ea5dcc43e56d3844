"""Homework 5, problem 4: reading out AlexNet."""

import argparse

import numpy as np
import torch
from alexnet import AlexNet, as_input, load_alexnet
from torch import nn

SIDE = 227


def first_conv_outputs(model, images):
    """Read out the first convolutional layer (4.2) with a hook."""
    saved = []

    def keep(module, inputs, output):
        saved.append(output.detach().clone())

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            handle = module.register_forward_hook(keep)
            break
    model.eval()
    with torch.no_grad():
        model(images)
    handle.remove()
    return saved[0]


def final_layer_outputs(model, images):
    """Read out the last layer (4.3): its scores before any softmax."""
    model.eval()
    with torch.no_grad():
        scores = model(images)
    return scores


def top5(model, image, class_names):
    """Name the five most probable classes of one picture (4.4)."""
    scores = final_layer_outputs(model, image.unsqueeze(0))
    probabilities = nn.functional.softmax(scores, dim=1)
    values, indices = probabilities.topk(5, dim=1)
    result = []
    for value, index in zip(values[0], indices[0]):
        result.append((class_names[index.item()], value.item()))
    return result


def fit_to_input(image):
    """Crop or zero-pad a picture to AlexNet's size (4.4), each side by itself, around the middle."""
    height, width = image.shape[:2]
    if height > SIDE:
        top = (height - SIDE) // 2
        image = image[top:top + SIDE]
    if width > SIDE:
        left = (width - SIDE) // 2
        image = image[:, left:left + SIDE]
    height, width = image.shape[:2]
    result = np.zeros((SIDE, SIDE, 3), dtype=image.dtype)
    top = (SIDE - height) // 2
    left = (SIDE - width) // 2
    result[top:top + height, left:left + width] = image
    return result


def read_image(path):
    """Return the picture in a .png file as bytes (height, width, 3)."""
    import matplotlib.image

    return (matplotlib.image.imread(path)[:, :, :3] * 255).round().astype(np.uint8)


def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("images", nargs="+")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--classes", required=True)
    args = parser.parse_args(arguments)
    model = load_alexnet(args.weights)
    class_names = open(args.classes).read().splitlines()
    for path in args.images:
        image = as_input(fit_to_input(read_image(path)))
        print(first_conv_outputs(model, image[None]).shape, final_layer_outputs(model, image[None]).shape)
        print(top5(model, image, class_names))


if __name__ == "__main__":
    main()
