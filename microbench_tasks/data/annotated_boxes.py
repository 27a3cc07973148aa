"""Read the annotated boxes of a row: polygons, or the release's column of boxes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from microbench_tasks.catalog.release_columns import INSTANCE_COLUMNS
from microbench_tasks.data.table_rows import row_name
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

Box = tuple[float, float, float, float]


def gold_boxes(table: pa.Table, row: int, where: str) -> dict[str, list[Box]]:
    """Return the boxes ``(x1, y1, x2, y2)``, in pixels, of each annotated class of a row, in the order of annotation.

    A box is the smallest that contains its polygon (``points`` as ``x1, y1, x2, y2, …``). The boxes of the ``bbox``
    column (``points`` as a struct or a list of ``x1 y1 x2 y2``) count only in a row without polygons.

    Raises:
        DataError: an instance has no class or malformed points; names the row and the column.
    """
    boxes: dict[str, list[Box]] = {}
    for column in INSTANCE_COLUMNS:
        instances = (table[column][row].as_py() if column in table.column_names else None) or []
        if not isinstance(instances, list):
            raise DataError(
                f"{where}: {row_name(table, row)}: column {column}: expected a list of structs of className and "
                f"points, got {_shortened(instances)}."
            )
        for number, instance in enumerate(instances):
            place = f"{where}: {row_name(table, row)}: column {column}[{number}]"
            class_name = instance.get("className") if isinstance(instance, dict) else None
            if not isinstance(class_name, str) or not class_name.strip():
                raise DataError(f"{place}.className: expected the name of a class, got {class_name!r}.")
            read_box = _polygon_box if column == "polygon" else _stored_box
            x1, y1, x2, y2 = read_box(instance.get("points"), f"{place}.points")
            if not math.isfinite((x2 - x1) * (y2 - y1)):
                raise DataError(f"{place}.points: expected pixels, got {_shortened(instance['points'])}.")
            boxes.setdefault(class_name, []).append((x1, y1, x2, y2))
        if boxes:
            break
    return boxes


def _polygon_box(points: Any, place: str) -> Box:
    if not isinstance(points, list) or not points or len(points) % 2 or not _are_finite(points):
        raise DataError(f"{place}: expected finite numbers x1, y1, x2, y2, … in pairs, got {_shortened(points)}.")
    horizontal, vertical = points[::2], points[1::2]
    return min(horizontal), min(vertical), max(horizontal), max(vertical)


def _stored_box(points: Any, place: str) -> Box:
    sides = ("x1", "y1", "x2", "y2")
    values = [points.get(side) for side in sides] if isinstance(points, dict) else points
    if not isinstance(values, list) or len(values) != len(sides) or not _are_finite(values):
        raise DataError(
            f"{place}: expected a struct or a list of four finite numbers {', '.join(sides)}, got {_shortened(points)}."
        )
    x1, y1, x2, y2 = values
    return x1, y1, x2, y2


def _are_finite(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
