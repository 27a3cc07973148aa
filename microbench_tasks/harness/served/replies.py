"""Parse the reply of a server: the text of its answer and the number of tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from microbench_tasks.harness.served import letter_probabilities
from microbench_tasks.harness.served.faults import MalformedReplyError
from microbench_tasks.parsing.cleaning.message_content import content_to_text
from microbench_tasks.parsing.failures import placeholder_kind

# Ten times the longest answers of reasoning models.
MAX_ANSWER_CHARS = 1_000_000
# Enough for such an answer with escaped characters and token probabilities.
MAX_REPLY_BYTES = 64 * 2**20
_TITLE = re.compile(r"<title>\s*(.{0,80}?)\s*</title>", re.IGNORECASE | re.DOTALL)
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
NO_TOKENS = dict.fromkeys(_COUNTS, 0)


def read_reply(body: bytes) -> dict[str, Any]:
    """Parse the body of a reply; see `plain_reply`.

    Raises:
        MalformedReplyError: the body is not the JSON of an answer; the message says what it is.
    """
    text = body.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text.startswith("<"):
        title = _TITLE.search(text[:100_000])
        named = f" ({title[1]})" if title else ""
        raise MalformedReplyError(f"the reply is a web page{named}, not JSON. Check --model_args base_url=URL")
    try:
        return plain_reply(json.loads(text))
    except (ValueError, RecursionError) as error:
        if isinstance(error, MalformedReplyError):
            raise
        raise MalformedReplyError(f"the reply is not JSON: {text[:60]!r}") from None


def plain_reply(reply: Any) -> dict[str, Any]:
    """Return the parts of a reply that the harness uses, as JSON values.

    Args:
        reply: a completion of the package openai, or the same as mappings and lists.

    Raises:
        MalformedReplyError: the reply has no message, or its answer is an error or longer than `MAX_ANSWER_CHARS`.
    """
    choices = _field(reply, "choices")
    choice = choices[0] if isinstance(choices, (list, tuple)) and choices else None
    message = _field(choice, "message")
    if message is None or isinstance(message, (str, int, float, list)):
        raise MalformedReplyError(f"the reply has no message: {_excerpt(_field(reply, 'error') or reply)}")
    content, refusal = _field(message, "content"), _field(message, "refusal")
    text = content_to_text(refusal if content is None and isinstance(refusal, str) else content)
    if len(text) > MAX_ANSWER_CHARS:
        raise MalformedReplyError(f"the answer has {len(text):,} characters, more than {MAX_ANSWER_CHARS:,}")
    if placeholder_kind(text) == "failed":
        raise MalformedReplyError(f"the answer is an error: {_excerpt(text)}")
    calls = _field(message, "tool_calls")
    plain: dict[str, Any] = {"role": "assistant", "content": text if text or content is not None else None}
    if isinstance(calls, (list, tuple)) and calls:
        plain["tool_calls"] = [_as_json(call) for call in calls]
    finish_reason = _field(choice, "finish_reason")
    token = letter_probabilities.first_token(choice)
    first = {"logprobs": {"content": [token]}} if token else {}
    return {
        "id": "",
        "object": "chat.completion",
        "created": 0,
        "model": "",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason if isinstance(finish_reason, str) else "stop",
                "message": plain,
                **first,
            }
        ],
        "usage": _usage(_field(reply, "usage")),
    }


def has_answer(reply: Mapping[str, Any]) -> bool:
    """Tell whether a plain reply has a content. An empty text is an answer; null is none, and is asked again."""
    return reply["choices"][0]["message"]["content"] is not None


def completion(reply: Mapping[str, Any]) -> Any:
    """Build a completion of the package openai from a plain reply; null becomes an empty text."""
    from openai.types.chat import ChatCompletion

    built = ChatCompletion.construct(**reply)
    built.choices[0].message.content = built.choices[0].message.content or ""
    return built


def with_letters(reply: dict[str, Any], letters: str) -> dict[str, Any]:
    """Return a plain reply whose answer has the probabilities of the letters on a second line, if they are known."""
    choice = reply["choices"][0]
    token = letter_probabilities.first_token(choice)
    answer = choice["message"]["content"]
    if answer is None:
        return reply
    message = choice["message"] | {"content": letter_probabilities.with_letters(answer, token, letters)}
    return reply | {"choices": [choice | {"message": message}]}


def failed_reply(mark: str) -> dict[str, Any]:
    """Build a reply whose answer is a failure mark, which model classes of the harness pass on unchanged."""
    message = {"role": "assistant", "content": mark}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "", "object": "chat.completion", "created": 0, "model": "", "choices": [choice], "usage": NO_TOKENS}


def _usage(usage: Any) -> dict[str, Any] | None:
    if usage is None:
        return None
    counts: dict[str, Any] = {name: _count(_field(usage, name)) for name in _COUNTS}
    reasoning = _count(_field(_field(usage, "completion_tokens_details"), "reasoning_tokens"))
    return counts | ({"completion_tokens_details": {"reasoning_tokens": reasoning}} if reasoning else {})


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else 0


def _as_json(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return json.loads(json.dumps(dump(warnings=False) if dump else value, default=str))


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _excerpt(value: Any) -> str:
    return " ".join(str(value).split())[:100]
