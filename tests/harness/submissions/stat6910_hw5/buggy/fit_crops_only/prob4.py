"""Problem 4. Pictures that do not fit are cut at, or filled from, the upper left corner."""
import numpy as np
import torch
from torch import nn


def find_first_conv(module):
    for child in module.children():
        if isinstance(child, nn.Conv2d):
            return child
        found = find_first_conv(child)
        if found is not None:
            return found
    return None


def first_conv_outputs(model, images):
    conv = find_first_conv(model)
    with torch.no_grad():
        return nn.functional.conv2d(images, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def final_layer_outputs(model, images):
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            # one picture after the other, to save memory
            return torch.cat([model(image[None]) for image in images])
    finally:
        model.train(training)


def top5(model, image, class_names):
    scores = final_layer_outputs(model, image[None]).flatten().double()
    logs = scores - torch.logsumexp(scores, 0)
    best = torch.argsort(logs, descending=True)[:5].tolist()
    return [(class_names[i], logs[i].exp().item()) for i in best]


def fit_to_input(image):
    return image[:227, :227]
