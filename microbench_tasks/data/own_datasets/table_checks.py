"""Compare the table of an own dataset with its description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from microbench_tasks.catalog.questions import CLASSIFICATION_KIND
from microbench_tasks.catalog.release_columns import IMAGE_COLUMNS, INSTANCE_COLUMNS, QUESTION_COLUMNS
from microbench_tasks.data import table_rows
from microbench_tasks.data.own_datasets.description import DESCRIPTION_FILE, GROUP_COLUMN, Description
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_AGAIN = "Make the dataset again with microbench new-dataset."


def check_table(table: pa.Table, stated: Description, where: str) -> None:
    """Raise `DataError` unless a table has the columns of an own dataset, and what its description states.

    Args:
        table: the rows.
        stated: the description.
        where: name of the table in messages.
    """
    needed = (*IMAGE_COLUMNS, *QUESTION_COLUMNS, *INSTANCE_COLUMNS, GROUP_COLUMN)
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise DataError(f"{where}: column(s) {', '.join(missing)} missing. {_AGAIN}")
    for row, name in enumerate(table["dataset"].to_pylist()):
        if name != stated.name:
            raise DataError(f"{where}: row {row}: column dataset: expected {stated.name!r}, got {name!r}. {_AGAIN}")
    for field, expected, number in _counts(table, stated):
        if number != expected:
            raise DataError(f"{where}: {DESCRIPTION_FILE} states {field} {expected}, the table has {number}. {_AGAIN}")
    _check_groups(table, where)


def _counts(table: pa.Table, stated: Description) -> Iterator[tuple[str, int, int]]:
    """Yield name, stated and actual number of each count."""
    import pyarrow.compute as pc

    yield "num_images", stated.num_images, len(table)
    questions = pc.struct_field(table["questions"], [CLASSIFICATION_KIND, "question"])
    yield "num_questions", stated.num_questions, len(questions) - questions.null_count
    # The boxes of a row count only where it has no polygons.
    polygons, boxes = (pc.fill_null(pc.list_value_length(table[name]), 0) for name in INSTANCE_COLUMNS)
    instances = pc.sum(pc.if_else(pc.greater(polygons, 0), polygons, boxes)).as_py()
    yield "num_boxes", stated.num_boxes, instances


def groups_of(table: pa.Table, where: str) -> list[str]:
    """Return the group of each row; a row without one is a group of its own, named after its image."""
    ids = table_rows.image_ids(table, where)
    return [group or image for group, image in zip(table[GROUP_COLUMN].to_pylist(), ids, strict=True)]


def _check_groups(table: pa.Table, where: str) -> None:
    """Refuse a group with the name of an image that has no group: the two could not be told apart."""
    groups = table[GROUP_COLUMN].to_pylist()
    alone = {image for group, image in zip(groups, table_rows.image_ids(table, where), strict=True) if not group}
    both = next((row for row, group in enumerate(groups) if group in alone), None)
    if both is not None:
        raise DataError(
            f"{where}: row {both}: column {GROUP_COLUMN}: {groups[both]!r} is also the name of an image without a "
            "group. Rename the group, or give that image a group."
        )
