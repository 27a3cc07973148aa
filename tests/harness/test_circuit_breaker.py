"""Claims about when requests to a server wait, and when failures end the run."""

from __future__ import annotations

import pytest

from microbench_tasks.harness.served.circuit_breaker import LIMIT, QUESTION_LIMIT, CircuitBreaker, Permit, StopAsking
from microbench_tasks.harness.served.faults import Fault
from tests.support.server_replies import Clock

SERVER = Fault("server", "HTTP 500: no", 500)
ACCESS = Fault("access", "the server refuses the key", 401, is_final=True)
QUESTION = Fault("question", "the server refuses the question", 400, is_final=True)


def acquired(breaker, clock):
    """A permit, after as many waits as it takes."""
    while not isinstance(permit := breaker.acquire(), Permit):
        clock.now += permit
    return permit


def answered_once(breaker, clock):
    breaker.record_success(acquired(breaker, clock))


def failures_until_stop(breaker, clock, fault):
    for count in range(1, 1_001):
        try:
            breaker.record_failure(acquired(breaker, clock), fault)
        except StopAsking as stop:
            return count, stop.reason
    pytest.fail("1,000 failures in a row, and the run goes on.")


def test_a_server_that_never_answers_ends_the_run_after_eight_requests_and_less_than_a_minute():
    clock = Clock()
    count, reason = failures_until_stop(CircuitBreaker(clock=clock), clock, SERVER)
    # Pauses of 2, 4 and then 8 s; the first one is the question's own.
    assert (count, round(clock.now)) == (8, 2 + 4 + 4 * 8)
    assert "HTTP 500: no" in reason and "No answer for 38 s" in reason


def test_a_wrong_key_ends_the_run_at_once_and_later_only_if_it_stays():
    clock = Clock()
    assert failures_until_stop(CircuitBreaker(clock=clock), clock, ACCESS)[0] == 1
    breaker = CircuitBreaker(clock=clock)
    answered_once(breaker, clock)
    assert failures_until_stop(breaker, clock, ACCESS)[0] == 3


def test_refused_questions_end_a_run_soon_only_before_the_first_answer():
    clock = Clock()
    assert failures_until_stop(CircuitBreaker(clock=clock), clock, QUESTION)[0] == 3
    breaker = CircuitBreaker(clock=clock)
    answered_once(breaker, clock)
    assert failures_until_stop(breaker, clock, QUESTION)[0] == QUESTION_LIMIT


def test_the_first_request_goes_alone_and_an_answer_lets_all_through():
    breaker = CircuitBreaker(clock=Clock())
    first = breaker.acquire()
    assert first.is_trial and not isinstance(breaker.acquire(), Permit)
    breaker.record_success(first)
    assert not breaker.acquire().is_trial and not breaker.acquire().is_trial


def test_a_request_that_was_interrupted_lets_another_try():
    breaker = CircuitBreaker(clock=Clock())
    breaker.release(breaker.acquire())
    assert breaker.acquire().is_trial


def test_requests_that_fail_together_count_as_one_failure():
    clock = Clock()
    breaker = CircuitBreaker(clock=clock)
    answered_once(breaker, clock)
    for permit in [breaker.acquire() for _ in range(32)]:
        breaker.record_failure(permit, SERVER)
    assert failures_until_stop(breaker, clock, SERVER)[0] == LIMIT - 1


def test_retry_after_holds_back_every_request_and_then_lets_one_through():
    clock = Clock()
    breaker = CircuitBreaker(clock=clock)
    answered_once(breaker, clock)
    early, late = breaker.acquire(), breaker.acquire()
    breaker.record_failure(early, Fault("server", "HTTP 429", 429, pause_s=20.0))
    # An answer to what was under way does not shorten the time that the server asked for.
    breaker.record_success(late)
    permit = acquired(breaker, clock)
    assert clock.now == pytest.approx(20.0)
    assert permit == Permit(False, 1)


def test_a_server_that_asks_to_wait_for_hours_ends_the_run():
    breaker = CircuitBreaker(clock=Clock())
    with pytest.raises(StopAsking, match="7,200 s"):
        breaker.record_failure(breaker.acquire(), Fault("server", "HTTP 429", 429, pause_s=7200.0))


def test_one_failure_in_ten_never_ends_a_run():
    clock = Clock()
    breaker = CircuitBreaker(clock=clock)
    for number in range(1000):
        permit = acquired(breaker, clock)
        if number % 10:
            breaker.record_success(permit)
        else:
            breaker.record_failure(permit, SERVER)
    assert breaker.stopped is None and clock.now == 0
