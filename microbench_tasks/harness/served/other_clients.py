"""End runs of classes that ask a server by other clients than openai's, when nothing gets through.

Such a class tries a question several times, swallows the exceptions and goes on with the next question, for days if the
server is down. What it logs (`microbench_tasks.harness.guard.swallowed_exceptions`), or its client where that can be replaced, tells
of each failure.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from microbench_tasks.harness.served import circuit_breaker, faults

# Of each module of the harness: where its class looks for the key.
_KEYS = {
    "claude": "ANTHROPIC_API_KEY",
    "gemini": "GOOGLE_API_KEY",
    "qwen_vl_api": "DASHSCOPE_API_KEY",
    "reka": "REKA_API_KEY",
}
# Without any answer so long, a run ends after fewer failures: some classes pause half a minute after each.
_GIVE_UP_S = 45.0


def is_known(model: Any) -> bool:
    """Tell whether the model's class asks a server by a client of its own."""
    return _module(model) in _KEYS


def _module(model: Any) -> str:
    return type(model).__module__.rpartition(".")[2]


class OtherServer:
    """The server that such a class asks, over a run.

    Args:
        model: of a class for which `is_known` holds.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._gate = circuit_breaker.Gate()
        # Some classes ask several questions at a time.
        self._lock = threading.Lock()
        self._last: BaseException | None = None
        self._first_failure = 0.0
        self._num_failures = 0
        self._num_answers = 0

    def note_failure(self, error: BaseException) -> None:
        """Note an exception that the class swallowed; one that it logs twice counts once.

        Raises:
            StopAsking: it was one too many.
        """
        if error is not self._last and isinstance(error, Exception):
            self._last = error
            self._count(self._gate.ticket(), error)

    def note_answer(self) -> None:
        """Note that a question was answered."""
        self._num_answers += 1
        self._gate.note_answer(self._gate.ticket())

    def _count(self, ticket: circuit_breaker.Ticket, error: Exception) -> None:
        now = time.monotonic()
        self._first_failure = self._first_failure or now
        self._num_failures += 1
        fault = self._fault(error)
        self._gate.note_failure(ticket, fault)
        if not self._num_answers and self._num_failures > 1 and now - self._first_failure > _GIVE_UP_S:
            self._gate.stop(f"No answer for {now - self._first_failure:.0f} s; the last failure: {fault.reason}")

    def _fault(self, error: Exception) -> faults.Fault:
        # As google's client calls it.
        status = getattr(error, "code", None)
        if isinstance(status, int) and not hasattr(error, "status_code"):
            with contextlib.suppress(AttributeError):
                error.status_code = status
        fault = faults.fault_of(error)
        if fault.blame != "access":
            return fault
        advice = f"Check {_KEYS[_module(self._model)]} and --model_args model_version=NAME"
        reason = f"the server refuses access. {advice} (HTTP {fault.status}: {faults.said_by(error)})"
        return faults.Fault(fault.blame, reason, fault.status, is_final=True)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Let the model ask.

        Raises:
            ServerStoppedError: the server does not answer; says why.
        """
        client = getattr(self._model, "client", None)
        has_models = callable(getattr(getattr(client, "models", None), "generate_content", None))
        if has_models:
            self._model.client = _WithGate(client, self._generate_content)
        try:
            yield
        except circuit_breaker.StopAsking as stop:
            raise circuit_breaker.ServerStoppedError(
                f"{stop.reason}. Model {_module(self._model)}: {self._num_answers} questions answered, "
                f"{self._num_failures} tries failed."
            ) from None
        finally:
            if has_models:
                self._model.client = client

    def _generate_content(self, original: Any, *args: Any, **kwargs: Any) -> Any:
        while not isinstance(turn := self._gate.enter(), circuit_breaker.Ticket):
            time.sleep(turn)
        try:
            reply = original(*args, **kwargs)
        except Exception as error:
            with self._lock:
                self._count(turn, error)
            raise
        except BaseException:
            self._gate.leave(turn)
            raise
        with self._lock:
            self._num_answers += 1
        self._gate.note_answer(turn)
        return reply


class _WithGate:
    """A client of the package google-genai whose questions pass a gate; everything else is passed on."""

    def __init__(self, client: Any, generate_content: Any) -> None:
        self._client = client
        original = client.models.generate_content
        self.models = SimpleNamespace(
            generate_content=lambda *args, **kwargs: generate_content(original, *args, **kwargs)
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
