"""Report the progress of a run against a server: answers from disk, questions asked, rate, and remaining work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loguru import logger

_FIRST_REPORT_S = 10.0
_REPORT_EVERY_S = 60.0


@dataclass
class Counts:
    """Count the questions, requests and tokens of a run.

    Attributes:
        from_disk: questions that an earlier run had answered.
        answered: questions that the server answered.
        failed: questions without an answer.
        requests: requests sent to the server, retries included.
        tokens: tokens of questions and answers, as counted by the server.
        shrunk: questions that were answered about a downscaled image.
    """

    from_disk: int = 0
    answered: int = 0
    failed: int = 0
    requests: int = 0
    tokens: int = 0
    shrunk: int = 0


class RunProgress:
    """Count answered and failed questions, and log them at intervals.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = Counts()
        self._clock = clock
        self._lock = threading.Lock()
        self._total = 0
        self._started: float | None = None
        self._next_report = 0.0

    def add_questions(self, number: int) -> None:
        """Add to the number of questions that will be asked."""
        with self._lock:
            self._total += number
            if self._started is None:
                self._started = self._clock()
                self._next_report = self._started + _FIRST_REPORT_S

    def count_request(self) -> None:
        """Count a request before it is sent."""
        with self._lock:
            self.counts.requests += 1

    def count_from_disk(self, number: int = 1) -> None:
        """Count answers of an earlier run."""
        with self._lock:
            self.counts.from_disk += number

    def count_answer(self, usage: Mapping[str, Any] | None, *, is_shrunk: bool = False) -> None:
        """Count a question that the server answered."""
        with self._lock:
            self.counts.answered += 1
            self.counts.tokens += (usage or {}).get("total_tokens") or 0
            self.counts.shrunk += is_shrunk
            self._report_if_due()

    def count_failure(self) -> None:
        """Count a question that stays without an answer."""
        with self._lock:
            self.counts.failed += 1
            self._report_if_due()

    def _report_if_due(self) -> None:
        if self._started is None or self._clock() < self._next_report:
            return
        self._next_report = self._clock() + _REPORT_EVERY_S
        logger.info(f"Micro-Bench: {self.line()}")

    def line(self) -> str:
        """Return one line: answers from disk, questions asked and failed, rate, tokens, and what is left."""
        counts = self.counts
        asked = counts.answered + counts.failed
        seconds = self._clock() - self._started if self._started is not None else 0.0
        rate = asked / seconds if seconds > 0 else 0.0
        parts = [f"{counts.from_disk:,} answers from disk", f"{asked:,} questions asked"]
        if counts.failed:
            parts.append(f"{counts.failed:,} of them failed")
        if rate:
            parts.append(f"{rate:.3g} per second")
        if counts.tokens:
            parts.append(f"{counts.tokens:,} tokens")
        left = max(self._total - asked - counts.from_disk, 0)
        if left and rate:
            of_tokens = f" and {left * counts.tokens // counts.answered:,} tokens" if counts.tokens else ""
            parts.append(f"{left:,} left: about {_duration(left / rate)}{of_tokens}")
        elif left:
            parts.append(f"{left:,} left")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    """Return a duration in its largest units.

    >>> _duration(3_700)
    '1 h 2 min'
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
