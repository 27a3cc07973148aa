"""Ask one question step by step, so that synchronous and asynchronous clients share the logic.

A generator yields the steps (`Send` a request, `Wait`) and gets their results. Only the loop over the steps differs
between the two kinds of clients.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any

from microbench_tasks.harness.served import clients, replies

# What a step results in: a plain reply, the exception of the client, or None after a pause.
Result = dict[str, Any] | Exception | None


@dataclass(frozen=True)
class Wait:
    """Pause before the next step."""

    seconds: float

    def run(self, client: Any) -> Result:
        """Pause this thread."""
        time.sleep(self.seconds)
        return None

    async def run_async(self, client: Any) -> Result:
        """Pause this coroutine."""
        await asyncio.sleep(self.seconds)
        return None


@dataclass(frozen=True)
class Send:
    """Send a request; whatever the client raises is the result of the step."""

    payload: dict[str, Any]

    def run(self, client: Any) -> Result:
        """Send the request by a synchronous client."""
        try:
            return clients.send(client, self.payload)
        except Exception as error:
            return error

    async def run_async(self, client: Any) -> Result:
        """Send the request by an asynchronous client."""
        try:
            return await clients.send_async(client, self.payload)
        except Exception as error:
            return error


# The steps of a question; returns its plain reply.
Steps = Generator[Wait | Send, Result, dict[str, Any]]


def run(steps: Steps, client: Any) -> Any:
    """Run the steps of a question by a synchronous client; return a completion of the package openai."""
    result: Result = None
    try:
        while True:
            result = steps.send(result).run(client)
    except StopIteration as end:
        return replies.completion(end.value)
    finally:
        steps.close()


async def run_async(steps: Steps, client: Any) -> Any:
    """Run the steps of a question by an asynchronous client; see `run`."""
    result: Result = None
    try:
        while True:
            result = await steps.send(result).run_async(client)
    except StopIteration as end:
        return replies.completion(end.value)
    finally:
        steps.close()


def create_method(
    client: Any, steps_of: Callable[[dict[str, Any]], Steps]
) -> Callable[..., Any] | Callable[..., Coroutine[Any, Any, Any]]:
    """Return a replacement for the client's ``chat.completions.create``, asynchronous if the client is.

    Args:
        client: of the package openai, or one with the same methods.
        steps_of: returns the steps for the payload of a question.
    """

    def create(**payload: Any) -> Any:
        return run(steps_of(payload), client)

    async def create_async(**payload: Any) -> Any:
        return await run_async(steps_of(payload), client)

    return create_async if clients.is_asynchronous(client) else create
