"""Resolve the data of a task: the release's micrographs, the cognition questions, or an own dataset."""

from __future__ import annotations

from microbench_tasks.catalog import COGNITION, MICROGRAPHS, Task
from microbench_tasks.data import cognition, dataset_setting, micrographs
from microbench_tasks.data.own_datasets import setting as own_setting
from microbench_tasks.data.resolved_data import ResolvedData


def resolve(task: Task, download: bool = False) -> ResolvedData:
    """Return the data that ``task`` asks about now.

    Args:
        task: of the catalogue.
        download: ask the Hub for data that its cache lacks, as an evaluation does.

    Raises:
        DataError: the task's setting names nothing that can be read.
    """
    if task.source == MICROGRAPHS:
        return micrographs.resolve(download)
    return cognition.resolve(download) if task.source == COGNITION else own_setting.resolve(task)


def setting_of(task: Task) -> str:
    """Return the name of the setting that says where the data of ``task`` are."""
    names = {MICROGRAPHS: dataset_setting.SETTING, COGNITION: cognition.SETTING}
    return names.get(task.source, own_setting.SETTING)
