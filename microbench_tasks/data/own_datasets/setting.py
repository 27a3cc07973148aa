"""Resolve ``MICROBENCH_OWN``, the setting that says where datasets of one's own are.

It lists folders, separated by commas. Each is a dataset (see `description`), or contains datasets.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from microbench_tasks.catalog import Task, settings
from microbench_tasks.catalog.own_tasks import box_task, question_task
from microbench_tasks.data import resolved_data, source_identity, tables
from microbench_tasks.data.own_datasets.description import (
    DESCRIPTION_FILE,
    TABLE_FILE,
    Description,
    read_description,
)
from microbench_tasks.data.own_datasets.table_checks import check_table
from microbench_tasks.data.resolved_data import ResolvedData
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTING = settings.OWN
_SEPARATOR = ","
# Submissions take no longer lines.
_LONGEST = 200


@dataclass(frozen=True)
class OwnDataset:
    """Name the folder of an own dataset, and what its description says."""

    folder: Path
    description: Description

    @property
    def tasks(self) -> list[Task]:
        """The tasks that ask about it."""
        name = self.description.name
        asked = ((self.description.num_questions, question_task), (self.description.num_boxes, box_task))
        return [task(name) for number, task in asked if number]


def is_dataset(folder: Path) -> bool:
    """Tell whether a folder is an own dataset."""
    return (folder / DESCRIPTION_FILE).is_file()


def datasets_in(folder: Path) -> list[Path]:
    """Return the own datasets in a folder: the folder itself, or those of its folders that are datasets."""
    if is_dataset(folder):
        return [folder]
    return sorted(inner for inner in folder.iterdir() if is_dataset(inner)) if folder.is_dir() else []


def dataset_at(folder: Path) -> OwnDataset:
    """Return the own dataset in a folder; raise DataError if its description is wrong."""
    return OwnDataset(folder.resolve(), read_description(folder))


def add_folder(folder: Path) -> None:
    """Add a folder with own datasets to the setting of this process and of those that it starts.

    Raises:
        DataError: its path contains a comma.
    """
    stated = os.environ.get(SETTING, "")
    known = {place.resolve() for place in _folders()}
    if _SEPARATOR in str(folder.resolve()):
        raise DataError(
            f"{folder.resolve()}: a comma separates folders in {SETTING}. Move the dataset to a folder without one."
        )
    if folder.resolve() not in known:
        os.environ[SETTING] = f"{stated}{_SEPARATOR if stated else ''}{folder.resolve()}"


def installed() -> dict[str, OwnDataset]:
    """Return the datasets that the setting names now, by name.

    Raises:
        DataError: a folder does not exist or has no dataset, a description is wrong, or two datasets have one name.
    """
    by_name: dict[str, OwnDataset] = {}
    for place in _folders():
        inside = datasets_in(place)
        if not inside:
            problem = "has no dataset" if place.is_dir() else "no such folder"
            raise DataError(
                f"{SETTING}: {place}: {problem}. Expected a folder that microbench new-dataset has written (with "
                f"{DESCRIPTION_FILE} in it), or a folder of such folders; several are separated by commas."
            )
        for folder in inside:
            dataset = dataset_at(folder)
            other = by_name.setdefault(dataset.description.name, dataset)
            if other.folder != dataset.folder:
                raise DataError(
                    f"{SETTING}: {other.folder} and {dataset.folder} are both named {dataset.description.name}. "
                    "Leave one of them out, or make one again with another name."
                )
    return dict(sorted(by_name.items()))


def installed_tasks() -> list[Task]:
    """Return the tasks of all datasets that the setting names, by name of the dataset."""
    return [task for dataset in installed().values() for task in dataset.tasks]


def resolve(task: Task) -> ResolvedData:
    """Return the data of an own dataset's task.

    Raises:
        DataError: the dataset is not installed, has no such task, or its table is not what its description says.
    """
    [name] = task.datasets
    datasets = installed()
    if name not in datasets:
        others = f" It has {', '.join(datasets)}." if datasets else ""
        stated = f"{SETTING}={os.environ[SETTING]}" if SETTING in os.environ else f"{SETTING}, which is not set"
        raise DataError(
            f"{task.name}: the dataset {name} is not in {stated}.{others} Set {SETTING} to the folder of {name}."
        )
    dataset = datasets[name]
    if task not in dataset.tasks:
        wanted = "boxes" if task.subject == "boxes" else "questions"
        instead = " and ".join(other.name for other in dataset.tasks)
        raise DataError(f"{task.name}: the dataset in {dataset.folder} has no {wanted}. It has the task {instead}.")
    table = dataset.folder / TABLE_FILE
    return resolved_data.resolve_once(
        f"{SETTING}: {dataset.folder}",
        dataset.folder,
        watched=lambda: [dataset.folder / DESCRIPTION_FILE, table],
        resolve=lambda: read_dataset(dataset),
    )


def _folders() -> list[Path]:
    texts = (text.strip() for text in os.environ.get(SETTING, "").split(_SEPARATOR))
    return list(dict.fromkeys(Path(os.path.expanduser(text)) for text in texts if text))


def read_dataset(dataset: OwnDataset) -> ResolvedData:
    """Read the table of a dataset, and compare it with the description; raise DataError if it differs."""
    table = dataset.folder / TABLE_FILE
    again = "Make the dataset again with microbench new-dataset."
    if not table.is_file():
        raise DataError(f"{table}: no such file, although {dataset.folder / DESCRIPTION_FILE} describes it. {again}")
    stated = dataset.description
    [sha256] = files.content_hashes([table])
    if sha256 != stated.table_sha256:
        raise DataError(
            f"{table}: has been changed since {DESCRIPTION_FILE} was written (SHA-256 {sha256}, expected "
            f"{stated.table_sha256}). {again}"
        )
    try:
        folder = tables.saved_folder([table], sha256, str(table))
    except tables.UnreadableError as error:
        raise DataError(f"{table}: cannot be loaded: {error}. {again}") from error
    data = ResolvedData(str(table), str(folder), source_identity.own_identity(stated.name, sha256, _about(dataset)))
    check_table(data.rows.data.table, stated, f"{table}")
    return data


def _about(dataset: OwnDataset) -> Mapping[str, str]:
    """Return what a record says of a dataset beside its name and its content."""
    stated = {"licence": dataset.description.licence, "groups": dataset.description.groups}
    about = {name: printable_line(value)[:_LONGEST].strip() for name, value in stated.items() if value}
    return about | {"path": str(dataset.folder)}
