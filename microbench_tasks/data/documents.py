"""From the release's rows to the documents of one task, without copying the table.

A document starts with ``image_key`` (the source and the row in it), ``image``, ``image_id``,
``dataset`` and ``kind``. One that asks a question goes on with ``question``, ``options``,
``answer_idx`` and ``captions``, and ``wording`` if it is not the paper's; one that asks for boxes with ``expression`` (the class in words;
the harness's models that segment by text read it under this name), ``width`` and ``height`` of
the image in pixels, and the gold ``boxes``, each ``x1 y1 x2 y2``. The image column is the
source's own memory-mapped one, seen through an index of the wanted rows.
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.data import annotated_boxes, option_orders, table_columns, table_images, table_rows
from microbench_tasks.util import errors
from microbench_tasks.util.notices import warn_once

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

# What models are asked for where annotations name a marker or a label instead of what is seen.
# The paper's evaluation code works these words out and then asks for the annotation's own.
EXPRESSION_OF_DATASET = {"held_et_al_2010_h2b": "nucleus", "wu_et_al_2023": "mitochondria"}


# By task and fingerprint of the data: made to check them, and not called for yet.
_checked: dict[tuple[str, str], datasets.Dataset] = {}


def _report(names: list[str], image_ids: list[str], where: str) -> None:
    """Warn of rows that no task asks about, and of images that are there twice."""
    unknown = collections.Counter(name for name in names if name not in catalog.DATASETS)
    if unknown:
        listed = ", ".join(f"{name!r} ({count})" for name, count in sorted(unknown.items()))
        warn_once(
            f"{where}: rows of datasets that Micro-Bench does not have are left out: {listed}. Known: {', '.join(catalog.DATASETS)}."
        )
    first: dict[tuple[str, str], int] = {}
    again = [(first[key], row) for row, key in enumerate(zip(names, image_ids)) if first.setdefault(key, row) != row]
    if again:
        warn_once(
            f"{where}: {len(again)} row(s) repeat the dataset and image_id of an earlier one and are counted again, such as row {again[0][1]}, which repeats row {again[0][0]}."
        )


@dataclass(frozen=True)
class TaskDocuments:
    """The ``process_docs`` of one task: called with a split, it gives the task's documents."""

    task: catalog.Task

    def __call__(self, split: datasets.Dataset, where: str | None = None) -> datasets.Dataset:
        """The documents of the task in ``split``; ``where`` names the source in messages (by default the configured one).

        Raises:
            DataError: a column, row, answer or annotation is not as the release has it, or the
                source has nothing to ask for this task.
        """
        handed_over = _checked.pop((self.task.name, split._fingerprint), None)
        if handed_over is not None:
            return handed_over
        if where is None:
            split, where = _resolved(self.task, split)
        if split._indices is not None:
            split = split.flatten_indices()
        read = _boxes if self.task.subject == "boxes" else _questions
        return read(split, self.task, where)

    def check(self, split: datasets.Dataset, where: str) -> int:
        """The number of documents, which the next call with the same data gives without making them again; raises as that does."""
        made = self(split, where)
        _checked[self.task.name, split._fingerprint] = made
        return len(made)

    def __repr__(self) -> str:
        return f"{self.task.name}_docs"


def _resolved(task: catalog.Task, split: datasets.Dataset) -> tuple[datasets.Dataset, str]:
    """Return the rows already loaded for the task's setting if ``split`` has the same rows, and their name in messages.

    The harness loads the rows again for each task. Reusing one object, images are read and hashed only once.
    """
    from microbench_tasks.data import source, task_sources

    try:
        found = task_sources.source_of(task)
        loaded = source.load(found)
    # The task was redefined to ask about other data, and the setting may be invalid.
    except errors.DataError:
        return split, f"the data of {task.name}"
    if loaded._fingerprint == split._fingerprint:
        return loaded, found.label
    return split, f"the data of {task.name}, which are not those of {found.label}"


class Reading(Sequence):
    """The documents of a table without its images, as fast to go through as Arrow allows.

    `datasets` turns one row at a time into Python; here a batch is turned at once, and a text
    that many documents share, as most do, is kept once.
    """

    _BATCH = 1000

    def __init__(self, documents: datasets.Dataset):
        self._documents = documents

    def __len__(self) -> int:
        return len(self._documents)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._documents[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self), self._BATCH):
            columns = self._documents[start : start + self._BATCH]
            for values in zip(*columns.values()):
                yield dict(zip(columns, map(_sharing_texts, values)))


