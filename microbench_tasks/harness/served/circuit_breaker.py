"""Circuit breaker for requests to a server: one request at a time after failures, and a stop after too many."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from microbench_tasks.harness.served.faults import Fault

# Failures in a row that end a run. With pauses of 1, 2, 4, 8, 8, … seconds they take 39 s.
LIMIT = 8
# A timeout, or an access error of a server that has answered before, counts as this many failures.
_HEAVY = 3
# Refused questions in a row that end a run if the server has answered other questions.
QUESTION_LIMIT = 100
# Failures in a row after which only one request at a time may be sent.
_PAUSES_AFTER = 2
LONGEST_PAUSE_S = 8.0
# The longest ``Retry-After`` that a run waits for.
LONGEST_WAIT_S = 600.0
# Polling interval of waiting requests.
_POLL_S = 0.1


class ServerStoppedError(RuntimeError):
    """Report that a server does not answer, and why."""


class StopAsking(BaseException):  # noqa: N818 - an exit, like KeyboardInterrupt
    """End the run from inside a model class of the harness, which swallows every `Exception`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Permit:
    """Permit one request.

    Attributes:
        is_trial: whether no other request may be sent until this one ends.
        incident: number of incidents before this request.
    """

    is_trial: bool
    incident: int


class CircuitBreaker:
    """Count failures in a row, and decide when the next request may be sent.

    The first request is sent alone; the others wait until it is answered. Failures of concurrent requests count as
    one incident. No method blocks: `acquire` returns how long the caller should wait.

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
        self._paused_until = 0.0
        self._one_at_a_time = True
        self._has_trial = False
        self._has_answered = False
        self._incident = 0
        self._streak = 0
        self._refused_questions = 0
        self._first_failure = 0.0
        self.stopped: str | None = None

    def acquire(self) -> Permit | float:
        """Return a permit for one request, or the seconds to wait before the next call.

        Raises:
            StopAsking: the run has ended.
        """
        with self._lock:
            if self.stopped is not None:
                raise StopAsking(self.stopped)
            remaining = self._paused_until - self._clock()
            if remaining > 0:
                return min(remaining, _POLL_S)
            if self._one_at_a_time:
                if self._has_trial:
                    return _POLL_S
                self._has_trial = True
            return Permit(self._one_at_a_time, self._incident)

    def permit_now(self) -> Permit:
        """Return a permit for a request of a class that asks by itself, one question after the other."""
        with self._lock:
            return Permit(is_trial=False, incident=self._incident)

    def release(self, permit: Permit) -> None:
        """Take back the permit of an interrupted request, which was neither answered nor failed."""
        with self._lock:
            self._has_trial = self._has_trial and not permit.is_trial

    def record_success(self, permit: Permit) -> None:
        """Record that the request was answered."""
        with self._lock:
            self._has_trial = self._has_trial and not permit.is_trial
            self._has_answered = True
            self._one_at_a_time = False
            self._streak = self._refused_questions = 0

    def record_failure(self, permit: Permit, fault: Fault) -> None:
        """Record that the request failed.

        Raises:
            StopAsking: the limit of failures is reached, or the run has already ended.
        """
        with self._lock:
            self._has_trial = self._has_trial and not permit.is_trial
            if self.stopped is None:
                self._count(permit, fault)
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

    def _count(self, permit: Permit, fault: Fault) -> None:
        """Count a failure, and pause or stop the requests if there were too many."""
        now = self._clock()
        if fault.pause_s is not None and fault.pause_s > LONGEST_WAIT_S:
            self.stopped = f"The server asks to wait {fault.pause_s:,.0f} s ({fault.reason}). Continue after that time"
            return
        if fault.pause_s is not None:
            self._pause(now + fault.pause_s)
        if permit.incident != self._incident:
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
        elif self._streak >= _PAUSES_AFTER:
            exponent = min(self._streak - _PAUSES_AFTER + 1, 10)
            self._pause(now + min(self._pause_s * 2**exponent, LONGEST_PAUSE_S))

    def _weight(self, fault: Fault) -> int:
        """Return as how many failures a fault counts."""
        if fault.blame == "access" and not self._has_answered:
            return self._limit
        return _HEAVY if fault.blame != "server" or fault.is_slow else 1

    def _pause(self, until: float) -> None:
        self._paused_until = max(self._paused_until, until)
        self._one_at_a_time = True

    def _summary(self, fault: Fault, now: float) -> str:
        seconds = now - self._first_failure
        if not seconds:
            return fault.reason[:1].upper() + fault.reason[1:]
        return f"No answer for {seconds:.0f} s; the last failure: {fault.reason}"
