"""A small network with the layers and shapes of AlexNet and random weights, the same on both sides of the fence.

The probe `make_alexnet` builds it beside the student's functions; a check builds its own, to know the right answers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SIDE = 227
CLASSES = 1000


class AlexNet(nn.Module):
    """AlexNet (Krizhevsky et al. 2012) in torchvision's form: `features`, `avgpool`, `classifier`, ReLUs in place.

    channels: of the first convolution, 64 as in torchvision's or 96 as in the paper; padding: of the same layer, which
    makes its outputs 56 x 56 (2) or 57 x 57 (4). hidden: width of the two hidden linear layers, 4096 in the real one.
    """

    def __init__(self, channels: int, padding: int, hidden: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, channels, kernel_size=11, stride=4, padding=padding),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(channels, 192, kernel_size=5, padding=2),
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
            nn.Linear(hidden, CLASSES),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (N, 1000) of images (N, 3, 227, 227)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))  # type: ignore[no-any-return]


def make_alexnet(channels: int = 64, padding: int = 2, hidden: int = 64, seed: int = 0) -> AlexNet:
    """The network in training mode, as a new one is, with weights that keep numbers around 1 from layer to layer.

    The random numbers have a generator of their own, so that the same seed gives the same network in any process.
    """
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        model = AlexNet(channels, padding, hidden)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        with torch.no_grad():
            if parameter.dim() > 1:
                spread = (2 / parameter[0].numel()) ** 0.5
                parameter.normal_(0, spread, generator=generator)
            else:
                parameter.uniform_(-0.1, 0.1, generator=generator)
    return model


def state_of(model: nn.Module) -> dict[str, Any]:
    """What reading out may not change: a checksum of the weights, the hooks that are left, which modules need none."""
    modules = list(model.modules())
    return {
        "weights": [float(parameter.detach().double().sum()) for parameter in model.parameters()],
        "hooks": sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules),
        "trainable": [parameter.requires_grad for parameter in model.parameters()],
        "layers": [type(module).__name__ for module in modules],
        "training": model.training,
    }
