"""Preprocessing in two steps: resizing on the CPU, and the value of each pixel on the device.

Resizing needs the CPU. What follows (dividing by 255, subtracting means, dividing by standard deviations) maps each of
256 values of a channel to a number. These numbers are the library's own, as a table. So the device looks them up, in
a quarter of the memory, and gets exactly the library's values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image

NUM_VALUES = 256


@dataclass(frozen=True)
class SplitPreprocessing:
    """Preprocessing in two steps.

    Attributes:
        resize: converts an RGB image to 8-bit pixels, shape (3, height, width), of one size for all images.
        values: what the encoder gets for each pixel, by channel and pixel value, shape (3, 256).
    """

    resize: Callable[[Image.Image], torch.Tensor]
    values: torch.Tensor

    def normalize(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the encoder's inputs for 8-bit pixels, shape (..., 3, height, width), on the pixels' device."""
        table = self.values.to(pixels.device)
        first = torch.arange(0, table.numel(), NUM_VALUES, dtype=torch.int32, device=pixels.device)
        return table.flatten()[pixels.to(torch.int32) + first[:, None, None]]
