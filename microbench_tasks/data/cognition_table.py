"""Keep cognition questions in the user's cache as one table in the release's columns.

All that follows then treats them as any other question. Contrastive models score question and option with a space
between, as the paper's evaluation code (GitHub ``Ale9806/eVLLM``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from microbench_tasks.catalog import COGNITION
from microbench_tasks.catalog.questions import caption_key
from microbench_tasks.data.cognition_files import CognitionQuestion
from microbench_tasks.data.tables import SPLIT
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

# Goes up when the table's form changes.
_TABLE_VERSION = 1


def content_sha256(paths: Sequence[Path]) -> str:
    """Return the hash of the files' content and of the table's form."""
    hashes = files.content_hashes(list(paths))
    return hashlib.sha256("\n".join([str(_TABLE_VERSION), *hashes]).encode()).hexdigest()


def write_once(questions: Sequence[CognitionQuestion], sha256: str, label: str) -> Path:
    """Write the table, unless it is there, and return its path.

    Args:
        questions: in order.
        sha256: the `content_sha256` of their files.
        label: their name in messages.

    Raises:
        DataError: the table was changed since it was written.
    """
    folder = files.cache_dir() / COGNITION / f"{_TABLE_VERSION}-{sha256[:16]}"
    try:
        return files.write_verified_file(folder, f"{SPLIT}.parquet", lambda path: _write(path, questions))
    except files.ChangedFileError as error:
        raise DataError(f"{label}: {error}.") from error


def _write(path: Path, questions: Sequence[CognitionQuestion]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, texts = pa.string(), pa.list_(pa.string())
    question = pa.struct({"question": text, "options": texts, "answer": text, "answer_idx": pa.int64()})
    caption = pa.struct({"options": texts, "answer_idx": pa.int64()})
    schema = pa.schema(
        {
            "image_id": text,
            "image": pa.struct({"bytes": pa.binary(), "path": text}),
            "dataset": text,
            "stain": text,
            "questions": pa.struct({COGNITION: question}),
            "captions": pa.struct({caption_key(COGNITION): caption}),
        }
    )
    pq.write_table(pa.Table.from_pylist(list(map(_row, questions)), schema=schema), path)


def _row(question: CognitionQuestion) -> dict[str, Any]:
    answer_idx = question.options.index(question.answer)
    asked = {"question": question.question, "options": question.options, "answer": question.answer}
    captions = [f"{question.question} {option}" for option in question.options]
    return {
        "image_id": question.image.name,
        "image": {"bytes": question.image.read_bytes(), "path": None},
        "dataset": COGNITION,
        "stain": None,
        "questions": {COGNITION: asked | {"answer_idx": answer_idx}},
        "captions": {caption_key(COGNITION): {"options": captions, "answer_idx": answer_idx}},
    }
