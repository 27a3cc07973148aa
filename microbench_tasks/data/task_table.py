"""Look at the rows of a table from the point of view of one task: which rows it asks about, and what is unusual."""

from __future__ import annotations

import collections
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from microbench_tasks import catalog
from microbench_tasks.data import table_rows
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TaskTable:
    """A table in the release's columns, for one task.

    Attributes:
        table: the rows.
        task: asks about some of them.
        where: the name of the data in messages.
        dataset_names: of each row, checked.
        image_ids: of each row, checked.
    """

    table: pa.Table
    task: catalog.Task
    where: str
    dataset_names: list[str]
    image_ids: list[str]

    @property
    def task_rows(self) -> list[int]:
        """The indices of the rows of the task's datasets."""
        return [row for row, name in enumerate(self.dataset_names) if name in self.task.datasets]

    def general_remarks(self) -> list[str]:
        """Describe rows that no task asks about, repeated images, and datasets of the task without rows."""
        remarks = [] if self.task.subject == "cognition" else [*self._unknown_datasets(), *self._repeated_images()]
        absent = sorted(set(self.task.datasets) - set(self.dataset_names))
        if absent:
            remarks.append(f"{self.where}: {self.task.name} is incomplete: no row of {', '.join(absent)}.")
        return remarks

    def remark(self, rows: Collection[int], problem: str) -> list[str]:
        """Return a remark on ``rows``, such as ``3 row(s) have no question``; none if there are no rows."""
        if not rows:
            return []
        return [f"{self.where}: {self.task.name}: {len(rows)} row(s) {problem}, such as row {min(rows)}."]

    def nothing_to_ask(self, needed: str) -> DataError:
        """Return the error for a table in which no row of the task ``needed``, such as ``has a stain question``."""
        present = ", ".join(sorted(set(self.dataset_names))) or "no row at all"
        return DataError(
            f"{self.where}: {self.task.name} has nothing to ask: no row of {', '.join(self.task.datasets)} {needed}. "
            f"Found rows of {present}. Leave the task out, or name a source that has them."
        )

    def _unknown_datasets(self) -> list[str]:
        known = (*catalog.DATASETS, *self.task.datasets)
        counts = collections.Counter(name for name in self.dataset_names if name not in known)
        if not counts:
            return []
        listed = ", ".join(f"{name!r} ({count})" for name, count in sorted(counts.items()))
        return [
            f"{self.where}: rows of datasets that Micro-Bench does not have are left out: {listed}. "
            f"Known: {', '.join(catalog.DATASETS)}."
        ]

    def _repeated_images(self) -> list[str]:
        first: dict[tuple[str, str], int] = {}
        images = zip(self.dataset_names, self.image_ids, strict=True)
        repeats = [(first[image], row) for row, image in enumerate(images) if first.setdefault(image, row) != row]
        if not repeats:
            return []
        original, repeat = repeats[0]
        return [
            f"{self.where}: {len(repeats)} row(s) repeat the dataset and image_id of an earlier one and are counted "
            f"again, such as row {repeat}, which repeats row {original}."
        ]


def read_task_table(table: pa.Table, task: catalog.Task, where: str) -> TaskTable:
    """Read the dataset and the image id of each row.

    Raises:
        DataError: a row has no dataset, or no image id.
    """
    return TaskTable(table, task, where, table_rows.dataset_names(table, where), table_rows.image_ids(table, where))
