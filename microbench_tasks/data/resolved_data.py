"""Hold what a setting was resolved to: the data's place, identity, rows and the documents of each task.

A setting is resolved once per process. The preflight check, the values in the tasks' YAML and the documents all
get the same object, until a file of the data changes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks.catalog.tasks import Task
from microbench_tasks.data import hub, release_on_hub, task_documents
from microbench_tasks.data.dataset_setting import CHOICES
from microbench_tasks.data.tables import SPLIT
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once

if TYPE_CHECKING:
    import datasets

# The path of the release while it is not in the Hub's cache.
NOT_DOWNLOADED = ""


@dataclass(frozen=True, eq=False)
class ResolvedData:
    """Describe the data that a setting names.

    Attributes:
        label: names the data in messages.
        path: a ``save_to_disk`` folder of Arrow streams; `NOT_DOWNLOADED` for the release while it is not in the
            Hub's cache.
        identity: what results files record: kind and revision or content hash.
    """

    label: str
    path: str
    identity: Mapping[str, Any]
    _documents: dict[str, datasets.Dataset] = field(default_factory=dict, init=False, repr=False)

    @functools.cached_property
    def rows(self) -> datasets.Dataset:
        """The rows, images still encoded, loaded at first use without decoding or copying an image.

        Raises:
            DataError: the rows cannot be loaded, or there are none.
        """
        import datasets

        if self.path == NOT_DOWNLOADED:
            hub.check_cached(release_on_hub.release_files())
        try:
            rows = datasets.load_from_disk(self.path)[SPLIT]
        # File system, Arrow and `datasets` each have errors of their own; all mean this.
        except Exception as error:
            # `datasets` wraps the cause in errors that do not name it.
            cause = error.__cause__ or error
            raise DataError(
                f"{self.label}: cannot be loaded: {type(cause).__name__}: {str(cause).rstrip('.')}. {CHOICES}."
            ) from error
        if not len(rows):
            raise DataError(f"{self.label}: contains no rows.")
        return rows

    def documents(self, task: Task) -> datasets.Dataset:
        """Return the documents that ``task`` asks about, built at first use.

        Raises:
            DataError: a column, row, answer or annotation differs from the release's form, or there is nothing to
                ask for this task.
        """
        if task.name not in self._documents:
            built = task_documents.build(self.rows, task, self.label)
            for remark in built.remarks:
                warn_once(remark)
            self._documents[task.name] = built.documents
        return self._documents[task.name]


@dataclass(frozen=True)
class _Entry:
    data: ResolvedData
    stamps: Mapping[Path, list[int]]


# The only cache of data in a process: by label and place.
_entries: dict[tuple[str, Path], _Entry] = {}


def resolve_once(
    label: str, place: Path, watched: Callable[[], Iterable[Path]], resolve: Callable[[], ResolvedData]
) -> ResolvedData:
    """Return the data that were resolved before, or resolve them if they are new or a watched file has changed.

    Args:
        label: names the data in messages.
        place: where the data lie.
        watched: lists the files and folders on which the result depends.
        resolve: reads and checks the data.
    """
    entry = _entries.get((label, place))
    if entry is not None and _stamps(entry.stamps) == entry.stamps:
        return entry.data
    # Before reading: a file that changes meanwhile is noticed next time.
    stamps = _stamps(watched())
    data = resolve()
    if entry is not None and (data.path, data.identity) == (entry.data.path, entry.data.identity):
        # The content is the same, so rows and documents that are already loaded stay in use.
        data = entry.data
    _entries[label, place] = _Entry(data, stamps)
    return data


def forget() -> None:
    """Resolve every setting again at its next use."""
    _entries.clear()


def _stamps(paths: Iterable[Path]) -> dict[Path, list[int]]:
    return {path: files.file_stamp(path) if path.exists() else [] for path in paths}
