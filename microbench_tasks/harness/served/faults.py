"""Classify exceptions of clients: what they mean for the question and for the run. Imports nothing of the harness."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

# What caused the failure: access to the server, a temporary problem of the server, or this one question.
Blame = Literal["access", "server", "question"]

_ACCESS = {
    401: "the server refuses the key. Set OPENAI_API_KEY, or --model_args api_key=KEY",
    402: "the server asks for payment. Check the account of the key",
    403: "the key has no access. Check the key, and whether it may use this model",
    404: "the server does not know the model or the address. Check --model_args model=NAME,base_url=URL (URLs of most "
    "servers end in /v1)",
    405: "the address does not take questions. Check --model_args base_url=URL (URLs of most servers end in /v1)",
}
REFUSED_QUESTION = "the server refuses the question. Check that the model takes images, and its limit of tokens"
_UNREACHABLE = "the server cannot be reached. Check that it runs, and --model_args base_url=URL"
# Statuses below 500 that report a temporary problem of the server.
_TEMPORARY = frozenset({408, 409, 425, 429})
_MESSAGE_CHARS = 160
_MAX_CAUSES = 10


class MalformedReplyError(ValueError):
    """Report a reply that contains no answer although its HTTP status is a success."""


class SlowReplyError(TimeoutError):
    """Report a reply that was still incomplete at its timeout."""


@dataclass(frozen=True)
class Fault:
    """Describe a failed request.

    Attributes:
        blame: what caused the failure.
        reason: one line, with what the user can do about it.
        status: the HTTP status, if there was one.
        pause_s: how long the server asks clients to wait before the next request.
        is_final: whether a retry of the same question would fail again.
        is_slow: whether the request ran into its timeout.
    """

    blame: Blame
    reason: str
    status: int | None = None
    pause_s: float | None = None
    is_final: bool = False
    is_slow: bool = False


def classify(error: Exception, now: float | None = None, status: Any = None) -> Fault:
    """Classify an exception of a client (of the package openai, or with the same attributes).

    Args:
        error: what the client raised.
        now: seconds since the epoch, for a ``Retry-After`` that is a date.
        status: the HTTP status, for clients that do not call it ``status_code``.

    >>> classify(TimeoutError("no reply")).blame
    'server'
    """
    status = getattr(error, "status_code", None) if status is None else status
    if isinstance(status, int) and not isinstance(status, bool):
        return _classify_status(status, error, time.time() if now is None else now)
    if isinstance(error, SlowReplyError):
        return Fault("server", str(error), is_slow=True)
    message = error_message(error)
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return Fault("server", f"no complete reply in time ({message})", is_slow=True)
    if _is_unreachable(error):
        return Fault("server", f"{_UNREACHABLE} ({message})")
    return Fault("server", message)


def _classify_status(status: int, error: Exception, now: float) -> Fault:
    details = f"HTTP {status}: {error_message(error)}"
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    is_final = headers.get("x-should-retry") == "false"
    if status in _ACCESS:
        return Fault("access", f"{_ACCESS[status]} ({details})", status, is_final=True)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Fault("question", details, status, is_final=True)
    if status in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Fault("server", details, status, retry_after(headers, now), is_final)
    return Fault("question", f"{REFUSED_QUESTION} ({details})", status, is_final=True)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that ``Retry-After`` (a number or a date) asks to wait; None without a usable one.

    >>> retry_after({"retry-after": "7"}, now=0)
    7.0
    """
    value = headers.get("retry-after-ms")
    scale = 1000 if value is not None else 1
    value = headers.get("retry-after") if value is None else value
    if value is None:
        return None
    try:
        seconds = float(value) / scale
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (TypeError, ValueError, OverflowError):
            return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _is_unreachable(error: Exception) -> bool:
    return any(type(cause).__name__ == "ConnectError" or isinstance(cause, OSError) for cause in _causes(error))


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and len(causes) < _MAX_CAUSES:
        causes.append(error)
        error = error.__cause__
    return causes


def error_message(error: Exception) -> str:
    """Return the message of the server, or else of the innermost cause, on one line."""
    body: Any = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, Mapping) else None
    if not isinstance(message, str) or not message.strip():
        cause = _causes(error)[-1]
        message = str(cause) or type(cause).__name__
    line = " ".join(message.split())
    return line if len(line) <= _MESSAGE_CHARS else f"{line[:_MESSAGE_CHARS]}…"
