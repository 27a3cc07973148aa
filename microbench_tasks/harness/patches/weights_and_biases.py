"""Let ``--wandb_args`` log all metrics, tables and samples of a run; see `microbench_tasks.harness.wandb_logs`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from microbench_tasks.harness.patches.patch import Patch, replace

_WANDB = "lmms_eval.loggers.wandb_logger:WandbLogger"


def start_once(original: Callable) -> Callable:
    """Start one logger's run per evaluation: the harness starts one in each process, but logs only to the first."""

    def initialize(self: Any, **kwargs: Any) -> None:
        is_first = os.environ.get("RANK", "0") == "0"
        original(self, **(kwargs if is_first else kwargs | {"mode": "disabled"}))

    return initialize


SINGLE_WANDB_RUN = Patch(
    name="W&B: one run for all processes",
    replacement=replace(f"{_WANDB}.__init__", "kwargs", start_once),
    why="The harness starts a W&B run in each process.",
    lost="With several processes, --wandb_args starts several W&B runs.",
    removable="The harness starts W&B only in the first process.",
)


def drop_unloggable(original: Callable) -> Callable:
    """Remove the entries without a value from the results, since the logger fails on them."""

    def post_init(self: Any, results: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import wandb_logs

        # Only the first process has results.
        return original(self, results if results is None else wandb_logs.loggable(results), *args, **kwargs)

    return post_init


WANDB_METRICS = Patch(
    name="W&B: all metrics",
    replacement=replace(f"{_WANDB}.post_init", "results", drop_unloggable),
    why="The harness's logger fails on entries without a value.",
    lost="--wandb_args logs no tables of metrics. Results files are complete.",
    removable="The harness's logger skips entries without a value.",
)


def flatten_tables(original: Callable) -> Callable:
    """Build tables of samples with one type per column."""

    def _generate_dataset(self: Any, data: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import wandb_logs

        samples = wandb_logs.with_arguments(data)
        logged = wandb_logs.with_logged_metrics(config, samples)
        return wandb_logs.flattened(original(self, samples, logged, *args, **kwargs))

    return _generate_dataset


WANDB_TABLES = Patch(
    name="W&B: tables of samples",
    replacement=replace(f"{_WANDB}._generate_dataset", "data config", flatten_tables),
    why="The harness's logger expects fields of samples that are removed when samples are written.",
    lost="--wandb_log_samples logs no samples. Samples files are complete.",
    removable="The harness's logger reads samples as the harness saves them.",
)


def name_without_commas(original: Callable) -> Callable:
    """Replace commas in names of runs: the harness parses the name from a list that is separated by commas."""

    def sanitize_long_string(s: str, *args: Any, **kwargs: Any) -> str:
        return original(s, *args, **kwargs).replace(",", " ")

    return sanitize_long_string


RUN_NAMES = Patch(
    name="W&B and SwanLab: names with model arguments",
    replacement=replace("lmms_eval.utils:sanitize_long_string", "s", name_without_commas),
    why="The harness parses the name of a run from a list that is separated by commas.",
    lost="--wandb_args needs name=…, and --swanlab_args exp_name=…, where --model_args has several arguments.",
    removable="The harness accepts commas in --wandb_args and --swanlab_args.",
)
