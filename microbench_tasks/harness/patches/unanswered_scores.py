"""Remove scores of tasks that got no answer; see `microbench_tasks.harness.failed_requests`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loguru import logger

from microbench_tasks.harness.patches.patch import Patch, replace
from microbench_tasks.harness.patches.targets import EVALUATE


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
    name="no score without an answer",
    replacement=replace(EVALUATE, "", drop),
    why="The harness scores failed requests as wrong answers.",
    lost="A task without any answer gets a score of 0.",
    removable="The harness does not score failed requests.",
)
