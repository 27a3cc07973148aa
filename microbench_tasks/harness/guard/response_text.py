"""Convert responses of models to text that can be stored."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

from microbench_tasks.harness.served import clients
from microbench_tasks.harness.served.replies import MAX_ANSWER_CHARS
from microbench_tasks.parsing.cleaning.message_content import content_to_text
from microbench_tasks.parsing.failures import failure_mark, placeholder_kind

_TOKEN_COUNTS = {"input_tokens", "output_tokens", "reasoning_tokens"}


def as_text(response: Any) -> Any:
    """Convert the content of a response to text; keep its other parts, such as token counts."""
    from lmms_eval.api.instance import GenerationResult, TokenCounts

    if isinstance(response, GenerationResult):
        return GenerationResult(text=_limited(content_to_text(response.text)), token_counts=response.token_counts)
    is_pair = isinstance(response, (tuple, list)) and len(response) == 2
    if is_pair and (isinstance(response[1], TokenCounts) or _is_token_counts(response[1])):
        return _limited(content_to_text(response[0])), response[1]
    return _limited(content_to_text(response))


def storable(response: Any) -> Any:
    """Return the response to another benchmark's task; only surrogates are replaced, since UTF-8 cannot encode them."""
    from lmms_eval.api.instance import GenerationResult

    if isinstance(response, GenerationResult) and isinstance(response.text, str):
        return GenerationResult(text=content_to_text(response.text), token_counts=response.token_counts)
    return content_to_text(response) if isinstance(response, str) else response


def is_failed(response: Any) -> bool:
    """Tell whether a response is the mark of a failed request."""
    text = getattr(response, "text", response[0] if isinstance(response, tuple) else response)
    return isinstance(text, str) and placeholder_kind(text) == "failed"


def with_text_replies(client: Any) -> Any:
    """Wrap a synchronous or asynchronous client so that the content of its messages is text."""

    def create(*arguments: Any, **payload: Any) -> Any:
        reply = client.chat.completions.create(*arguments, **payload)
        return _await_and_convert(reply) if inspect.isawaitable(reply) else _convert_reply(reply)

    return clients.with_create(client, create)


async def _await_and_convert(reply: Any) -> Any:
    return _convert_reply(await reply)


def _convert_reply(reply: Any) -> Any:
    for choice in getattr(reply, "choices", None) or ():
        message = getattr(choice, "message", None)
        if message is None:
            continue
        content = getattr(message, "content", None)
        refusal = getattr(message, "refusal", None)
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            message.content = content_to_text(refusal if content is None and isinstance(refusal, str) else content)
    return reply


def _limited(text: str) -> str:
    """Return the text, or a failure mark if it is too long to be an answer."""
    if len(text) <= MAX_ANSWER_CHARS:
        return text
    return failure_mark(f"the answer has {len(text):,} characters, more than {MAX_ANSWER_CHARS:,}")


def _is_token_counts(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= _TOKEN_COUNTS
