"""Patches for a command that evaluates many models: record their names, and leave out the harness's tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microbench_tasks.harness import run_state
from microbench_tasks.harness.patches.patch import Patch, replace
from microbench_tasks.harness.patches.targets import EVALUATE


def record_name(original: Callable) -> Callable:
    """Write the name that the model has in a list into its results."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.runs import result_keys

        results = original(*args, **kwargs)
        if results is not None and run_state.current.name_in_list:
            results[result_keys.NAME_IN_LIST] = run_state.current.name_in_list
        return results

    return evaluate


NAMES_IN_LIST = Patch(
    name="name of the model in a list",
    replacement=replace(EVALUATE, "task_dict", record_name),
    why="The harness knows a model by its type and arguments.",
    lost="Reports and comparisons show the type and checkpoint of a model instead of its name in the list.",
    removable="The harness records a name that the user gives to a model.",
)


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
