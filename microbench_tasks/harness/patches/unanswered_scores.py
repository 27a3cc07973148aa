"""Remove scores of tasks that got no answer; see `microbench_tasks.harness.resume_advice`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loguru import logger


def drop(original: Callable) -> Callable:
    """Remove the scores of tasks without any answer from the results of ``evaluate``."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import resume_advice

        results = original(*args, **kwargs)
        unanswered = resume_advice.drop_unanswered_scores(results) if results else []
        if unanswered:
            logger.error(
                f"Micro-Bench: no question of {', '.join(unanswered)} was answered. "
                "These tasks and the groups that contain them get no score."
            )
        return results

    return evaluate
