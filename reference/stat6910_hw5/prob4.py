"""Homework 5, problem 4: reading out AlexNet.

The functions work for any network like AlexNet that they are given, whatever its weights.

Usage: python prob4.py IMAGE.png ... --weights alexnet.pth [--classes classes.txt]

The weights are a file from your instructor; without them the network is random, and so is what it sees. Channels of the
first convolution are drawn into channels_<number>.png. Without an image, a drawn one is used.
"""

import argparse

import numpy as np
import torch
from alexnet import AlexNet, as_input, load_alexnet

SIDE = 227


def first_conv_outputs(model, images):
    """Read out the first convolutional layer (4.2).

    model: AlexNet, or another network with a convolution; images: float (N, 3, 227, 227).
    Returns float (N, channels, height, width): what the layer itself puts out, before the ReLU. For torchvision's
    AlexNet that is (N, 64, 56, 56); the handout's 96 arrays of 57 x 57 are those of another one, so take the shapes
    from the network.
    """
    # BEGIN SOLUTION 4 (4.2)
    # | Find the first torch.nn.Conv2d in the network and get its output for the images, without gradients and in
    # | evaluation mode: a forward hook does it for every network. Beware that the ReLU behind it works in place, so
    # | keep a copy, and that a hook stays until you remove it.
    layer = next(module for module in model.modules() if isinstance(module, torch.nn.Conv2d))
    outputs = []
    hook = layer.register_forward_hook(lambda _module, _inputs, output: outputs.append(output.detach().clone()))
    try:
        final_layer_outputs(model, images)  # runs the network, and the hook with it
    finally:
        hook.remove()
    return outputs[0]
    # END SOLUTION


def final_layer_outputs(model, images):
    """Read out the last layer (4.3): its scores before any softmax.

    model: AlexNet, or another classifier; images: float (N, 3, 227, 227).
    Returns float (N, classes), here (N, 1000). The same images give the same outputs every time.
    """
    # BEGIN SOLUTION 4 (4.3)
    # | Return the network's output without gradients. Which layers of AlexNet make it differ from call to call unless
    # | the network is in evaluation mode? Leave the network in the mode in which you found it.
    mode = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model(images)
    finally:
        model.train(mode)
    # END SOLUTION


def top5(model, image, class_names):
    """Name the five most probable classes of one picture (4.4).

    model: AlexNet, or another classifier that returns scores; image: float (3, 227, 227).
    class_names: list of str, the name of each class in the network's order.
    Returns a list of five pairs (name, probability), the most probable first; the probabilities are floats.
    """
    # BEGIN SOLUTION 4 (4.4)
    # | The network takes batches: make one of this picture. Turn its scores into probabilities, over all classes, and
    # | take the five largest.
    probabilities = torch.softmax(final_layer_outputs(model, image[None])[0], dim=0)
    values, indices = torch.topk(probabilities, 5)
    return [(class_names[index], value) for index, value in zip(indices.tolist(), values.tolist(), strict=True)]
    # END SOLUTION


def fit_to_input(image):
    """Crop or zero-pad a picture to AlexNet's size (4.4), each side by itself, around the middle.

    image: array (height, width, 3) of any height and width.
    Returns an array (227, 227, 3) of the same dtype. A side longer than 227 loses both its ends, a shorter one gets
    zeros at both ends; where the difference is odd, either end may take the one more. `image` stays as it is.
    """
    # BEGIN SOLUTION 4 (4.4)
    # | Treat height and width alike: how much is too much, or missing, on each of the two ends? Start from zeros of the
    # | right shape and dtype, and copy the part that fits.
    height, width, _ = image.shape
    fitted = np.zeros((SIDE, SIDE, 3), dtype=image.dtype)
    rows, columns = min(height, SIDE), min(width, SIDE)
    top, left = (height - rows) // 2, (width - columns) // 2
    above, before = (SIDE - rows) // 2, (SIDE - columns) // 2
    fitted[above : above + rows, before : before + columns] = image[top : top + rows, left : left + columns]
    return fitted
    # END SOLUTION


def read_image(path):
    """Return the picture in a .png file as bytes (height, width, 3)."""
    import matplotlib.image  # here, because the functions above need no matplotlib

    return (matplotlib.image.imread(path)[:, :, :3] * 255).round().astype(np.uint8)


def drawn_image():
    """Return a picture to try the program on: coloured stripes, bytes (200, 300, 3)."""
    rows, columns = np.mgrid[:200, :300]
    return np.stack([rows % 32 * 8, columns % 64 * 4, (rows + columns) % 128 * 2], axis=2).astype(np.uint8)


def save_channels(outputs, path):
    """Draw the first eight channels of one picture's outputs (channels, height, width)."""
    import matplotlib

    matplotlib.use("Agg")  # draws into a file, so that it also works where there is no screen
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 4, figsize=(10, 5))
    for axes, channel in zip(panels.flat, outputs, strict=False):
        axes.imshow(channel.numpy(), cmap="gray")
        axes.axis("off")
    figure.savefig(path)
    plt.close(figure)


def parse_arguments(arguments=None):
    """Read the settings from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", help="pictures, .png to be safe")
    parser.add_argument("--weights", help="the file with AlexNet's weights; random ones without it")
    parser.add_argument("--classes", help="a file with the thousand names of the classes, one per line")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Read out both layers for each picture, and say what the network sees."""
    args = parse_arguments(arguments)
    torch.manual_seed(1)
    model = load_alexnet(args.weights) if args.weights else AlexNet()
    if args.classes:
        with open(args.classes, encoding="utf-8") as file:
            class_names = file.read().splitlines()
    else:
        class_names = [f"class {number}" for number in range(1000)]
    images = [read_image(path) for path in args.images] or [drawn_image()]
    inputs = torch.stack([as_input(fit_to_input(image)) for image in images])
    first = first_conv_outputs(model, inputs)
    print(f"first convolution: {tuple(first.shape)}; last layer: {tuple(final_layer_outputs(model, inputs).shape)}")
    for number, image in enumerate(inputs):
        save_channels(first[number], f"channels_{number}.png")
        for name, probability in top5(model, image, class_names):
            print(f"picture {number}: {name}, probability {probability:.7f}")


if __name__ == "__main__":
    main()
