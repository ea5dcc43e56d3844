"""Given code for problem 4: AlexNet, its weights, and pictures in the form that it takes.

The layers are those of torchvision's AlexNet, with the same names, so that its published weights load.
"""

import torch
from torch import nn

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class AlexNet(nn.Module):
    """AlexNet for pictures of float (N, 3, 227, 227); it returns one score per class, float (N, classes).

    hidden: int, the width of its two hidden linear layers, 4096 in the real network. With a small number, the network
    is quick to make and to try your code on.
    """

    def __init__(self, classes=1000, hidden=4096):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, classes),
        )

    def forward(self, x):
        """Return the scores, float (N, classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def load_alexnet(weights):
    """Return AlexNet with the weights in the file `weights` (a state dict), in training mode as any new network."""
    model = AlexNet()
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model


def as_input(image):
    """Turn a picture, an array (227, 227, 3) of bytes, into what AlexNet takes: float (3, 227, 227), normalized."""
    pixels = torch.as_tensor(image).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(MEAN).reshape(3, 1, 1)) / torch.tensor(DEVIATION).reshape(3, 1, 1)
