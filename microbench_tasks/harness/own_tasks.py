"""Make the tasks of own datasets known to the harness: their YAML, their tag, and folders of ``--include_path``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from microbench_tasks import catalog
from microbench_tasks.data import task_data
from microbench_tasks.data.own_datasets import setting
from microbench_tasks.tasks.definitions import yaml_folder
from microbench_tasks.tasks.task_stubs import task_stub
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError


def add_included(include_path: str | Sequence[str] | None) -> None:
    """Install the own datasets in folders of ``--include_path``, for this process and those that it starts.

    Raises:
        DataError: a folder cannot be read.
    """
    for text in [include_path] if isinstance(include_path, str) else include_path or ():
        folder = files.existing_path(text)
        try:
            if folder is not None and setting.datasets_in(folder):
                setting.add_folder(folder)
        except OSError as error:
            raise DataError(
                f"--include_path {text}: cannot be read ({error.strerror}). Name another folder."
            ) from error


def tasks_named(names: Iterable[str]) -> tuple[str, ...]:
    """Return the Micro-Bench tasks of names of tasks, groups and tags as `catalog.tasks_named` does, with own datasets.

    Raises:
        DataError: an own dataset is asked for that is not installed, or the tag of all, and none is.
    """
    return catalog.tasks_named(member for name in names for member in _expanded(name))


def _expanded(name: str) -> Sequence[str]:
    if catalog.is_own(name):
        task_data.resolve(catalog.task_of(name))
    return members(name) if name == catalog.OWN_TAG else (name,)


def members(name: str) -> Sequence[str]:
    """Return the tasks and groups that a group or tag directly contains; none for a task.

    Raises:
        DataError: the tag of all own datasets, and none is installed.
    """
    if name != catalog.OWN_TAG:
        return catalog.members(name)
    installed = [task.name for task in setting.installed_tasks()]
    if not installed:
        raise DataError(
            f"{catalog.OWN_TAG}: no own dataset is installed. Set {setting.SETTING} to a folder that microbench "
            "new-dataset has written."
        )
    return installed


def stub_folder() -> Path | None:
    """Write the YAML of all tasks of own datasets into the cache, and return its folder; None without own datasets.

    Its name depends on its content, so that runs with different datasets do not disturb each other.
    """
    texts = {f"{task.name}.yaml": task_stub(task, yaml_folder()).encode() for task in setting.installed_tasks()}
    if not texts:
        return None
    digest = hashlib.sha256(b"\n".join(texts.values())).hexdigest()
    folder = files.write_dir(files.cache_dir() / "own-tasks" / digest[:16], texts)
    if any((folder / name).read_bytes() != text for name, text in texts.items()):
        raise DataError(f"{folder} has been changed since it was written. Delete that folder and run again.")
    return folder
