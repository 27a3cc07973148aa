"""Compute the size to which Qwen2.5-VL resizes an image: its boxes refer to the resized image."""

from __future__ import annotations

import math
from dataclasses import dataclass

Size = tuple[int, int]

# The sides of the images that Qwen2.5-VL sees are multiples of this, in pixels.
QWEN2_5_FACTOR = 28


@dataclass(frozen=True)
class PixelLimits:
    """Hold the smallest and the largest area, in pixels, of the images that an image processor returns."""

    smallest: int
    largest: int


# Of lmms-eval's qwen2_5_vl. Its model arguments min_pixels and max_pixels change them.
LMMS_EVAL_LIMITS = PixelLimits(200_704, 1_605_632)


def smart_resize(image_size: Size, limits: PixelLimits = LMMS_EVAL_LIMITS, *, factor: int = QWEN2_5_FACTOR) -> Size:
    """Return width and height of the image that Qwen2.5-VL sees.

    Sides are rounded to multiples of ``factor``, halves to even ones. An image outside the limits is scaled to the
    nearest limit first, and its sides are rounded so that it stays within it.

    Args:
        image_size: width and height of the image in pixels.
        limits: of the image processor.
        factor: of which sides are multiples, in pixels.

    Raises:
        ValueError: a side is below 1 pixel.

    Source: ``smart_resize`` of ``transformers`` and ``qwen-vl-utils``.

    >>> smart_resize((640, 480))
    (644, 476)
    """
    width, height = image_size
    if min(width, height) < 1:
        raise ValueError(f"Expected an image of at least 1 x 1 pixels, got {image_size}.")
    rounded = round(width / factor) * factor, round(height / factor) * factor
    if math.prod(rounded) > limits.largest:
        shrink = math.sqrt(width * height / limits.largest)
        return _shrunk(width, shrink, factor), _shrunk(height, shrink, factor)
    if math.prod(rounded) < limits.smallest:
        grow = math.sqrt(limits.smallest / (width * height))
        return math.ceil(width * grow / factor) * factor, math.ceil(height * grow / factor) * factor
    return rounded


def _shrunk(side: int, shrink: float, factor: int) -> int:
    return max(factor, math.floor(side / shrink / factor) * factor)
