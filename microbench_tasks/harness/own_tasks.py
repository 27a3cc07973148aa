"""Make the tasks of own datasets known to the harness: their YAML, their tag, and folders of ``--include_path``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.data import task_data
from microbench_tasks.data.own_datasets import setting
from microbench_tasks.tasks.definitions import yaml_folder
from microbench_tasks.tasks.task_stubs import task_stub
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError


def add_included(include_path: str | Sequence[str] | None) -> None:
    """Install the own datasets in folders of ``--include_path``, for this process and those that it starts."""
    for text in [include_path] if isinstance(include_path, str) else include_path or ():
        if setting.datasets_in(folder := Path(text).expanduser()):
            setting.add_folder(folder)


def expand_arguments(args: Any) -> None:
    """Install the own datasets that parsed arguments of the harness include, and expand the names of tasks in them."""
    add_included(args.include_path)
    if args.tasks:
        args.tasks = ",".join(expand(args.tasks.split(",")))


def expand(names: Iterable[str]) -> list[str]:
    """Replace the tag of all own datasets by the tasks of those that are installed.

    Args:
        names: tasks, groups and tags, also of other benchmarks.

    Raises:
        DataError: an own dataset is asked for that is not installed, or the tag, and none is.
    """
    expanded: list[str] = []
    for name in names:
        if catalog.is_own(name):
            task_data.resolve(catalog.task_of(name))
        expanded += _installed() if name == catalog.OWN_TAG else [name]
    return list(dict.fromkeys(expanded))


def _installed() -> list[str]:
    names = [task.name for task in setting.installed_tasks()]
    if not names:
        raise DataError(
            f"{catalog.OWN_TAG}: no own dataset is installed. Set {setting.SETTING} to a folder that microbench "
            "new-dataset has written."
        )
    return names


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
