"""Patch ``--baseline`` for our tasks and groups; see `microbench_tasks.harness.baseline`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compare_our_tasks(original: Callable) -> Callable:
    """Compare our tasks and groups by the clustered paired test; the harness gets an empty baseline for them."""

    def load_baseline(baseline_arg: str, task_name: str, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import catalog
        from microbench_tasks.harness import baseline

        if not catalog.tasks_named([task_name]):
            return original(baseline_arg, task_name, *args, **kwargs)
        baseline.compare(baseline_arg, task_name)
        return {}, None

    return load_baseline


def keep_results(original: Callable) -> Callable:
    """Keep the results of the last run: the harness compares it with ``--baseline`` afterwards, without them."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import baseline

        # A run in the same process does not need the samples of the one before.
        baseline.finish(None)
        results = original(*args, **kwargs)
        baseline.finish(results)
        return results

    return evaluate


def show_in_table(original: Callable) -> Callable:
    """Show a comparison only in the table row of its own metric, with the difference that the test reports."""

    def make_table(result_dict: Any, column: str = "results", *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import baseline

        return original(baseline.in_table(result_dict, column), column, *args, **kwargs)

    return make_table
