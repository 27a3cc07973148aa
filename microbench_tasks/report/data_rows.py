"""Read the data that a run was asked about: the micrographs, and what each of them shows.

Only slices and the gallery need them: without the data, a report has all other sections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.catalog.questions import caption_key
from microbench_tasks.data import recorded_setting, table_images, table_rows, task_data
from microbench_tasks.report.runs import image_of
from microbench_tasks.runs.mismatches import source_mismatch
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

PERCEPTION_IMAGES = "the micrographs"
COGNITION_IMAGES = "the micrographs of the cognition questions"
_NAMES = {catalog.MICROGRAPHS: PERCEPTION_IMAGES, catalog.COGNITION: COGNITION_IMAGES}


@dataclass(frozen=True, eq=False)
class Rows:
    """Hold the rows of one data source.

    Attributes:
        label: of the source, for messages.
        row_of_image: index of the row of each image, ``dataset/image_id`` as in items of samples.
        slices: values of each column that divides questions, by row.
        table: the rows, images encoded.
    """

    label: str
    row_of_image: dict[str, int]
    slices: dict[str, list[Any]]
    table: pa.Table

    def value(self, column: str, image: str) -> Any:
        """Return the value of a column of ``slices`` for an image; None if it states none."""
        return self.slices[column][self.row_of_image[image]]

    def captions(self, image: str, kind: str) -> dict[str, str]:
        """Return the caption of each option of a question, by the option's text; empty if the data have none."""
        row = self.row_of_image[image]
        asked, captioned = (
            (self.table[column][row].as_py() or {}).get(key) or {} if column in self.table.column_names else {}
            for column, key in (("questions", kind), ("captions", caption_key(kind)))
        )
        texts, captions = asked.get("options") or [], captioned.get("options") or []
        return dict(zip(texts, captions, strict=True)) if len(texts) == len(captions) else {}

    def image(self, image: str) -> Image:
        """Return a micrograph as 8-bit RGB."""
        stored = self.table["image"][self.row_of_image[image]].as_py()
        return table_images.decode_image(stored["bytes"] if isinstance(stored, dict) else stored)


@dataclass(frozen=True)
class Data:
    """Hold the rows that runs were asked about, by source (`Task.source`), and why others are not available."""

    rows: Mapping[str, Rows]
    missing: tuple[str, ...]

    @property
    def perception(self) -> Rows | None:
        """Return the rows of the benchmark's micrographs."""
        return self.rows.get(catalog.MICROGRAPHS)

    def of_task(self, task: str) -> Rows | None:
        """Return the rows with the images of a task."""
        return self.rows.get(catalog.task_of(task).source)


def read(runs: Sequence[Run]) -> Data:
    """Read the rows of the current data source, if all ``runs`` were asked about them."""
    rows: dict[str, Rows] = {}
    missing: list[str] = []
    for tasks in catalog.by_source(catalog.in_order({task for run in runs for task in run.rescored.samples})):
        source = catalog.task_of(tasks[0]).source
        try:
            rows[source] = _read_rows(tasks, runs)
        except DataError as error:
            name = _NAMES.get(source, f"the images of {source}")
            missing.append(f"{name}: {str(error).rstrip('.')}. {_advice(tasks, runs)}")
    return Data(rows, tuple(missing))


def _advice(tasks: Sequence[str], runs: Sequence[Run]) -> str:
    """Say how to set the data of the runs, as they recorded them; in general if they recorded different data."""
    sources = [source for run in runs for task in tasks if (source := run.sources.get(task))]
    are_same = all(not source_mismatch(source, sources[0]) for source in sources)
    return recorded_setting.advice(catalog.task_of(tasks[0]), sources[0] if sources and are_same else None)


def _read_rows(tasks: Sequence[str], runs: Sequence[Run]) -> Rows:
    current = task_data.resolve(catalog.task_of(tasks[0]))
    for run in runs:
        for task in tasks:
            mismatch = source_mismatch(run.sources.get(task), current.identity) if task in run.rescored.samples else ""
            if mismatch:
                raise DataError(f"{current.label} is not the data of {run.label} ({mismatch})")
    table = current.rows.data.table
    names = zip(table_rows.dataset_names(table, current.label), table_rows.image_ids(table, current.label), strict=True)
    images = [f"{dataset}/{image}" for dataset, image in names]
    # Of duplicate images, keep the first.
    row_of_image = {image: row for row, image in reversed(list(enumerate(images)))}
    _check_images(tasks, runs, row_of_image, current.label)
    return Rows(current.label, row_of_image, table_rows.slice_values(table, current.label), table)


def _check_images(tasks: Sequence[str], runs: Sequence[Run], row_of_image: dict[str, int], label: str) -> None:
    """Raise DataError if an image of a run is missing: not every run records its data source."""
    asked = (image_of(sample) for run in runs for task in tasks for sample in run.rescored.samples.get(task, ()))
    absent = [image for image in asked if image not in row_of_image]
    if absent:
        raise DataError(f"{label} has no image {absent[0]}, which was asked about, and {len(absent) - 1} more")
