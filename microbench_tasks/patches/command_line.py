"""Let the script ``lmms_eval`` watch each run of a command: refusals before the model, and how the run ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def watch_run(original: Callable) -> Callable:
    """Hand each run to the launcher, if it started this process."""

    def cli_evaluate_single(args: Any) -> Any:
        from microbench_tasks import launcher

        command = launcher.current()
        return original(args) if command is None else command.run(original, args)

    return cli_evaluate_single
