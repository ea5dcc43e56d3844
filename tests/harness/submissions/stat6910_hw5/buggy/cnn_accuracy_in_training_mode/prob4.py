from typing import List, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Recorder:
    """Keeps a copy of what a layer puts out, for as long as the with-block lasts."""

    def __init__(self, layer: nn.Module):
        self.layer = layer

    def __enter__(self):
        self.handle = self.layer.register_forward_hook(self.record)
        return self

    def record(self, layer, args, output):
        self.value = output.clone()

    def __exit__(self, *error):
        self.handle.remove()


@torch.no_grad()
def first_conv_outputs(model: nn.Module, images: Tensor) -> Tensor:
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    with Recorder(convolutions[0]) as recorder:
        final_layer_outputs(model, images)
    return recorder.value


@torch.no_grad()
def final_layer_outputs(model: nn.Module, images: Tensor) -> Tensor:
    mode = model.training
    out = model.eval()(images)
    model.train(mode)
    return out


def top5(model: nn.Module, image: Tensor, class_names: List[str]) -> List[Tuple[str, float]]:
    p = F.softmax(final_layer_outputs(model, torch.stack([image]))[0], dim=-1).tolist()
    ranked = sorted(zip(class_names, p), key=lambda pair: pair[1], reverse=True)
    return ranked[:5]


def fit_to_input(image: np.ndarray, size: int = 227) -> np.ndarray:
    # F.pad crops where a width is negative
    height, width, _ = image.shape
    top, left = (size - height) // 2, (size - width) // 2
    tensor = torch.from_numpy(np.ascontiguousarray(image))
    return F.pad(tensor, (0, 0, left, size - width - left, top, size - height - top)).numpy()
