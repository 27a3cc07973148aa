"""End runs of classes that ask a server through other clients than openai's, when no request succeeds.

Such a class tries a question several times, swallows the exceptions and goes on with the next question, for days if the
server is down. Failures are recognized by what the class logs (`microbench_tasks.harness.guard.observation`), or by its
client if that can be replaced.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from microbench_tasks.harness.served import circuit_breaker, faults

# For each module of the harness, the environment variable in which its class looks for the key.
_KEYS = {
    "claude": "ANTHROPIC_API_KEY",
    "gemini": "GOOGLE_API_KEY",
    "qwen_vl_api": "DASHSCOPE_API_KEY",
    "reka": "REKA_API_KEY",
}
# After this time without any answer, a run ends even after few failures: some classes pause half a minute after each.
_GIVE_UP_S = 45.0


def is_known(model: Any) -> bool:
    """Tell whether the model's class asks a server through a client of its own."""
    return _module_name(model) in _KEYS


def _module_name(model: Any) -> str:
    return type(model).__module__.rpartition(".")[2]


class OtherServer:
    """Watch the requests of such a model to its server during a run.

    Args:
        model: of a class for which `is_known` is true.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._breaker = circuit_breaker.CircuitBreaker()
        # Some classes ask several questions at a time.
        self._lock = threading.Lock()
        self._last_error: BaseException | None = None
        self._first_failure = 0.0
        self._num_failures = 0
        self._num_answers = 0

    def record_failure(self, error: BaseException) -> None:
        """Record an exception that the class swallowed; one that it logs twice counts once.

        Raises:
            StopAsking: the limit of failures is reached.
        """
        if error is not self._last_error and isinstance(error, Exception):
            self._last_error = error
            self._count_failure(self._breaker.permit_now(), error)

    def record_answer(self) -> None:
        """Record that a question was answered."""
        self._num_answers += 1
        self._breaker.record_success(self._breaker.permit_now())

    def _count_failure(self, permit: circuit_breaker.Permit, error: Exception) -> None:
        now = time.monotonic()
        self._first_failure = self._first_failure or now
        self._num_failures += 1
        fault = self._classify(error)
        self._breaker.record_failure(permit, fault)
        if not self._num_answers and self._num_failures > 1 and now - self._first_failure > _GIVE_UP_S:
            self._breaker.stop(f"No answer for {now - self._first_failure:.0f} s; the last failure: {fault.reason}")

    def _classify(self, error: Exception) -> faults.Fault:
        # Google's client calls the HTTP status ``code``.
        fault = faults.classify(error, status=getattr(error, "status_code", getattr(error, "code", None)))
        if fault.blame != "access":
            return fault
        advice = f"Check {_KEYS[_module_name(self._model)]} and --model_args model_version=NAME"
        reason = f"the server refuses access. {advice} (HTTP {fault.status}: {faults.error_message(error)})"
        return faults.Fault(fault.blame, reason, fault.status, is_final=True)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Let the model ask its questions.

        Raises:
            ServerStoppedError: the server does not answer; the message says why.
        """
        client = getattr(self._model, "client", None)
        is_google = callable(getattr(getattr(client, "models", None), "generate_content", None))
        if is_google:
            self._model.client = _GuardedGoogleClient(client, self._generate_content)
        try:
            yield
        except circuit_breaker.StopAsking as stop:
            raise circuit_breaker.ServerStoppedError(
                f"{stop.reason}. Model {_module_name(self._model)}: {self._num_answers} questions answered, "
                f"{self._num_failures} tries failed."
            ) from None
        finally:
            if is_google:
                self._model.client = client

    def _generate_content(self, original: Any, *args: Any, **kwargs: Any) -> Any:
        """Call ``original`` when the circuit breaker permits it, and record the outcome."""
        while not isinstance(permit := self._breaker.acquire(), circuit_breaker.Permit):
            time.sleep(permit)
        try:
            reply = original(*args, **kwargs)
        except Exception as error:
            with self._lock:
                self._count_failure(permit, error)
            raise
        except BaseException:
            self._breaker.release(permit)
            raise
        with self._lock:
            self._num_answers += 1
        self._breaker.record_success(permit)
        return reply


class _GuardedGoogleClient:
    """Wrap a client of the package google-genai: questions pass ``generate_content``, all else is delegated."""

    def __init__(self, client: Any, generate_content: Any) -> None:
        self._client = client
        original = client.models.generate_content
        self.models = SimpleNamespace(
            generate_content=lambda *args, **kwargs: generate_content(original, *args, **kwargs)
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
