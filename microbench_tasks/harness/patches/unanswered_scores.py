"""Warn of failed requests, and remove the scores of tasks without any answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loguru import logger

from microbench_tasks.harness.patches.patch import Patch, replace
from microbench_tasks.harness.patches.targets import EVALUATE


def warn(original: Callable) -> Callable:
    """Log warnings about the answers to our tasks after ``evaluate``."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import catalog
        from microbench_tasks.tasks.answer_warnings import log_warnings

        results = original(*args, **kwargs)
        for name, values in results["results"].items() if results else ():
            if catalog.is_task(name):
                log_warnings({key.partition(",")[0]: value for key, value in values.items()})
        return results

    return evaluate


ANSWER_WARNINGS = Patch(
    name="warnings about answers",
    replacement=replace(EVALUATE, "", warn),
    why="The harness does not say which requests failed.",
    lost="There is no warning of failed requests or of equal answers with --repeats; results count both.",
    removable="The harness logs the numbers of failed requests and of equal answers.",
)


def drop(original: Callable) -> Callable:
    """Remove the scores of tasks without any answer from the results of ``evaluate``."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import failed_requests

        results = original(*args, **kwargs)
        unanswered = failed_requests.drop_unanswered_scores(results) if results else []
        if unanswered:
            logger.error(
                f"Micro-Bench: no question of {', '.join(unanswered)} was answered. "
                "These tasks and the groups that contain them get no score."
            )
        return results

    return evaluate


NO_EMPTY_SCORES = Patch(
    name="no scores of unanswered tasks",
    replacement=replace(EVALUATE, "", drop),
    why="The harness scores failed requests as wrong answers.",
    lost="A task without any answer gets a score of 0.",
    removable="The harness does not score failed requests.",
)
