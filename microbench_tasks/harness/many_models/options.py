"""Parse the options of ``microbench run``: those of the harness for all models, and the share of this process."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from microbench_tasks.harness import own_options
from microbench_tasks.util.errors import DataError

Item = TypeVar("Item")

_LISTS_OF_TASKS = ("list", "list_groups", "list_tags", "list_subtasks")
# Options of the harness that belong to single models, or that run something else.
_REFUSED = {
    "model": "name the models in the list",
    "model_args": "write model_args in the entries of the list",
    "config": "write its options on the command line",
    "tui": "start it with lmms_eval",
    "power_analysis": "start it with lmms_eval",
    "predict_only": "models are compared by their scores; run it with lmms_eval",
}
# Options that change neither questions nor answers nor scores: a run may go on with others.
_WITHOUT_EFFECT = (
    *("model", "model_args", "tasks", "output_path", "log_samples", "show_config", "verbosity", "write_out"),
    *("batch_size", "max_batch_size", "device", "launcher_args", "process_docs_parallel"),
    *("use_cache", "cache_requests", "hf_hub_log_args", "timezone"),
    *("wandb_args", "wandb_log_samples", "swanlab_args", "swanlab_log_samples"),
)


@dataclass(frozen=True)
class Shard:
    """One of several shares of a list: the items ``number``, ``number + total``, ….

    Attributes:
        number: from 1.
        total: how many shares there are.
    """

    number: int = 1
    total: int = 1

    def items_of(self, items: Sequence[Item]) -> list[Item]:
        """Return the items of this share.

        >>> Shard(3, 8).items_of(range(1, 20))
        [3, 11, 19]
        """
        return list(items[self.number - 1 :: self.total])


def parse_shard(text: str | None) -> Shard:
    """Parse ``3/8``; None is the whole.

    Raises:
        DataError: the text is not of this form, or its numbers are not possible.
    """
    if text is None:
        return Shard()
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise DataError(f"--shard {text}: expected NUMBER/TOTAL with NUMBER from 1 to TOTAL, such as 3/8.")
    return Shard(int(match[1]), int(match[2]))


@contextlib.contextmanager
def command_line(arguments: Sequence[str]) -> Iterator[None]:
    """Let ``sys.argv`` be the harness's command line with these arguments."""
    before = sys.argv
    sys.argv = ["lmms_eval", *arguments]
    try:
        yield
    finally:
        sys.argv = before


def parse_harness_options(tasks: str, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the options for all models with the harness's own parser.

    Args:
        tasks: ``--tasks``.
        arguments: all other options.

    Raises:
        DataError: an option belongs to single models, or cannot be used with several.
        SystemExit: the harness does not know an option; its parser has printed which.
    """
    from lmms_eval.__main__ import parse_eval_args

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise DataError(
            "microbench run is one process. To use several GPUs, start it once for each, with "
            "CUDA_VISIBLE_DEVICES=0 and --shard 1/2, CUDA_VISIBLE_DEVICES=1 and --shard 2/2."
        )
    # The launcher reads this package's own options for each model.
    _, for_harness = own_options.split(arguments)
    with command_line(["--tasks", tasks, *for_harness]):
        _, options = parse_eval_args()
    changed = _changed(options)
    refused = [f"--{name}: {advice}." for name, advice in _REFUSED.items() if name in changed]
    if refused:
        raise DataError(f"microbench run does not take {' '.join(refused)}")
    if tasks in _LISTS_OF_TASKS:
        raise DataError(f"--tasks {tasks}: lists tasks and asks nothing. Type: lmms_eval --tasks {tasks}")
    return options


def settings_of(options: argparse.Namespace) -> dict[str, str]:
    """Return the options that are not the harness's defaults and that may change answers or scores, as text."""
    return {f"--{name}": str(value) for name, value in _changed(options).items() if name not in _WITHOUT_EFFECT}


def _changed(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that differ from the harness's defaults, by name."""
    from lmms_eval.__main__ import parse_eval_args

    with command_line([]):
        _, defaults = parse_eval_args()
    return {name: value for name, value in sorted(vars(options).items()) if value != vars(defaults)[name]}