def _sharing_texts(value: Any) -> Any:
    if isinstance(value, str):
        return sys.intern(value)
    return [_sharing_texts(entry) for entry in value] if isinstance(value, list) else value


def __getattr__(name: str) -> TaskDocuments:
    """``<task>_docs`` for every task of the catalogue, as the tasks' YAML names them."""
    task = catalog.ALL_TASKS.get(name.removesuffix("_docs")) if name.endswith("_docs") else None
    if task is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return TaskDocuments(task)


def _questions(split: datasets.Dataset, task: catalog.Task, where: str) -> datasets.Dataset:
    """One document per question of the task's kinds about a row of its datasets; those about one row stand together."""
    table = split.data.table
    for kind in task.kinds:
        table_columns.check_columns(table.schema, kind, where)
    names = _dataset_names(table, task, where)
    asked = []
    for kind in task.kinds:
        found = [
            (row, question) for row, question in table_rows.questions(table, kind, where) if names[row] in task.datasets
        ]
        if not found:
            raise _nothing_to_ask(task, names, where, f"has a {kind} question")
        asked += ((row, {"kind": kind} | vars(question)) for row, question in found)
    asked.sort(key=lambda pair: pair[0])
    if task.permutation != "release":
        asked = [
            (
                row,
                fields
                | option_orders.permuted(
                    fields, task.permutation, f"{names[row]}/{table['image_id'][row].as_py()}/{fields['kind']}"
                ),
            )
            for row, fields in asked
        ]
    if task.wording != "paper":
        asked = [(row, fields | {"wording": task.wording}) for row, fields in asked]
    _report_absent(task, names, where)
    if task.subject == "fine":
        _report_rows(
            set(_rows_of(task, names)) - {row for row, _ in asked},
            "have no question and are not asked about",
            task,
            where,
        )
    repeating = {row for row, fields in asked if len(set(fields["options"])) < len(fields["options"])}
    _report_rows(repeating, "offer an option twice, which no answer can tell apart", task, where)
    return _dataset(split, task, names, asked)


def _boxes(split: datasets.Dataset, task: catalog.Task, where: str) -> datasets.Dataset:
    """One document per row of the task's datasets and class annotated in it."""
    table = split.data.table
    table_columns.check_box_columns(table.schema, where)
    names = _dataset_names(table, task, where)
    asked = [(row, fields) for row in _rows_of(task, names) for fields in _box_fields(table, row, names[row], where)]
    if not asked:
        raise _nothing_to_ask(task, names, where, "has a polygon or a box")
    _report_absent(task, names, where)
    _report_rows(
        set(_rows_of(task, names)) - {row for row, _ in asked},
        "have neither polygon nor box and are not asked about",
        task,
        where,
    )
    hopeless = {row for row, fields in asked if not any(_can_be_found(box, fields) for box in fields["boxes"])}
    if len(hopeless) == len({row for row, _ in asked}):
        raise errors.DataError(
            f"{where}: {task.name}: no gold box of any of {len(hopeless)} images covers a pixel of its image. Expected polygons and boxes in pixels of the image."
        )
    _report_rows(
        hopeless,
        "have a class of which no gold box covers a pixel of the image; no answer can score there",
        task,
        where,
    )
    return _dataset(split, task, names, asked)


def _can_be_found(box: annotated_boxes.Box, fields: dict[str, Any]) -> bool:
    """Whether a box covers at least the area of a pixel of its image."""
    x1, y1, x2, y2 = box
    width, height = min(x2, fields["width"]) - max(x1, 0), min(y2, fields["height"]) - max(y1, 0)
    return width > 0 and height > 0 and width * height >= 1


def _box_fields(table: pa.Table, row: int, dataset: str, where: str) -> Iterator[dict[str, Any]]:
    """What is asked about one row, by the words that the model is asked with; classes with the same words are one."""
    merged: dict[str, list[annotated_boxes.Box]] = {}
    for class_name, boxes in annotated_boxes.gold_boxes(table, row, where).items():
        merged.setdefault(EXPRESSION_OF_DATASET.get(dataset, class_name), []).extend(boxes)
    if merged:
        width, height = table_images.image_size(table, row, where)
        for expression, boxes in merged.items():
            yield {"kind": catalog.BOXES, "expression": expression, "width": width, "height": height, "boxes": boxes}


