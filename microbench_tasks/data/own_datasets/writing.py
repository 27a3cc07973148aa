"""Write the table and the description of a new dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from microbench_tasks.catalog.questions import CAPTION_SETS, CLASSIFICATION_KIND, QUESTION_KINDS, caption_key
from microbench_tasks.catalog.release_columns import release_features
from microbench_tasks.data.own_datasets import options
from microbench_tasks.data.own_datasets.description import (
    GROUP_COLUMN,
    TABLE_FILE,
    Description,
    write_description,
)
from microbench_tasks.data.own_datasets.image_checks import Prepared, Store
from microbench_tasks.data.own_datasets.options import Asked
from microbench_tasks.data.own_datasets.request import Request
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

# Small row groups: a reader that wants a few rows decodes few images.
_ROWS_PER_GROUP = 100
_BYTES_PER_GROUP = 256 << 20


def write(request: Request, classes: list[str], groups: str | None, images: list[Prepared], store: Store) -> None:
    """Write the folder ``request.out`` in one step.

    Raises:
        DataError: it has appeared since it was checked.
    """
    asked = _questions(request, classes, images)

    def fill(draft: Path) -> None:
        rows = (_row(request, classes, image, question, store) for image, question in zip(images, asked, strict=True))
        table = draft / TABLE_FILE
        table.parent.mkdir(parents=True)
        _write_table(rows, table)
        write_description(draft, _describe(request, classes, groups, images, files.sha256(table)))

    try:
        files.write_dir_atomically(request.out, fill, must_be_new=True)
    except FileExistsError as error:
        raise DataError(f"--out: {error}. Name another folder.") from error


def _questions(request: Request, classes: list[str], images: list[Prepared]) -> Sequence[Asked | None]:
    if request.coco is not None:
        return [None] * len(images)
    labels = [image.entry.labels for image in images]
    return options.arrange(
        (image.image_id, str(label.class_name), label.options or tuple(classes))
        for image, label in zip(images, labels, strict=True)
    )


def _row(request: Request, classes: list[str], image: Prepared, asked: Asked | None, store: Store) -> dict[str, Any]:
    """Return a row; columns that are left out are null."""
    labels = image.entry.labels
    boxes = [{"className": box.class_name, "points": _sides(box.box)} for box in image.entry.boxes]
    return {
        "image_id": image.image_id,
        "image": {"bytes": store.get(image), "path": None},
        "dataset": request.name,
        "split": "test",
        "license": request.licence,
        "label_name": labels.class_name,
        "label": classes.index(labels.class_name) if labels.class_name in classes else None,
        "domain": labels.domain,
        "modality": labels.modality,
        "stain": labels.stain,
        "questions": _only_classification(None if asked is None else _question(request, image, asked)),
        "captions": _captions(request, asked),
        "bbox": boxes or None,
        GROUP_COLUMN: labels.group,
    }


def _only_classification(question: dict[str, Any] | None) -> dict[str, Any]:
    return dict.fromkeys(QUESTION_KINDS) | {CLASSIFICATION_KIND: question}


def _question(request: Request, image: Prepared, asked: Asked) -> dict[str, Any]:
    return {
        "question": image.entry.labels.question or request.question,
        "options": asked.options,
        "answer": asked.options[asked.answer_idx],
        "answer_idx": asked.answer_idx,
    }


def _captions(request: Request, asked: Asked | None) -> dict[str, Any]:
    """Return the same captions in both wordings of the release."""
    caption = None
    if asked is not None and request.captions is not None:
        texts = [options.caption(request.captions, option) for option in asked.options]
        caption = {"question": request.captions, "options": texts, "answer_idx": str(asked.answer_idx)}
    absent = {caption_key(kind, number): None for kind in QUESTION_KINDS for number in CAPTION_SETS}
    return absent | {caption_key(CLASSIFICATION_KIND, number): caption for number in CAPTION_SETS}


def _sides(box: tuple[float, float, float, float]) -> dict[str, float]:
    return dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))


def _write_table(rows: Iterator[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features, Value

    schema = Features({**release_features(), GROUP_COLUMN: Value("string")}).arrow_schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(rows):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield lists of rows whose images fit into memory together."""
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row["image"]["bytes"])
        if len(batch) == _ROWS_PER_GROUP or size > _BYTES_PER_GROUP:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _describe(
    request: Request, classes: list[str], groups: str | None, images: list[Prepared], table_sha256: str
) -> Description:
    labels = [image.entry.labels for image in images]
    have_same_question = all(label.question in (None, request.question) for label in labels)
    return Description(
        name=request.name,
        question=request.question if have_same_question else None,
        captions=request.captions,
        classes=classes,
        licence=request.licence,
        groups=groups,
        num_images=len(images),
        num_questions=sum(label.class_name is not None for label in labels),
        num_boxes=sum(len(image.entry.boxes) for image in images),
        table_sha256=table_sha256,
    )
