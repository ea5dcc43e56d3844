"""The network of problem 6.1, as the handout lists it, for the student's weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from autograder.checks.networks import Network


class HandoutNetwork(nn.Module):
    """float32 (N, 1, 28, 28) to float32 (N, 1, 28, 28), through two numbers.

    `convolutions` are the decoder's two, whose kernels the handout leaves open.
    """

    def __init__(self, convolutions: Sequence[nn.Module]) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 4, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2, 2),
            nn.Conv2d(4, 8, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2, 2),
            nn.Flatten(), nn.Linear(392, 20), nn.ReLU(), nn.Linear(20, 2),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 392), nn.ReLU(), nn.Unflatten(1, (8, 7, 7)),
            nn.Upsample(scale_factor=2, mode="nearest"), convolutions[0], nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="nearest"), convolutions[1], nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encoder(images))  # type: ignore[no-any-return]


def network_like(network: Network) -> HandoutNetwork:
    """The handout's network with decoder convolutions of the student's kind, kernel and padding."""
    theirs = [layer for layer in network.trace().decoder() if layer.name.endswith("convolution")]
    made = []
    for index, channels in enumerate(((8, 4), (4, 1))):
        layer = theirs[index] if index < len(theirs) else None
        kind = nn.ConvTranspose2d if layer is not None and layer.name.startswith("transposed") else nn.Conv2d
        settings = layer.settings if layer is not None else {}
        kernel, padding = (_pair(settings.get(key), usual) for key, usual in (("kernel", 3), ("padding", 1)))
        made.append(kind(*channels, kernel, padding=padding))
    return HandoutNetwork(made)


def _pair(value: object, usual: int) -> tuple[int, int]:
    """A setting of the trace as two small numbers; what is none is the usual one."""
    numbers = value if isinstance(value, tuple) else (value, value)
    if len(numbers) == 2 and all(isinstance(number, int) and 0 <= number <= 28 for number in numbers):
        return int(numbers[0]), int(numbers[1])
    return usual, usual
