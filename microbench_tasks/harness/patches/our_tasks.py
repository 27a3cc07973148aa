"""Recognize the tasks that this package scores."""

from __future__ import annotations

from typing import Any


def is_scored_by_us(task: Any) -> bool:
    """Tell whether the task's ``process_results`` is a function of this package."""
    return getattr(task.config.process_results, "__module__", "").startswith("microbench_tasks.")
