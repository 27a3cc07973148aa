"""Ask a server the questions of one run: reuse logged replies, and retry or stop as the circuit breaker decides."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.harness.served import (
    circuit_breaker,
    clients,
    exchange,
    faults,
    letter_probabilities,
    replies,
    reply_log,
    shrinking,
)
from microbench_tasks.harness.served.progress import RunProgress
from microbench_tasks.parsing.failures import failure_mark
from microbench_tasks.util.notices import warn_once

# Attempts for each question and the first pause between them, if the model class has no options for them.
_MAX_ATTEMPTS = 5
_FIRST_PAUSE_S = 1.0
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Session:
    """Ask one server the questions of one run.

    Args:
        model: a model of the harness with a client of the package openai. Its ``max_retries`` is the number of
            attempts for each question, its ``retry_backoff_s`` the first pause between them.
        folder: where replies are logged; contains those of earlier runs.
        must_store: whether a run that cannot write to the folder must end, because the user named it.

    Raises:
        OSError: the folder is not writable.
        ValueError: the setting ``MICROBENCH_SHRINK_IMAGES`` or ``MICROBENCH_LOGPROBS`` has an unknown value.
    """

    def __init__(self, model: Any, folder: Path, *, must_store: bool = True) -> None:
        self._model = model
        self._must_store = must_store
        self.shrinks_images = shrinking.is_wanted()
        self.top_logprobs = letter_probabilities.requested_number()
        self._prompts: frozenset[str] = frozenset()
        self._has_asked_for_logprobs = False
        self._max_attempts = max(1, _number(model, "max_retries", _MAX_ATTEMPTS))
        self._first_pause_s = max(0.0, _number(model, "retry_backoff_s", _FIRST_PAUSE_S))
        self._breaker = circuit_breaker.CircuitBreaker(
            max(circuit_breaker.LIMIT, self._max_attempts), self._first_pause_s
        )
        self.progress = RunProgress()
        self.folder = folder
        self._log = reply_log.ReplyLog(folder / reply_log.FOLDER, takes_shrunk=self.shrinks_images)
        if self._log.num_known:
            logger.info(f"Micro-Bench: read {self._log.num_known:,} replies of earlier runs from {folder}.")

    def close(self) -> None:
        """Close the files."""
        self._log.close()

    def record(self) -> dict[str, int | bool | None]:
        """Return the counts of the run, and what its settings changed, for the results file."""
        settings = {"shrinks_images": self.shrinks_images, "top_logprobs": self.top_logprobs}
        return dataclasses.asdict(self.progress.counts) | settings

    @contextlib.contextmanager
    def asking(self, num_questions: int, prompts: Iterable[str] = ()) -> Iterator[None]:
        """Route the model's requests through this session.

        Args:
            num_questions: how many requests there will be.
            prompts: those of questions with options; of these, ``MICROBENCH_LOGPROBS`` records probabilities.

        Raises:
            ServerStoppedError: the server does not answer; the message says why.
        """
        self.progress.add_questions(num_questions)
        self._prompts = frozenset(prompts) if self.top_logprobs else frozenset()
        self._has_asked_for_logprobs = False
        client = self._model.client
        self._model.client = self._wrap(clients.innermost(client))
        try:
            yield
        except circuit_breaker.StopAsking as stop:
            raise circuit_breaker.ServerStoppedError(self._describe_stop(stop.reason)) from None
        finally:
            self._model.client = client
        if self._prompts and not self._has_asked_for_logprobs:
            warn_once(letter_probabilities.OTHER_PROMPTS)

    def _describe_stop(self, reason: str) -> str:
        if self.top_logprobs and "logprob" in reason:
            reason = f"{reason}: {letter_probabilities.ADVICE}"
        server = clients.base_url(clients.innermost(self._model.client)) or "unknown"
        model = getattr(self._model, "model_version", "unknown")
        return f"{reason.rstrip('.')}. Server {server}, model {model}: {self.progress.line()}. {self.resume_hint()}"

    def resume_hint(self) -> str:
        """Return a sentence that says where the answers are stored and how to ask only the remaining questions."""
        if not self.progress.counts.answered and not self._log.num_known:
            return "There is no answer yet."
        return f"The answers are kept: the same command with --use_cache {self.folder} asks only for the rest."

    def _wrap(self, client: Any) -> Any:
        return clients.with_create(client, exchange.create_method(client, lambda payload: self._steps(client, payload)))

    def _steps(self, client: Any, payload: dict[str, Any]) -> exchange.Steps:
        """Yield the steps for one question; return its plain reply, or a reply with a failure mark."""
        if self.top_logprobs and (prompt := letter_probabilities.prompt_of(payload)) in self._prompts:
            self._has_asked_for_logprobs = True
            payload = letter_probabilities.with_request(payload, self.top_logprobs)
            reply = yield from self._reply(client, payload)
            return replies.with_letters(reply, letter_probabilities.letters_of_prompt(prompt))
        return (yield from self._reply(client, payload))

    def _reply(self, client: Any, payload: dict[str, Any]) -> exchange.Steps:
        key = reply_log.key_of(clients.base_url(client), payload)
        logged = None if key is None else self._log.pop(key)
        if logged is not None:
            self.progress.count_from_disk()
            # The harness adds up usage against its token budget: a logged reply must not be counted again.
            return logged | ({"usage": replies.NO_TOKENS} if logged["usage"] else {})
        outcome, is_shrunk = (yield from self._ask(payload)), False
        if isinstance(outcome, faults.Fault) and outcome.status == _TOO_LARGE:
            smaller = shrinking.shrunk(payload) if self.shrinks_images else None
            if smaller is not None:
                outcome, is_shrunk = (yield from self._ask(smaller)), True
        if isinstance(outcome, faults.Fault):
            self.progress.count_failure()
            return replies.failed_reply(failure_mark(self._reason(outcome)))
        # Null is no answer, so that the next run asks again.
        if key is not None and replies.has_answer(outcome):
            self._store(key, outcome, is_shrunk)
        self.progress.count_answer(outcome["usage"], is_shrunk=is_shrunk)
        return outcome

    def _store(self, key: str, reply: dict[str, Any], is_shrunk: bool) -> None:
        try:
            self._log.append(key, reply, is_shrunk=is_shrunk)
        except OSError as error:
            if self._must_store:
                self._breaker.stop(f"Answers cannot be written to {self.folder} ({error})")
            warn_once(f"{self.folder}: answers cannot be stored ({error}). If this run stops, they are asked again.")

    def _ask(
        self, payload: dict[str, Any]
    ) -> Generator[exchange.Wait | exchange.Send, exchange.Result, dict[str, Any] | faults.Fault]:
        """Yield the steps to ask a question until it is answered or its attempts are used up."""
        num_attempts = 0
        while True:
            permit = yield from self._acquire_permit()
            self.progress.count_request()
            try:
                result = yield exchange.Send(payload)
            except GeneratorExit:
                self._breaker.release(permit)
                raise
            if isinstance(result, dict):
                self._breaker.record_success(permit)
                return result
            assert result is not None, "a request results in a reply or in an exception"
            fault = faults.classify(result)
            self._breaker.record_failure(permit, fault)
            # A reply with Retry-After is no failed attempt.
            num_attempts += fault.pause_s is None
            if fault.is_final or num_attempts >= self._max_attempts:
                return fault
            if fault.pause_s is None:
                pause_s = self._first_pause_s * 2 ** max(num_attempts - 1, 0)
                yield exchange.Wait(min(pause_s, circuit_breaker.LONGEST_PAUSE_S))

    def _acquire_permit(self) -> Generator[exchange.Wait, exchange.Result, circuit_breaker.Permit]:
        while not isinstance(permit := self._breaker.acquire(), circuit_breaker.Permit):
            yield exchange.Wait(permit)
        return permit

    def _reason(self, fault: faults.Fault) -> str:
        """Return the reason of a fault, with advice if it may be caused by a setting or by the question's size."""
        if self.top_logprobs and "logprob" in fault.reason:
            warn_once(f"{fault.reason}: {letter_probabilities.ADVICE}")
        if fault.status != _TOO_LARGE:
            return fault.reason
        advice = "it is too large for the server even at half its size" if self.shrinks_images else shrinking.ADVICE
        warn_once(f"{fault.reason}: {advice}")
        return f"{fault.reason}: {advice}"


def _number(model: Any, name: str, default: float) -> Any:
    value = getattr(model, name, default)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else default
