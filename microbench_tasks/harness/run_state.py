"""Count the requests of a run that got no answer, for its exit status and its last message.

`microbench_tasks.harness.guard.model_guard` fills the record while a model answers.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Unanswered:
    """Count requests without an answer.

    Attributes:
        failed: requests without an answer, per task.
        answers_in: folder of the stored answers: with ``--use_cache FOLDER``, the same command asks only the failed
            requests. None if answers were not stored.
    """

    failed: Counter[str] = field(default_factory=Counter)
    answers_in: Path | None = None


_record = Unanswered()
_lock = threading.Lock()


def start() -> None:
    """Reset the record before a run."""
    global _record
    with _lock:
        _record = Unanswered()


def note_failure(task: str) -> None:
    """Count a request of ``task`` that got no answer."""
    with _lock:
        _record.failed[task] += 1


def keep_answers_in(folder: Path | None) -> None:
    """Set the folder where the answers of the run are stored."""
    _record.answers_in = folder


def record() -> Unanswered:
    """Return the record of the current or last run of this process."""
    return _record
