"""Let the script ``lmms_eval`` check each run before its model is loaded, and set the exit status when it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def watch_run(original: Callable) -> Callable:
    """Pass each run to the command that the launcher started, if it started this process."""

    def cli_evaluate_single(args: Any) -> Any:
        from microbench_tasks.harness import running_command

        command = running_command.current()
        return original(args) if command is None else command.run(original, args)

    return cli_evaluate_single
