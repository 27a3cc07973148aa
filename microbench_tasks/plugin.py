"""Makes the harness know the tasks, with nothing else set.

lmms-eval has an entry point for models but none for tasks. Ours is called whenever the
harness loads its models, which every evaluation does, and from there adds our folder to the
paths that the harness indexes.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loguru import logger

_INSTALLED = "_microbench_installed"
_FALLBACK = 'use: lmms-eval --include_path "$(microbench path)" …'


def yaml_folder() -> Path:
    """The installed folder of task definitions."""
    spec = importlib.util.find_spec("microbench_yaml")
    return Path(next(iter(spec.submodule_search_locations)))


def register() -> list[Any]:
    """Entry point of the group ``lmms_eval.models``; adds the tasks and no model of its own.

    Never raises: a harness whose internals moved keeps working, and a warning says what to
    do instead.
    """
    try:
        install()
    # Whatever moved in the harness, its own runs must not suffer from an installed plugin.
    except Exception as error:
        logger.warning(f"Micro-Bench could not add its tasks to this version of lmms-eval ({type(error).__name__}: {error}); {_FALLBACK}")
    return []


def install() -> None:
    """Make every task index of this process hold our tasks, and check their data early.

    Raises:
        AttributeError, TypeError: the harness's ``TaskManager`` is not the one known here.
    """
    from lmms_eval.tasks import TaskManager

    if getattr(TaskManager, _INSTALLED, False):
        return
    _expect_parameters(TaskManager.initialize_tasks, "include_path", "include_defaults")
    _expect_parameters(TaskManager.match_tasks, "task_list")
    _expect_parameters(TaskManager.load_task_or_group, "task_list")
    TaskManager.initialize_tasks = _indexing_ours(TaskManager.initialize_tasks)
    # The command line matches names before it loads the model; the Python API only loads tasks.
    TaskManager.match_tasks = _checking_result(TaskManager.match_tasks)
    TaskManager.load_task_or_group = _checking_names(TaskManager.load_task_or_group)
    setattr(TaskManager, _INSTALLED, True)


def _expect_parameters(method: Callable, *names: str) -> None:
    missing = set(names) - set(inspect.signature(method).parameters)
    if missing:
        raise TypeError(f"{method.__qualname__} takes no {', '.join(sorted(missing))}")


def _indexing_ours(original: Callable) -> Callable:
    @functools.wraps(original)
    def initialize_tasks(self, include_path=None, include_defaults=True):
        paths = [include_path] if isinstance(include_path, str) else list(include_path or [])
        if include_defaults:
            # Last, so that a folder the user includes can redefine a task of ours.
            paths.append(str(yaml_folder()))
        return original(self, include_path=paths or None, include_defaults=include_defaults)

    return initialize_tasks


def _checking_result(original: Callable) -> Callable:
    @functools.wraps(original)
    def match_tasks(self, task_list):
        from microbench_tasks import preflight

        names = original(self, task_list)
        preflight.check(names)
        return names

    return match_tasks


def _checking_names(original: Callable) -> Callable:
    @functools.wraps(original)
    def load_task_or_group(self, task_list=None, *args, **kwargs):
        from microbench_tasks import preflight

        names = [task_list] if isinstance(task_list, str) else task_list
        preflight.check([name for name in names or [] if isinstance(name, str)])
        return original(self, task_list, *args, **kwargs)

    return load_task_or_group
