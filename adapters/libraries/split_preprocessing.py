"""Split a library's preprocessing into resizing and the value of each pixel, and check that nothing changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import Compose, Normalize, PILToTensor, ToTensor

from microbench_adapters.checkpoints.preprocessing import NUM_VALUES, SplitPreprocessing
from microbench_adapters.models import smoke_test

# Of images on which the steps are compared with the whole: wide and tall ones, larger and smaller than models' inputs.
_SIZES = ((500, 320), (90, 400))


def all_values() -> Image.Image:
    """Return an image with each of the 256 values once in every channel, 16 x 16 pixels."""
    pixels = np.arange(NUM_VALUES, dtype=np.uint8).reshape(16, 16)
    return Image.fromarray(np.stack([pixels] * 3, axis=-1))


def split_transforms(transforms: Compose) -> SplitPreprocessing | None:
    """Split transforms of torchvision that end with the conversion to a tensor and a normalization."""
    *resizing, to_tensor, normalize = transforms.transforms
    if not (isinstance(to_tensor, ToTensor) and isinstance(normalize, Normalize)):
        return None
    resize = Compose([*resizing, PILToTensor()])
    return split(transforms, resize, Compose([to_tensor, normalize]))


def split(
    whole: Callable[[Image.Image], torch.Tensor],
    resize: Callable[[Image.Image], torch.Tensor],
    value: Callable[[Image.Image], torch.Tensor],
) -> SplitPreprocessing | None:
    """Split preprocessing, if the steps give exactly what the whole gives.

    Args:
        whole: the library's preprocessing of one image.
        resize: its first step, to 8-bit pixels.
        value: the steps after it, for an image that needs no resizing.

    Returns:
        The steps; None if they differ from the whole, or give another form.
    """
    table = value(all_values())
    if table.shape != (3, 16, 16) or table.dtype != torch.float32:
        return None
    steps = SplitPreprocessing(resize, table.reshape(3, NUM_VALUES))
    shapes = set()
    for image in [*smoke_test.images(), *(smoke_test.noise(size) for size in _SIZES)]:
        pixels = resize(image)
        if pixels.dtype != torch.uint8 or pixels.ndim != 3 or len(pixels) != 3:
            return None
        if not torch.equal(steps.normalize(pixels), whole(image)):
            return None
        shapes.add(pixels.shape)
    return steps if len(shapes) == 1 else None
