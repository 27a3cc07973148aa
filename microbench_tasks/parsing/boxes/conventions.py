"""The conventions in which models write boxes, and the conversion between their units and pixels.

A convention is given and never guessed: numbers do not tell their unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from microbench_tasks.parsing.boxes.extraction import Corners

Size = tuple[float, float]


@dataclass(frozen=True)
class Convention:
    """Describe how a family of models writes boxes.

    Args:
        grammar: what a box looks like in text; None if the family writes no boxes.
        order: of four values that are not named by keys.
        divisor: the value that stands for the far edge of the frame; None for pixels.
        frame: what the values refer to: the original image, the square to which it is padded (image in the center),
            or the image at the size that the model received.
        offset: added to a value before it is divided: 0.5 for the center of a bin.
        empty_means_none: whether an empty response says that there is no object.
    """

    grammar: Literal["numbers", "paligemma", "florence", "kosmos"] | None
    order: Literal["xyxy", "yxyx"] = "xyxy"
    divisor: int | None = None
    frame: Literal["image", "padded_square", "model_input"] = "image"
    offset: float = 0.0
    empty_means_none: bool = False


CONVENTIONS = {
    "loc1024_yxyx": Convention("paligemma", order="yxyx", divisor=1024, empty_means_none=True),
    "grid1000_xyxy": Convention("numbers", divisor=1000),
    "grid1000_yxyx": Convention("numbers", order="yxyx", divisor=1000),
    "grid999_xyxy": Convention("numbers", divisor=999),
    "norm1_xyxy": Convention("numbers", divisor=1),
    "norm1_xyxy_padded_square": Convention("numbers", divisor=1, frame="padded_square"),
    "pixels_xyxy": Convention("numbers"),
    "pixels_xyxy_model_input": Convention("numbers", frame="model_input"),
    "bin1000_center_xyxy": Convention("florence", divisor=1000, offset=0.5),
    # Positions are counted in half cells of the grid of 32 x 32, so that the centers of cells are whole numbers.
    "patch32_kosmos2": Convention("kosmos", divisor=64),
    "points_only": Convention(None),
}


@dataclass(frozen=True)
class Frame:
    """Describe how the values of a convention relate to the pixels of an image; each pair is for x and y.

    Args:
        sides: lengths of the frame's sides in pixels of the original image.
        padding: distance in pixels from the frame's corner to the image's corner.
        full_scale: the values that stand for the far edges of the frame.
    """

    sides: Size
    padding: Size
    full_scale: Size


def checked_convention(convention: str, image_size: Size, model_input_size: Size | None) -> tuple[Convention, Frame]:
    """Look up a convention and its frame for an image.

    Raises:
        ValueError: the convention is unknown, or a size is missing or not positive.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"Expected one of the conventions {', '.join(CONVENTIONS)}; got {convention!r}.")
    rule = CONVENTIONS[convention]
    _check_size("image_size", image_size, convention)
    if rule.frame != "model_input":
        return rule, _frame(rule, image_size)
    return rule, Frame(image_size, (0, 0), _check_size("model_input_size", model_input_size, convention))


def _check_size(name: str, size: Size | None, convention: str) -> Size:
    if size is None or len(size) != 2 or not all(0 < side < math.inf for side in size):
        raise ValueError(f"Expected a positive width and height as {name} of convention {convention}, got {size}.")
    return size


def _frame(rule: Convention, image_size: Size) -> Frame:
    if rule.divisor is None:
        return Frame((1, 1), (0, 0), (1, 1))
    full_scale = (rule.divisor, rule.divisor)
    if rule.frame == "padded_square":
        longer = max(image_size)
        width, height = image_size
        return Frame((longer, longer), ((longer - width) // 2, (longer - height) // 2), full_scale)
    return Frame(image_size, (0, 0), full_scale)


def to_pixels(boxes: Sequence[Corners], rule: Convention, frame: Frame) -> np.ndarray:
    """Convert boxes ``x1 y1 x2 y2`` from a convention's unit to pixels of the original image, shape (N, 4)."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.array(boxes, dtype=np.float64).reshape(-1, 2, 2) + rule.offset
        return (values * frame.sides / frame.full_scale - frame.padding).reshape(-1, 4)


def to_convention_units(
    boxes: np.ndarray, convention: str, image_size: Size, model_input_size: Size | None = None
) -> np.ndarray:
    """Convert boxes from pixels of the original image to the unit of a convention that writes plain numbers.

    It is the inverse of what `parse_boxes` does to corners that are named by keys.

    Args:
        boxes: shape (N, 4), corners ``x1 y1 x2 y2``; the result has the same shape and order of corners.
        convention: a key of `CONVENTIONS`.
        image_size: width and height of the original image in pixels.
        model_input_size: width and height of the image as the model received it; for conventions in that frame.

    Raises:
        ValueError: the convention is unknown or writes tokens, or a size is missing or not positive.

    >>> to_convention_units(np.array([[50.0, 80.0, 150.0, 160.0]]), "grid1000_xyxy", (500, 400)).tolist()
    [[100.0, 200.0, 300.0, 400.0]]
    """
    rule, frame = checked_convention(convention, image_size, model_input_size)
    if rule.grammar != "numbers":
        raise ValueError(f"Expected a convention of plain numbers, got {convention}.")
    return ((boxes.reshape(-1, 2, 2) + frame.padding) * frame.full_scale / frame.sides - rule.offset).reshape(-1, 4)
