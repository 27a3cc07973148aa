"""Build the documents of one task from the release's rows, without copying the table.

Every document starts with ``image_key`` (the source and the row in it), ``image``, ``image_id``, ``dataset`` and
``kind``. The image column is the source's own memory-mapped one, seen through an index of the wanted rows.

- A document that asks a question goes on with ``question``, ``options``, ``answer_idx`` and ``captions``, and with
  ``wording`` if it is not the paper's.
- A document that asks for boxes goes on with ``expression``, ``width`` and ``height`` of the image in pixels, and
  the gold ``boxes``, each ``x1 y1 x2 y2``. The expression is the class in words; models of the harness that segment
  by text read it under this name.
- A document about an own dataset also has ``group``: the patient, slide or well of the image. An image without one
  is a group of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from microbench_tasks import catalog
from microbench_tasks.data import box_documents, document_table, question_documents

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class BuiltDocuments:
    """The documents of a task, and remarks about the data for the user."""

    documents: datasets.Dataset
    remarks: tuple[str, ...]


def build(split: datasets.Dataset, task: catalog.Task, where: str) -> BuiltDocuments:
    """Build the documents of ``task``.

    Args:
        split: rows in the release's columns.
        task: of the catalogue.
        where: the name of the data in messages.

    Raises:
        DataError: a column, row, answer or annotation differs from the release's form, or there is nothing to ask
            for this task.
    """
    if split._indices is not None:
        split = split.flatten_indices()
    collect = box_documents.collect if task.subject == "boxes" else question_documents.collect
    rows, asked, remarks = collect(split.data.table, task, where)
    return BuiltDocuments(document_table.assemble(split, rows, asked), tuple(remarks))
