"""Warn about failed requests, and remove scores of tasks that got no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loguru import logger


def warn(original: Callable) -> Callable:
    """Log warnings about the answers to our tasks after ``evaluate``."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import catalog
        from microbench_tasks.tasks.answer_warnings import log_warnings

        results = original(*args, **kwargs)
        for name, figures in results["results"].items() if results else ():
            if name in catalog.ALL_TASKS:
                log_warnings({key.partition(",")[0]: value for key, value in figures.items()})
        return results

    return evaluate


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
