"""Collect what one localization task asks about each row: the class in words, the image's size and the gold boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.data import annotated_boxes, table_columns, table_images
from microbench_tasks.data.annotated_boxes import Box
from microbench_tasks.data.question_documents import RowFields
from microbench_tasks.data.task_table import TaskTable, read_task_table
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

# What models are asked for where annotations name a marker or a label instead of what is seen.
# The paper's evaluation code works these words out and then asks for the annotation's own.
EXPRESSION_OF_DATASET = {"held_et_al_2010_h2b": "nucleus", "wu_et_al_2023": "mitochondria"}


def collect(table: pa.Table, task: catalog.Task, where: str) -> tuple[TaskTable, list[RowFields], list[str]]:
    """Return the table for the task, one entry per row and class annotated in it, and remarks for the user.

    Raises:
        DataError: a column, row or annotation differs from the release's form, or no box covers a pixel.
    """
    table_columns.check_box_columns(table.schema, where)
    rows = read_task_table(table, task, where)
    asked = [(row, fields) for row in rows.task_rows for fields in _box_fields(rows, row)]
    if not asked:
        raise rows.nothing_to_ask("has a polygon or a box")
    asked_rows = {row for row, _ in asked}
    hopeless = {row for row, fields in asked if not any(_covers_a_pixel(box, fields) for box in fields["boxes"])}
    if hopeless == asked_rows:
        raise DataError(
            f"{where}: {task.name}: no gold box of any of {len(hopeless)} images covers a pixel of its image. "
            "Expected polygons and boxes in pixels of the image."
        )
    return (
        rows,
        asked,
        [
            *rows.general_remarks(),
            *rows.remark(set(rows.task_rows) - asked_rows, "have neither polygon nor box and are not asked about"),
            *rows.remark(
                hopeless, "have a class of which no gold box covers a pixel of the image; no answer can score there"
            ),
        ],
    )


def _covers_a_pixel(box: Box, fields: dict[str, Any]) -> bool:
    """Tell whether a box covers at least the area of one pixel of its image."""
    x1, y1, x2, y2 = box
    width, height = min(x2, fields["width"]) - max(x1, 0), min(y2, fields["height"]) - max(y1, 0)
    return width > 0 and height > 0 and width * height >= 1


def _box_fields(rows: TaskTable, row: int) -> Iterator[dict[str, Any]]:
    """Yield the fields of each document about one row; classes that are asked for in the same words are merged."""
    dataset = rows.dataset_names[row]
    merged: dict[str, list[Box]] = {}
    for class_name, boxes in annotated_boxes.gold_boxes(rows.table, row, rows.where).items():
        merged.setdefault(EXPRESSION_OF_DATASET.get(dataset, class_name), []).extend(boxes)
    if merged:
        width, height = table_images.image_size(rows.table, row, rows.where)
        for expression, boxes in merged.items():
            yield {"kind": catalog.BOXES, "expression": expression, "width": width, "height": height, "boxes": boxes}
