"""Assemble documents as a ``datasets.Dataset`` over the source's own images, without copying an image."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.data import table_images
from microbench_tasks.data.own_datasets import table_checks
from microbench_tasks.data.own_datasets.description import GROUP_COLUMN
from microbench_tasks.data.question_documents import RowFields
from microbench_tasks.data.task_table import TaskTable

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa


def assemble(split: datasets.Dataset, rows: TaskTable, asked: Sequence[RowFields]) -> datasets.Dataset:
    """Return one document for each entry of ``asked``; a row may be asked about several times.

    Args:
        split: the source of the rows.
        rows: its table for the task.
        asked: row and fields of each document; all have the same fields.
    """
    import datasets
    import pyarrow as pa

    layers, order = _layers(asked, len(rows.dataset_names))
    all_features = _field_features()
    own = {name: all_features[name] for name in asked[0][1]}
    types = datasets.Features(own).arrow_schema
    shared = _shared_columns(split, rows)
    table = pa.concat_tables(
        pa.table(
            shared | {name: pa.array([fields.get(name) for fields in layer], types.field(name).type) for name in own}
        )
        for layer in layers
    )
    features = datasets.Features(
        {"image": datasets.Image()} | {name: datasets.Value("string") for name in shared if name != "image"} | own
    )
    documents = datasets.Dataset(
        datasets.table.InMemoryTable(table),
        info=datasets.DatasetInfo(features=features),
        split=split.split,
        # With a given fingerprint, `datasets` does not pickle gigabytes to compute one.
        fingerprint=f"{split._fingerprint}-{rows.task.name}",
    )
    return documents.select(order)


def _layers(asked: Sequence[RowFields], num_rows: int) -> tuple[list[list[dict[str, Any]]], list[int]]:
    """Distribute documents over copies of the table, one per question about the row that is asked about most.

    Returns:
        For each copy the fields at each row, and the position of each document in the copies one after another.
        The images are the same memory in all copies.
    """
    num_asked: collections.Counter[int] = collections.Counter()
    layers: list[list[dict[str, Any]]] = []
    order = []
    for row, fields in asked:
        layer = num_asked[row]
        if layer == len(layers):
            layers.append([{}] * num_rows)
        layers[layer][row] = fields
        order.append(layer * num_rows + row)
        num_asked[row] += 1
    return layers, order


def _shared_columns(split: datasets.Dataset, rows: TaskTable) -> dict[str, pa.Array | pa.ChunkedArray]:
    import pyarrow as pa

    # Cognition has a row per question, and one image under each id; elsewhere a row is an image.
    keys = rows.image_ids if rows.task.subject == "cognition" else range(len(rows.image_ids))
    groups = table_checks.groups_of(rows.table, rows.where) if catalog.is_own(rows.task.name) else None
    return {
        "image_key": pa.array([f"{split._fingerprint}/{key}" for key in keys], pa.string()),
        "image": table_images.image_column(rows.table),
        "image_id": pa.array(rows.image_ids, pa.string()),
        "dataset": pa.array(rows.dataset_names, pa.string()),
        **({} if groups is None else {GROUP_COLUMN: pa.array(groups, pa.string())}),
    }


def _field_features() -> dict[str, Any]:
    """Return the type of each field that a document may have beside the shared ones."""
    from datasets import Value

    text, number = Value("string"), Value("int64")
    return {
        "kind": text,
        "question": text,
        "options": [text],
        "answer_idx": number,
        "captions": [text],
        "wording": text,
        "expression": text,
        "width": number,
        "height": number,
        "boxes": [[Value("float64")]],
    }
