"""Patch ``--baseline`` for our tasks and groups; see `microbench_tasks.harness.baseline`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microbench_tasks.harness.patches.patch import Patch, replace
from microbench_tasks.harness.patches.targets import EVALUATE


def compare_our_tasks(original: Callable) -> Callable:
    """Compare our tasks and groups by the clustered paired test; the harness gets an empty baseline for them."""

    def load_baseline(baseline_arg: str, task_name: str, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import catalog
        from microbench_tasks.harness import baseline

        if not catalog.tasks_named([task_name]):
            return original(baseline_arg, task_name, *args, **kwargs)
        baseline.compare_last_run(baseline_arg, task_name)
        return {}, None

    return load_baseline


OUR_BASELINES = Patch(
    name="baselines of our tasks",
    replacement=replace("lmms_eval.baselines:load_baseline", "baseline_arg task_name", compare_our_tasks),
    why="The harness pairs documents by number and reads one file for all tasks.",
    lost="--baseline does not compare Micro-Bench tasks; microbench leaderboard compares runs.",
    removable="The harness has a hook for the comparison, with the results of both runs.",
)


def keep_results(original: Callable) -> Callable:
    """Keep the results of the last run: the harness compares it with ``--baseline`` afterwards, without them."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import baseline

        # A run in the same process does not need the samples of the one before.
        baseline.keep_results(None)
        results = original(*args, **kwargs)
        baseline.keep_results(results)
        return results

    return evaluate


KEPT_RESULTS = Patch(
    name="results for the baseline",
    replacement=replace(EVALUATE, "", keep_results),
    why="The harness makes the comparison without the results of the run.",
    lost="--baseline does not compare Micro-Bench tasks; microbench leaderboard compares runs.",
    removable="The harness has a hook for the comparison, with the results of both runs.",
)


def show_in_table(original: Callable) -> Callable:
    """Show a comparison only in the table row of its own metric, with the difference that the test reports."""

    def make_table(result_dict: Any, column: str = "results", *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import baseline

        table = original(baseline.rearrange_for_table(result_dict, column), column, *args, **kwargs)
        # The harness rounds p to four decimals and marks it below 0.05. No p is 0, and the width stays the same.
        return table.replace("0.0000*", "<0.0001")

    return make_table


BASELINE_TABLE = Patch(
    name="baselines in the table",
    replacement=replace("lmms_eval.utils:make_table", "result_dict column", show_in_table),
    why="The harness prints a comparison in the rows of all metrics.",
    lost="The printed table shows no comparison with --baseline; the results file contains it.",
    removable="The harness prints a comparison only in the row of its metric.",
)
