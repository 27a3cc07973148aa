"""What the readers of boxes return, and the orders of four values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Corners = tuple[float, ...]
Status = Literal["parsed", "truncated", "unparsed"]
# ``cxcywh`` is the center with width and height, ``xywh`` the corner with them.
Order = Literal["xyxy", "yxyx", "xxyy", "xywh", "cxcywh"]


@dataclass(frozen=True)
class Extraction:
    """Hold boxes ``x1 y1 x2 y2`` as written, and the status of the whole response."""

    boxes: list[Corners]
    status: Status


def response_status(num_boxes: int, is_truncated: bool, says_none: bool = False) -> Status:
    """Return the status of a response from its number of boxes, whether it breaks off, and whether it says "none"."""
    if is_truncated:
        return "truncated"
    return "parsed" if num_boxes or says_none else "unparsed"


def to_corners(values: Iterable[float], order: Order) -> Corners:
    """Convert four values in the given order to ``x1 y1 x2 y2``.

    >>> to_corners([10, 20, 5, 6], "xywh")
    (10, 20, 15, 26)
    """
    first, second, third, fourth = values
    if order == "yxyx":
        return second, first, fourth, third
    if order == "xxyy":
        return first, third, second, fourth
    if order == "xywh":
        return first, second, first + third, second + fourth
    if order == "cxcywh":
        return first - third / 2, second - fourth / 2, first + third / 2, second + fourth / 2
    return first, second, third, fourth
