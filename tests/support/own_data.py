"""Write own datasets as ``microbench new-dataset`` does, from drawn images, and score answers to them independently."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from microbench_tasks.catalog.questions import CAPTION_SETS, QUESTION_KINDS, caption_key
from microbench_tasks.catalog.release_columns import release_features
from microbench_tasks.data.own_datasets.description import (
    GROUP_COLUMN,
    TABLE_FILE,
    Description,
    write_description,
)

CLASSES = ("round", "square")
QUESTION = "Which shape do these cells have?"
CAPTION = "A micrograph of {class} cells."
SIDE = 48


def draw(number: int) -> bytes:
    """A PNG of one bright cell, round or square in turn, on a noisy background."""
    rng = np.random.default_rng([7, number])
    y, x = np.mgrid[:SIDE, :SIDE]
    is_cell = np.hypot(x - 24, y - 24) < 12 if number % 2 == 0 else (abs(x - 24) < 11) & (abs(y - 24) < 11)
    pixels = (60 + 140 * is_cell + rng.normal(0, 8, (SIDE, SIDE))).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([pixels] * 3)).save(buffer, format="PNG")
    return buffer.getvalue()


def row(name: str, number: int, group: str | None = None, question=True, boxes=False) -> dict:
    """One image, with the question of its class and the box of its cell."""
    asked = {"question": QUESTION, "options": list(CLASSES), "answer": CLASSES[number % 2], "answer_idx": number % 2}
    texts = [CAPTION.format(**{"class": name}) for name in CLASSES]
    caption = {"question": CAPTION, "options": texts, "answer_idx": str(number % 2)}
    box = {"className": "cell", "points": {"x1": 12.0, "y1": 12.0, "x2": 36.0, "y2": 36.0}}
    kinds = [caption_key(kind, count) for kind in QUESTION_KINDS for count in CAPTION_SETS]
    wanted = caption_key("classification")
    return {
        "image_id": f"image_{number}",
        "image": {"bytes": draw(number), "path": None},
        "dataset": name,
        "questions": {kind: asked if question and kind == "classification" else None for kind in QUESTION_KINDS},
        "captions": {kind: caption if question and kind == wanted else None for kind in kinds},
        "bbox": [box] if boxes else None,
        GROUP_COLUMN: group,
    }


def write(folder: Path, name: str, rows: list[dict], /, **stated) -> Path:
    """Write the dataset ``name`` with these rows into ``folder``; ``stated`` replaces fields of its description."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features, Value

    schema = Features({**release_features(), GROUP_COLUMN: Value("string")}).arrow_schema
    table = folder / TABLE_FILE
    table.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), table)
    description = {
        "name": name,
        "question": QUESTION,
        "captions": CAPTION,
        "classes": list(CLASSES),
        "licence": "CC-BY-4.0",
        "groups": "slide" if any(entry[GROUP_COLUMN] for entry in rows) else None,
        "num_images": len(rows),
        "num_questions": sum(entry["questions"]["classification"] is not None for entry in rows),
        "num_boxes": sum(len(entry["bbox"] or ()) for entry in rows),
        "table_sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
    }
    write_description(folder, Description.model_validate(description | stated))
    return folder


def questions(folder: Path, name="cells", number=8) -> Path:
    """Write a dataset of questions alone, without groups."""
    return write(folder, name, [row(name, index) for index in range(number)])


def slides(folder: Path, name="slides", number=12, per_slide=3) -> Path:
    """Write a dataset of questions and boxes, in groups of some images."""
    rows = [row(name, index, group=f"slide {index // per_slide}", boxes=True) for index in range(number)]
    return write(folder, name, rows)
