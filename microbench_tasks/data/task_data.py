"""Resolve the data of a task: the micrographs with their questions, or the cognition questions."""

from __future__ import annotations

from microbench_tasks.catalog import Task
from microbench_tasks.data import cognition, dataset_setting, micrographs
from microbench_tasks.data.resolved_data import ResolvedData


def resolve(task: Task, download: bool = False) -> ResolvedData:
    """Return the data that ``task`` asks about now.

    Args:
        task: of the catalogue.
        download: ask the Hub for data that its cache lacks, as an evaluation does.

    Raises:
        DataError: the task's setting names nothing that can be read.
    """
    return cognition.resolve(download) if task.subject == "cognition" else micrographs.resolve(download)


def setting_of(task: Task) -> str:
    """Return the name of the setting that says where the data of ``task`` are."""
    return cognition.SETTING if task.subject == "cognition" else dataset_setting.SETTING
