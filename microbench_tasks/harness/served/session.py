"""Ask a server the questions of one run: reuse logged replies, and retry or stop as the circuit breaker decides."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.harness.served import circuit_breaker, clients, faults, replies, reply_log, shrinking
from microbench_tasks.harness.served.progress import Progress
from microbench_tasks.parsing.failures import failure_mark
from microbench_tasks.util.notices import warn_once

# Attempts for each question and the first pause between them, if the model class has no options for them.
_TRIES = 5
_PAUSE_S = 1.0
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@dataclass(frozen=True)
class _Wait:
    seconds: float


@dataclass(frozen=True)
class _Send:
    payload: dict[str, Any]


# Yields the next step for a question. It is sent back a reply, an exception, or None after a pause.
_Steps = Generator["_Wait | _Send", "dict[str, Any] | Exception | None", dict[str, Any]]


class Session:
    """Ask one server the questions of one run.

    Args:
        model: a model of the harness with a client of the package openai. Its ``max_retries`` is the number of
            attempts for each question, its ``retry_backoff_s`` the first pause between them.
        folder: where replies are logged; contains those of earlier runs.
        is_asked_for: whether the user named the folder. If so, a run that cannot write to it ends.

    Raises:
        OSError: the folder is not writable.
        ValueError: the setting ``MICROBENCH_SHRINK_IMAGES`` has an unknown value.
    """

    def __init__(self, model: Any, folder: Path, *, is_asked_for: bool = True) -> None:
        self._model = model
        self._is_asked_for = is_asked_for
        self.shrinks_images = shrinking.is_wanted()
        self._tries = max(1, _number(model, "max_retries", _TRIES))
        self._pause_s = max(0.0, _number(model, "retry_backoff_s", _PAUSE_S))
        self._gate = circuit_breaker.Gate(max(circuit_breaker.LIMIT, self._tries), self._pause_s)
        self.progress = Progress()
        self.folder = folder
        self._log = reply_log.ReplyLog(folder / reply_log.FOLDER, takes_shrunk=self.shrinks_images)
        if self._log.num_known:
            logger.info(f"Micro-Bench: read {self._log.num_known:,} replies of earlier runs from {folder}.")

    def close(self) -> None:
        """Close the files."""
        self._log.close()

    def record(self) -> dict[str, int | bool]:
        """Return the counts of the run, and whether images may be downscaled, for the results file."""
        return dataclasses.asdict(self.progress.counts) | {"shrinks_images": self.shrinks_images}

    @contextlib.contextmanager
    def asking(self, num_questions: int) -> Iterator[None]:
        """Route the model's requests through this session.

        Raises:
            ServerStoppedError: the server does not answer; the message says why.
        """
        self.progress.add_questions(num_questions)
        client = self._model.client
        self._model.client = self._wrapped(clients.innermost(client))
        try:
            yield
        except circuit_breaker.StopAsking as stop:
            raise circuit_breaker.ServerStoppedError(self._explain(stop.reason)) from None
        finally:
            self._model.client = client

    def _explain(self, reason: str) -> str:
        server = clients.base_url(clients.innermost(self._model.client)) or "unknown"
        model = getattr(self._model, "model_version", "unknown")
        lines = [f"{reason}.", f"Server {server}, model {model}: {self.progress.line()}.", self.how_to_go_on()]
        return " ".join(lines)

    def how_to_go_on(self) -> str:
        """Return a sentence that says where the answers are stored and how to ask only the remaining questions."""
        if not self.progress.counts.answered and not self._log.num_known:
            return "There is no answer yet."
        return f"The answers are kept: the same command with --use_cache {self.folder} asks only for the rest."

    def _wrapped(self, client: Any) -> Any:
        def create(**payload: Any) -> Any:
            with contextlib.closing(self._steps(client, payload)) as steps:
                result: dict[str, Any] | Exception | None = None
                while True:
                    try:
                        step = steps.send(result)
                    except StopIteration as end:
                        return replies.completion(end.value)
                    result = None
                    if isinstance(step, _Wait):
                        time.sleep(step.seconds)
                        continue
                    try:
                        result = clients.send(client, step.payload)
                    except Exception as error:  # noqa: BLE001 - whatever a client raises is the question's result
                        result = error

        async def create_async(**payload: Any) -> Any:
            with contextlib.closing(self._steps(client, payload)) as steps:
                result: dict[str, Any] | Exception | None = None
                while True:
                    try:
                        step = steps.send(result)
                    except StopIteration as end:
                        return replies.completion(end.value)
                    result = None
                    if isinstance(step, _Wait):
                        await asyncio.sleep(step.seconds)
                        continue
                    try:
                        result = await clients.send_async(client, step.payload)
                    except Exception as error:  # noqa: BLE001 - whatever a client raises is the question's result
                        result = error

        return clients.with_create(client, create_async if clients.is_asynchronous(client) else create)

    def _steps(self, client: Any, payload: dict[str, Any]) -> _Steps:
        """Yield the steps for one question; return its plain reply, or a reply with a failure mark."""
        key = reply_log.key_of(clients.base_url(client), payload)
        known = None if key is None else self._log.pop(key)
        if known is not None:
            self.progress.note_from_disk()
            # The harness adds up usage against its token budget: a logged reply must not be counted again.
            return known | ({"usage": replies.NO_TOKENS} if known["usage"] else {})
        result, is_shrunk = (yield from self._tried(payload)), False
        if isinstance(result, faults.Fault) and result.status == _TOO_LARGE:
            smaller = shrinking.shrunk(payload) if self.shrinks_images else None
            if smaller is not None:
                result, is_shrunk = (yield from self._tried(smaller)), True
        if isinstance(result, faults.Fault):
            self.progress.note_failure()
            return replies.failed_reply(failure_mark(self._advice(result)))
        # Null is no answer, so that the next run asks again.
        if key is not None and replies.has_answer(result):
            self._keep(key, result, is_shrunk)
        self.progress.note_answer(result["usage"], is_shrunk=is_shrunk)
        return result

    def _keep(self, key: str, reply: dict[str, Any], is_shrunk: bool) -> None:
        try:
            self._log.append(key, reply, is_shrunk=is_shrunk)
        except OSError as error:
            if self._is_asked_for:
                self._gate.stop(f"Answers cannot be written to {self.folder} ({error})")
            warn_once(f"{self.folder}: answers cannot be stored ({error}). If this run stops, they are asked again.")

    def _tried(self, payload: dict[str, Any]) -> Generator[Any, Any, dict[str, Any] | faults.Fault]:
        """Ask a question until it is answered or its attempts are used up."""
        tries = 0
        while True:
            ticket = yield from self._entered()
            self.progress.note_request()
            try:
                result = yield _Send(payload)
            except GeneratorExit:
                self._gate.leave(ticket)
                raise
            if not isinstance(result, Exception):
                self._gate.note_answer(ticket)
                return result
            fault = faults.fault_of(result)
            self._gate.note_failure(ticket, fault)
            # A reply with Retry-After is no failed attempt.
            tries += fault.pause_s is None
            if fault.is_final or tries >= self._tries:
                return fault
            if fault.pause_s is None:
                yield _Wait(min(self._pause_s * 2 ** max(tries - 1, 0), circuit_breaker.LONGEST_PAUSE_S))

    def _entered(self) -> Generator[_Wait, None, circuit_breaker.Ticket]:
        while not isinstance(turn := self._gate.enter(), circuit_breaker.Ticket):
            yield _Wait(turn)
        return turn

    def _advice(self, fault: faults.Fault) -> str:
        if fault.status != _TOO_LARGE:
            return fault.reason
        advice = "it is too large for the server even at half its size" if self.shrinks_images else shrinking.ADVICE
        warn_once(f"{fault.reason}: {advice}")
        return f"{fault.reason}: {advice}"


def _number(model: Any, name: str, default: float) -> Any:
    value = getattr(model, name, default)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else default
