"""Leave out the harness's tables where a command evaluates many models and ends with one table of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microbench_tasks.harness import run_state
from microbench_tasks.harness.patches.patch import Patch, replace


def leave_out(original: Callable) -> Callable:
    """Return no table while the command prints its own."""

    def make_table(result_dict: Any, *args: Any, **kwargs: Any) -> Any:
        return original(result_dict, *args, **kwargs) if run_state.current.prints_tables else ""

    return make_table


NO_TABLES = Patch(
    name="one table for many models",
    replacement=replace("lmms_eval.utils:make_table", "result_dict", leave_out),
    why="The harness formats a table for each run, which takes as long as some runs.",
    lost="microbench run also prints the harness's table of each model.",
    removable="The harness has an option to print no table.",
)
