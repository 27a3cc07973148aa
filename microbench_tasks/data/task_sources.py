"""Find the data source of a task: micrographs with their questions, or the cognition questions."""

from __future__ import annotations

from microbench_tasks.catalog import Task
from microbench_tasks.data import cognition, source
from microbench_tasks.data.source import Source


def source_of(task: Task, download: bool = False) -> Source:
    """Return the source that ``task`` asks about now; see `current` for ``download``.

    Raises:
        DataError: its setting names nothing that can be read.
    """
    return (cognition if task.subject == "cognition" else source).current(download)
