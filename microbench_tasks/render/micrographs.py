"""Draw micrographs with boxes, for galleries of examples."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

# From Okabe and Ito's palette: different in every kind of colour vision, and visible on most micrographs with a dark
# rim.
GOLD_COLOUR, PREDICTED_COLOUR = (240, 228, 66), (86, 180, 233)
# The most boxes of one response that are drawn.
MOST_BOXES = 100

# Longest side of an image on the page. Smaller ones are enlarged by whole numbers, so that boxes are visible.
_MOST_PIXELS, _FEWEST_PIXELS = 480, 240
_DASH_PIXELS = 6

# Shape (N, 4).
Boxes = Sequence[Sequence[float]] | np.ndarray
_Point = tuple[int, int]
_Line = tuple[_Point, _Point]


def resize_for_page(image: Image) -> Image:
    """Reduce a large image, or enlarge a small one by a whole number."""
    from PIL.Image import Resampling

    longest = max(image.size)
    if longest > _MOST_PIXELS:
        width, height = (max(1, round(side * _MOST_PIXELS / longest)) for side in image.size)
        return image.resize((width, height), Resampling.LANCZOS)
    factor = math.ceil(_FEWEST_PIXELS / longest)
    return image.resize((image.width * factor, image.height * factor), Resampling.NEAREST) if factor > 1 else image


def draw_boxes(image: Image, gold: Boxes, predicted: Boxes) -> Image:
    """Resize an image for the page and draw boxes with a dark rim: gold ones solid, predicted ones dashed.

    Boxes that are not finite are left out. Boxes outside of the image are drawn at its border.

    Args:
        image: 8-bit RGB.
        gold: boxes ``x1 y1 x2 y2`` in pixels of ``image``, shape (N, 4).
        predicted: as ``gold``; only the first `MOST_BOXES` are drawn.
    """
    from PIL import ImageDraw

    resized = resize_for_page(image).copy()
    canvas = ImageDraw.Draw(resized)
    scale = np.array([resized.width / image.width, resized.height / image.height] * 2)
    limits = np.array([resized.width - 1, resized.height - 1] * 2)
    for boxes, colour, is_dashed in ((gold, GOLD_COLOUR, False), (predicted[:MOST_BOXES], PREDICTED_COLOUR, True)):
        for box in np.asarray(boxes, dtype=np.float64).reshape(-1, 4):
            if np.isfinite(box).all():
                x1, y1, x2, y2 = np.clip(np.rint(box * scale), 0, limits).astype(int).tolist()
                _draw_box(canvas, (x1, y1), (x2, y2), colour, is_dashed)
    return resized


def png(image: Image) -> bytes:
    """Return an image as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _draw_box(
    canvas: ImageDraw, top_left: _Point, bottom_right: _Point, colour: tuple[int, int, int], is_dashed: bool
) -> None:
    (x1, y1), (x2, y2) = top_left, bottom_right
    sides = [((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))]
    lines = [line for side in sides for line in (_dashes(*side) if is_dashed else [side])]
    for rim, fill in ((1, (0, 0, 0)), (0, colour)):
        for start, end in lines:
            (left, right), (top, bottom) = (sorted(ends) for ends in zip(start, end, strict=True))
            # Two pixels wide: the edge and the pixel before it.
            canvas.rectangle((left - 1 - rim, top - 1 - rim, right + rim, bottom + rim), fill=fill)


def _dashes(start: _Point, end: _Point) -> Iterator[_Line]:
    """Yield the dashes of a horizontal or vertical line, which begins with one."""
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    step_x, step_y = (int(np.sign(end[axis] - start[axis])) for axis in (0, 1))
    for first in range(0, length + 1, 2 * _DASH_PIXELS):
        last = min(first + _DASH_PIXELS, length)
        yield (
            (start[0] + step_x * first, start[1] + step_y * first),
            (start[0] + step_x * last, start[1] + step_y * last),
        )
