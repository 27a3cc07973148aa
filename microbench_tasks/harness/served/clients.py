"""Wrap clients of the package openai, or with the same methods, and send single requests without their retries."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from microbench_tasks.harness.served.faults import MalformedReplyError, SlowReplyError
from microbench_tasks.harness.served.replies import MAX_REPLY_BYTES, plain_reply, read_reply

# The read timeout of the package openai (between two bytes); here it limits a complete reply.
_REPLY_SECONDS = 600.0


class _WrappedClient:
    """Replace ``chat.completions.create`` of a client; delegate everything else."""

    def __init__(self, client: Any, create: Callable[..., Any]) -> None:
        self.wrapped = client
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=create))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


def with_create(client: Any, create: Callable[..., Any]) -> Any:
    """Return the client with ``create`` as its ``chat.completions.create``."""
    return _WrappedClient(client, create)


def innermost(client: Any) -> Any:
    """Return the original client inside the wrappers of `with_create`."""
    while isinstance(client, _WrappedClient):
        client = client.wrapped
    return client


def is_client(client: Any) -> bool:
    """Tell whether an object is a client of the package openai, or has its ``chat.completions.create``."""
    return callable(getattr(getattr(getattr(client, "chat", None), "completions", None), "create", None))


def is_asynchronous(client: Any) -> bool:
    """Tell whether the client's replies must be awaited."""
    return inspect.iscoroutinefunction(inspect.unwrap(client.chat.completions.create))


def base_url(client: Any) -> str:
    """Return the URL of the server; empty if the client has none."""
    return str(getattr(client, "base_url", "") or "")


def send(client: Any, payload: dict[str, Any]) -> dict[str, Any]:
    """Send one request, without the client's own retries, and return the plain reply.

    Raises:
        MalformedReplyError: the reply contains no answer, or is larger than `MAX_REPLY_BYTES`.
        SlowReplyError: the reply was incomplete after the client's timeout.
        Exception: whatever else the client raises.
    """
    client, reader = _without_retries(client)
    if reader is None:
        return plain_reply(client.chat.completions.create(**payload))
    started, body = time.monotonic(), bytearray()
    with reader.create(**payload) as response:
        for chunk in response.iter_bytes():
            _append_chunk(chunk, body, started, _time_limit(client))
    return read_reply(bytes(body))


async def send_async(client: Any, payload: dict[str, Any]) -> dict[str, Any]:
    """Send one request with an asynchronous client; see `send`."""
    client, reader = _without_retries(client)
    if reader is None:
        return plain_reply(await client.chat.completions.create(**payload))
    started, body = time.monotonic(), bytearray()
    limit = _time_limit(client)
    try:
        async with asyncio.timeout(limit), reader.create(**payload) as response:
            async for chunk in response.iter_bytes():
                _append_chunk(chunk, body, started, limit)
    except TimeoutError:
        raise SlowReplyError(f"no complete reply after {limit:.0f} s") from None
    return read_reply(bytes(body))


def _without_retries(client: Any) -> tuple[Any, Any]:
    """Return the client without its own retries, and its interface for replies as raw bytes, or None."""
    if hasattr(client, "with_options"):
        with contextlib.suppress(TypeError):
            client = client.with_options(max_retries=0)
    return client, getattr(client.chat.completions, "with_streaming_response", None)


def _time_limit(client: Any) -> float:
    timeout = getattr(client, "timeout", None)
    seconds = getattr(timeout, "read", timeout)
    return float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else _REPLY_SECONDS


def _append_chunk(chunk: bytes, body: bytearray, started: float, limit: float) -> None:
    body += chunk
    if len(body) > MAX_REPLY_BYTES:
        raise MalformedReplyError(f"the reply is larger than {MAX_REPLY_BYTES >> 20} MB")
    if time.monotonic() - started > limit:
        raise SlowReplyError(f"no complete reply after {limit:.0f} s")
