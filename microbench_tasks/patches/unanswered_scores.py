"""Print no score of a task that got no answer; see `microbench_tasks.ends`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loguru import logger


def drop(original: Callable) -> Callable:
    """Take scores that rest on no answer out of the results of ``evaluate``."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import ends

        results = original(*args, **kwargs)
        unanswered = ends.drop_unanswered_scores(results) if results else []
        if unanswered:
            logger.error(f"Micro-Bench: not one answer to {', '.join(unanswered)}; no score is given for them and their groups.")
        return results

    return evaluate
