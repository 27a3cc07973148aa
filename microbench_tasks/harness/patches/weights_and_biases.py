"""Let ``--wandb_args`` log all metrics, tables and samples of a run; see `microbench_tasks.harness.wandb_logs`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def start_once(original: Callable) -> Callable:
    """Start one W&B run per evaluation: the harness starts one in each process, but logs only to the first."""

    def __init__(self: Any, **kwargs: Any) -> None:
        first = os.environ.get("RANK", "0") == "0"
        original(self, **(kwargs if first else kwargs | {"mode": "disabled"}))

    return __init__


def drop_unloggable(original: Callable) -> Callable:
    """Remove the entries without a value from the results, since the logger fails on them."""

    def post_init(self: Any, results: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import wandb_logs

        # Only the first process has results.
        return original(self, results if results is None else wandb_logs.loggable(results), *args, **kwargs)

    return post_init


def flatten_tables(original: Callable) -> Callable:
    """Build tables of samples with one type per column."""

    def _generate_dataset(self: Any, data: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import wandb_logs

        samples = wandb_logs.with_arguments(data)
        logged = wandb_logs.with_logged_metrics(config, samples)
        return wandb_logs.flattened(original(self, samples, logged, *args, **kwargs))

    return _generate_dataset


def name_without_commas(original: Callable) -> Callable:
    """Replace commas in names of runs: the harness parses the name from a list that is separated by commas."""

    def sanitize_long_string(s: str, *args: Any, **kwargs: Any) -> str:
        return original(s, *args, **kwargs).replace(",", " ")

    return sanitize_long_string
