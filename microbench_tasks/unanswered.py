"""Record which questions of a run have no answer, for whoever ends the run: exit status, scores, how to go on.

`microbench_tasks.model_guard` fills the record while a model answers.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Figures that say how a task was answered, and not how well.
_KEPT_FIGURES = ("failed", "unparsed_by_kind", "counts", "boxes_counts")


@dataclass
class Unanswered:
    """What a run could not answer.

    Attributes:
        asked: requests per task.
        failed: those without an answer per task.
        reasons: how often each reason was given.
        answers_in: the folder that, as ``--use_cache FOLDER``, lets the same command ask only the failed ones; None
            where answers were not kept.
    """

    asked: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    answers_in: Path | None = None


_record = Unanswered()
_lock = threading.Lock()


def without_scores(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures, by the names of metrics, that a task without any answer has all the same."""
    return {metric: value for metric, value in figures.items() if metric.removesuffix("_stderr") in _KEPT_FIGURES}


def start() -> None:
    """Forget the run before."""
    global _record
    with _lock:
        _record = Unanswered()


def note(task: str, failure: str | None) -> None:
    """Count a request of ``task``, and the reason if it failed."""
    with _lock:
        _record.asked[task] += 1
        if failure is not None:
            _record.failed[task] += 1
            _record.reasons[failure] += 1


def keep_answers_in(folder: Path | None) -> None:
    """Note where the answers of the run are."""
    _record.answers_in = folder


def record() -> Unanswered:
    """Return the record of the current or last run of this process."""
    return _record
