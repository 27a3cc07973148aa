"""Let ``--wandb_args`` log the figures, tables and samples of a run to the last one; see `microbench_tasks.wandb_logs`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def start_once(original: Callable) -> Callable:
    """Let an evaluation in several processes be one run: the harness starts one in each, and logs to the first."""

    def __init__(self: Any, **kwargs: Any) -> None:
        first = os.environ.get("RANK", "0") == "0"
        original(self, **(kwargs if first else kwargs | {"mode": "disabled"}))

    return __init__


def leave_no_gaps(original: Callable) -> Callable:
    """Give the logger results without the entries at which it stops."""

    def post_init(self: Any, results: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import wandb_logs

        # Only the first process has results.
        return original(self, results if results is None else wandb_logs.loggable(results), *args, **kwargs)

    return post_init


def make_whole_tables(original: Callable) -> Callable:
    """Make tables of samples whose columns have one type."""

    def _generate_dataset(self: Any, data: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import wandb_logs

        return wandb_logs.flattened(original(self, wandb_logs.with_arguments(data), config, *args, **kwargs))

    return _generate_dataset


def name_without_commas(original: Callable) -> Callable:
    """Name runs after model arguments: the harness reads the name back out of a list with commas."""

    def sanitize_long_string(s: str, *args: Any, **kwargs: Any) -> str:
        return original(s, *args, **kwargs).replace(",", " ")

    return sanitize_long_string
