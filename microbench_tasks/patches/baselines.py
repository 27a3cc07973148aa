"""Let ``--baseline`` name a run of ours, whose scores are computed from its responses, task by task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def load_our_baseline(original: Callable) -> Callable:
    """Load the scores of a task of ours from the run that ``--baseline`` names."""

    def load_baseline(baseline_arg: str, task_name: str, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import baseline, catalog

        if task_name in catalog.ALL_TASKS and Path(baseline_arg).exists():
            return baseline.scores(Path(baseline_arg), task_name), None
        return original(baseline_arg, task_name, *args, **kwargs)

    return load_baseline
