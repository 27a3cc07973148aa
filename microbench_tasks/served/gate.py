"""Let requests to a server pass, one alone when in doubt, and end the run when nothing gets through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from microbench_tasks.served.faults import Fault

# Failures in a row that end a run. With pauses of 1, 2, 4, 8, 8, … seconds that takes 39 s.
LIMIT = 8
# An access refused to a server that has answered before, or a whole time limit used up, counts as several.
_HEAVY = 3
# Refused questions in a row that end a run of a server that has answered others.
QUESTION_LIMIT = 100
# Failures in a row after which one request at a time is let through.
_CLOSES_AFTER = 2
LONGEST_PAUSE_S = 8.0
# The longest ``Retry-After`` that a run waits for.
LONGEST_WAIT_S = 600.0
# How often a request that waits looks again.
_LOOK_AGAIN_S = 0.1


class ServerStoppedError(RuntimeError):
    """Report that a server does not answer, and why."""


class StopAsking(BaseException):  # noqa: N818 - an exit, like KeyboardInterrupt
    """Leave a class of the harness, which swallows every exception of the type Exception."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Ticket:
    """Allow one request: whether it goes alone, and how many failures there had been before it."""

    is_trial: bool
    incident: int


class Gate:
    """Count failures in a row, and decide who may ask when.

    The first request goes alone: the others wait until it is answered. Failures of requests that were under way
    together count as one. No method waits; `enter` says how long to.

    Args:
        limit: failures in a row that end the run.
        pause_s: the first pause after a failure; doubled with each.
        clock: seconds, for tests.
    """

    def __init__(self, limit: int = LIMIT, pause_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._closed_until = 0.0
        self._one_at_a_time = True
        self._has_trial = False
        self._has_answered = False
        self._incident = 0
        self._streak = 0
        self._refused_questions = 0
        self._first_failure = 0.0
        self.stopped: str | None = None

    def enter(self) -> Ticket | float:
        """Return a ticket for one request, or the seconds after which to ask again.

        Raises:
            StopAsking: the run has ended.
        """
        with self._lock:
            if self.stopped is not None:
                raise StopAsking(self.stopped)
            remaining = self._closed_until - self._clock()
            if remaining > 0:
                return min(remaining, _LOOK_AGAIN_S)
            if self._one_at_a_time:
                if self._has_trial:
                    return _LOOK_AGAIN_S
                self._has_trial = True
            return Ticket(self._one_at_a_time, self._incident)

    def ticket(self) -> Ticket:
        """Return a ticket for a request of a class that asks by itself, one question after the other."""
        with self._lock:
            return Ticket(is_trial=False, incident=self._incident)

    def leave(self, ticket: Ticket) -> None:
        """Take back a ticket whose request was neither answered nor failed, as it was interrupted."""
        with self._lock:
            self._has_trial = self._has_trial and not ticket.is_trial

    def note_answer(self, ticket: Ticket) -> None:
        """Note that the request was answered."""
        with self._lock:
            self._has_trial = self._has_trial and not ticket.is_trial
            self._has_answered = True
            self._one_at_a_time = False
            self._streak = self._refused_questions = 0

    def note_failure(self, ticket: Ticket, fault: Fault) -> None:
        """Note that the request failed.

        Raises:
            StopAsking: it was one too many.
        """
        with self._lock:
            self._has_trial = self._has_trial and not ticket.is_trial
            if self.stopped is None:
                self._count(ticket, fault)
            if self.stopped is not None:
                raise StopAsking(self.stopped)

    def stop(self, reason: str) -> NoReturn:
        """End the run.

        Raises:
            StopAsking: always.
        """
        with self._lock:
            self.stopped = self.stopped or reason
            raise StopAsking(self.stopped)

    def _count(self, ticket: Ticket, fault: Fault) -> None:
        now = self._clock()
        if fault.pause_s is not None and fault.pause_s > LONGEST_WAIT_S:
            self.stopped = f"The server asks to wait {fault.pause_s:,.0f} s ({fault.reason}). Go on after that time"
            return
        if fault.pause_s is not None:
            self._close(now + fault.pause_s)
        if ticket.incident != self._incident:
            return
        self._incident += 1
        if not self._streak and not self._refused_questions:
            self._first_failure = now
        if fault.blame == "question" and (self._has_answered or fault.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            self._refused_questions += 1
        else:
            self._streak += self._weight(fault)
        if self._streak >= self._limit or self._refused_questions >= QUESTION_LIMIT:
            self.stopped = self._summary(fault, now)
        elif self._streak >= _CLOSES_AFTER:
            exponent = min(self._streak - _CLOSES_AFTER + 1, 10)
            self._close(now + min(self._pause_s * 2**exponent, LONGEST_PAUSE_S))

    def _weight(self, fault: Fault) -> int:
        if fault.blame == "access" and not self._has_answered:
            return self._limit
        return _HEAVY if fault.blame != "server" or fault.is_slow else 1

    def _close(self, until: float) -> None:
        self._closed_until = max(self._closed_until, until)
        self._one_at_a_time = True

    def _summary(self, fault: Fault, now: float) -> str:
        seconds = now - self._first_failure
        if not seconds:
            return fault.reason[:1].upper() + fault.reason[1:]
        return f"No answer for {seconds:.0f} s; the last failure: {fault.reason}"