def _rows_of(task: catalog.Task, names: list[str]) -> list[int]:
    return [row for row, name in enumerate(names) if name in task.datasets]


def _report_absent(task: catalog.Task, names: list[str], where: str) -> None:
    absent = sorted(set(task.datasets) - set(names))
    if absent:
        warn_once(f"{where}: {task.name} is incomplete: no row of {', '.join(absent)}.")


def _report_rows(rows: set[int], what: str, task: catalog.Task, where: str) -> None:
    if rows:
        warn_once(f"{where}: {task.name}: {len(rows)} row(s) {what}, such as row {min(rows)}.")


def _nothing_to_ask(task: catalog.Task, names: list[str], where: str, wanted: str) -> errors.DataError:
    present = ", ".join(sorted(set(names))) or "no row at all"
    return errors.DataError(
        f"{where}: {task.name} has nothing to ask: no row of {', '.join(task.datasets)} {wanted}. Found rows of {present}. Leave the task out, or name a source that has them."
    )


def _dataset_names(table: pa.Table, task: catalog.Task, where: str) -> list[str]:
    names, image_ids = table_rows.dataset_names(table, where), table_rows.image_ids(table, where)
    if task.subject != "cognition":
        _report(names, image_ids, where)
    return names


def _dataset(
    split: datasets.Dataset, task: catalog.Task, names: list[str], asked: Sequence[tuple[int, dict[str, Any]]]
) -> datasets.Dataset:
    """A document for each ``(row, fields of its own)``; a row may be asked about several times."""
    import datasets
    import pyarrow as pa

    # One copy of the table per turn that its most-asked row takes; the images are the same memory in all.
    turns: collections.Counter[int] = collections.Counter()
    layers: list[list[dict[str, Any]]] = []
    order = []
    for row, fields in asked:
        if turns[row] == len(layers):
            layers.append([{}] * len(names))
        layers[turns[row]][row] = fields
        order.append(turns[row] * len(names) + row)
        turns[row] += 1
    own = {name: _FIELD_FEATURES[name]() for name in asked[0][1]}
    table = pa.concat_tables(_layer(split, task, names, fields, own) for fields in layers)
    features = datasets.Features(
        {"image": datasets.Image()} | {name: datasets.Value("string") for name in _SHARED_FIELDS} | own
    )
    # With a fingerprint of its own, `datasets` does not pickle gigabytes to make one up.
    documents = datasets.Dataset(
        datasets.table.InMemoryTable(table),
        info=datasets.DatasetInfo(features=features),
        split=split.split,
        fingerprint=f"{split._fingerprint}-{task.name}",
    )
    return documents.select(order)


_SHARED_FIELDS = ("image_key", "image_id", "dataset")
_FIELD_FEATURES: dict[str, Callable[[], Any]] = {
    "kind": lambda: _value("string"),
    "question": lambda: _value("string"),
    "options": lambda: [_value("string")],
    "answer_idx": lambda: _value("int64"),
    "captions": lambda: [_value("string")],
    "wording": lambda: _value("string"),
    "expression": lambda: _value("string"),
    "width": lambda: _value("int64"),
    "height": lambda: _value("int64"),
    "boxes": lambda: [[_value("float64")]],
}


def _value(name: str) -> datasets.Value:
    import datasets

    return datasets.Value(name)


def _layer(
    split: datasets.Dataset, task: catalog.Task, names: list[str], fields: list[dict[str, Any]], own: dict[str, Any]
) -> pa.Table:
    """One document per row of ``split``; those without fields are empty."""
    import datasets
    import pyarrow as pa

    table = split.data.table
    text = pa.string()
    image_ids = table["image_id"].cast(text)
    # Cognition has a row per question, and one image under each id; elsewhere a row is an image.
    keys = image_ids.to_pylist() if task.subject == "cognition" else range(len(names))
    columns = {
        "image_key": pa.array([f"{split._fingerprint}/{key}" for key in keys], text),
        "image": table_images.image_column(table),
        "image_id": image_ids,
        "dataset": pa.array(names, text),
    }
    types = datasets.Features(own).arrow_schema
    return pa.table(
        columns | {name: pa.array([values.get(name) for values in fields], types.field(name).type) for name in own}
    )
