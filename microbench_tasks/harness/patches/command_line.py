"""Let the script ``lmms_eval`` check each run before its model is loaded, and set the exit status when it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def watch_run(original: Callable) -> Callable:
    """Pass each run to the launcher, if the launcher started this process."""

    def cli_evaluate_single(args: Any) -> Any:
        from microbench_tasks.harness import launcher

        command = launcher.current()
        return original(args) if command is None else command.run(original, args)

    return cli_evaluate_single
