"""Read the box of a COCO annotation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from microbench_tasks.data.own_datasets.entries import Box
from microbench_tasks.data.own_datasets.problems import Problems

# How far a box may be from the extent of its own outline, in pixels.
_OUTLINE_TOLERANCE = 2.0


def read_box(annotation: Mapping[str, Any], place: str, problems: Problems) -> Box | None:
    """Return the box ``(x1, y1, x2, y2)`` of an annotation; None, and a problem, if it has none.

    It is ``bbox`` (x, y, width, height) or, without one, the extent of the polygons in ``segmentation``.
    """
    outline = _outline(annotation.get("segmentation"))
    stated = annotation.get("bbox")
    if stated is None:
        if outline is None:
            problems.add(place, "expected bbox, or segmentation with polygons. Export the annotations again")
        return outline
    if not _are_numbers(stated) or len(stated) != 4 or stated[2] <= 0 or stated[3] <= 0:
        problems.add(place, f"expected bbox as x, y, width, height with an area, got {stated!r}. Correct or remove it")
        return None
    x, y, width, height = map(float, stated)
    box = (x, y, x + width, y + height)
    if outline and max(abs(a - b) for a, b in zip(box, outline, strict=True)) > _OUTLINE_TOLERANCE:
        problems.add(
            place,
            f"its bbox {stated!r} is not around its segmentation, which reaches from {outline[:2]} to {outline[2:]}. "
            "COCO boxes are x, y, width, height: correct it",
        )
        return None
    return box


def _outline(segmentation: Any) -> Box | None:
    """Return the extent of polygons; None for masks and for polygons without an area."""
    polygons = segmentation if isinstance(segmentation, list) else []
    if not polygons or not all(_are_numbers(points) and len(points) >= 6 for points in polygons):
        return None
    across = [float(value) for points in polygons for value in points[::2]]
    down = [float(value) for points in polygons for value in points[1::2]]
    box = (min(across), min(down), max(across), max(down))
    return box if box[0] < box[2] and box[1] < box[3] else None


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) for value in values
    )
