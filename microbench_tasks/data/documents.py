"""Provide the documents of each task to the harness: the ``process_docs`` functions that the tasks' YAML names."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.data import task_data, task_documents
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class TaskDocuments:
    """The ``process_docs`` of one task: called with a split, it returns the task's documents."""

    task: catalog.Task

    def __call__(self, split: datasets.Dataset, where: str | None = None) -> datasets.Dataset:
        """Return the documents of the task in ``split``.

        The harness loads the rows again for each task. If they are those that the task's setting was resolved to,
        the documents come from there: they are built once, and their images are read and hashed once.

        Args:
            split: rows in the release's columns.
            where: the name of the data in messages; by default they are compared with those of the task's setting.

        Raises:
            DataError: a column, row, answer or annotation differs from the release's form, or there is nothing to
                ask for this task.
        """
        if where is not None:
            return self._build(split, where)
        try:
            resolved = task_data.resolve(self.task)
            are_same_rows = resolved.rows._fingerprint == split._fingerprint
        # The task was redefined to ask about other data, and the setting may be invalid.
        except DataError:
            return self._build(split, f"the data of {self.task.name}")
        if are_same_rows:
            return resolved.documents(self.task)
        return self._build(split, f"the data of {self.task.name}, which are not those of {resolved.label}")

    def _build(self, split: datasets.Dataset, where: str) -> datasets.Dataset:
        built = task_documents.build(split, self.task, where)
        for remark in built.remarks:
            warn_once(remark)
        return built.documents

    def __repr__(self) -> str:
        return f"{self.task.name}_docs"


def __getattr__(name: str) -> TaskDocuments:
    """Return ``<task>_docs`` for a task of the catalogue, as the tasks' YAML names them."""
    task = catalog.find_task(name.removesuffix("_docs")) if name.endswith("_docs") else None
    if task is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return TaskDocuments(task)


class Reading(Sequence[dict[str, Any]]):
    """Read the documents of a table without its images in batches.

    `datasets` converts one row at a time to Python. Here a whole batch is converted at once, and a text
    that many documents share, as most do, is kept once.
    """

    _BATCH = 1000

    def __init__(self, documents: datasets.Dataset):
        self._documents = documents

    def __len__(self) -> int:
        return len(self._documents)

    # Like `datasets`, without slices.
    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        return self._documents[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self), self._BATCH):
            columns = self._documents[start : start + self._BATCH]
            for values in zip(*columns.values(), strict=True):
                yield dict(zip(columns, map(_share_texts, values), strict=True))


def _share_texts(value: Any) -> Any:
    if isinstance(value, str):
        return sys.intern(value)
    return [_share_texts(entry) for entry in value] if isinstance(value, list) else value
