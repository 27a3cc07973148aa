"""The data behind a run: what each micrograph is of, and the micrograph itself.

A report needs them for its slices and its gallery alone, so that it can be made without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.data import cognition, dataset_setting, table_images, table_rows, task_data
from microbench_tasks.report.runs import Run, image_of
from microbench_tasks.runs.comparison import source_mismatch
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one data source by their image, ``dataset/image_id`` as in the items of `microbench_tasks.tasks.results`."""

    label: str
    row_of_image: dict[str, int]
    slices: dict[str, list[Any]]
    table: pa.Table

    def value(self, column: str, image: str) -> Any:
        """What one of `schema.SLICE_COLUMNS` says of an image, None if nothing."""
        return self.slices[column][self.row_of_image[image]]

    def image(self, image: str) -> Image:
        """A micrograph as 8-bit RGB."""
        stored = self.table["image"][self.row_of_image[image]].as_py()
        return table_images.decode_image(stored["bytes"] if isinstance(stored, dict) else stored)


@dataclass(frozen=True)
class Data:
    """The rows that runs were asked about, None where they are not at hand, and why they are not."""

    perception: Rows | None
    cognition: Rows | None
    missing: tuple[str, ...]

    def of_task(self, task: str) -> Rows | None:
        """Where the images of a task are."""
        return self.cognition if catalog.ALL_TASKS[task].subject == "cognition" else self.perception


def read(runs: Sequence[Run]) -> Data:
    """The rows of the current data source, if they are those that all ``runs`` were asked about."""
    asked = {task for run in runs for task in run.rescored.samples}
    found, missing = {}, []
    for kind, is_wanted in (("perception", lambda task: not _is_cognition(task)), ("cognition", _is_cognition)):
        tasks = sorted(filter(is_wanted, asked))
        found[kind] = None
        if tasks:
            try:
                found[kind] = _rows(tasks, runs)
            except DataError as error:
                missing.append(f"{_NAMES[kind]}: {str(error).rstrip('.')}. {_SET[kind]}")
    return Data(found["perception"], found["cognition"], tuple(missing))


COGNITION_IMAGES = "the micrographs of the cognition questions"
_NAMES = {"perception": "the micrographs", "cognition": COGNITION_IMAGES}
_SET = {
    "perception": f"Set {dataset_setting.SETTING} to the data that the run was asked about ({dataset_setting.DEMO}, a folder, or unset for the release).",
    "cognition": f"Set {cognition.SETTING} (or {dataset_setting.SETTING}) to the data that the run was asked about.",
}


def _is_cognition(task: str) -> bool:
    return catalog.ALL_TASKS[task].subject == "cognition"


def _rows(tasks: Sequence[str], runs: Sequence[Run]) -> Rows:
    found = task_data.resolve(catalog.ALL_TASKS[tasks[0]])
    for run in runs:
        for task in tasks:
            difference = source_mismatch(run.sources.get(task), found.identity) if task in run.rescored.samples else ""
            if difference:
                raise DataError(f"{found.label} is not the data of {run.label} ({difference})")
    table = found.rows.data.table
    images = [
        f"{dataset}/{image}"
        for dataset, image in zip(
            table_rows.dataset_names(table, found.label), table_rows.image_ids(table, found.label)
        )
    ]
    # Of images that are there twice, the first.
    row_of_image = {image: row for row, image in reversed(list(enumerate(images)))}
    absent = [
        image_of(sample)
        for run in runs
        for task in tasks
        for sample in run.rescored.samples.get(task, ())
        if image_of(sample) not in row_of_image
    ]
    if absent:
        raise DataError(f"{found.label} has no image {absent[0]}, which was asked about, and {len(absent) - 1} more")
    return Rows(found.label, row_of_image, table_rows.slice_values(table, found.label), table)
