"""Let the script ``lmms_eval`` check each run before its model is loaded, and set the exit status when it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microbench_tasks.harness.patches.patch import Patch, replace


def watch_run(original: Callable) -> Callable:
    """Pass each run to the command that the launcher started, if it started this process."""

    def cli_evaluate_single(args: Any) -> Any:
        from microbench_tasks.harness import run_state

        command = run_state.current.command
        return original(args) if command is None else command.run(original, args)

    return cli_evaluate_single


EXIT_STATUS = Patch(
    name="exit status",
    replacement=replace("lmms_eval.__main__:cli_evaluate_single", "args", watch_run),
    why="The harness prints the error of a failed run and exits with status 0.",
    lost="lmms_eval exits with status 0 even if a run failed, and reports bad arguments late.",
    removable="The harness exits with a nonzero status if a run failed.",
)
