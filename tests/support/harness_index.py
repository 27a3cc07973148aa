"""Read the harness's own thousand YAML files once for many runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lmms_eval import tasks


def remembering(index: Callable[[Any, str], dict]) -> Callable[[Any, str], dict]:
    """Wrap ``TaskManager._get_task_and_group``: the folder of the harness's tasks is read once, others each time."""
    own = Path(tasks.__file__).parent
    found: dict[str, dict] = {}

    def remembered(self: Any, task_dir: str) -> dict:
        if Path(task_dir) != own:
            return index(self, task_dir)
        if not found:
            found.update(index(self, task_dir))
        return dict(found)

    return remembered


def remember() -> None:
    """Read the files for this process and its forks."""
    tasks.TaskManager._get_task_and_group = remembering(tasks.TaskManager._get_task_and_group)
    tasks.TaskManager()
