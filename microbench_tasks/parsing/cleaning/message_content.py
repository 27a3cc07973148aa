"""Turn what a client returns as the content of a message into plain text."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from microbench_tasks.parsing.failures import failure_mark

# Parts that hold what a model thought, by their type.
_THOUGHTS = frozenset(
    [
        "thinking",
        "reasoning",
        "reasoning_content",
        "reasoning_text",
        "redacted_thinking",
        "thought",
        "thoughts",
        "think",
        "analysis",
        "summary_text",
    ]
)
_TEXTS = frozenset({"text", "output_text", "input_text", "refusal"})
# ``parts`` is Gemini's; a whole message, completion or output stands in the last ones.
_TEXT_FIELDS = (
    *("text", "content", "refusal", "value", "output_text"),
    *("parts", "generated_text", "outputs", "choices", "message"),
)
_THOUGHT_FIELDS = ("thinking", "reasoning", "reasoning_content", "thought", "text", "content", "summary", "data")
_TAGS = ("<think>", "</think>")
# Types of parts that are not the model's own text: results of tools, and sources.
_OTHERS_TEXT = re.compile("tool|function|citation", re.IGNORECASE)
# Maximum nesting of parts, deeper than that of any client; text beyond it is ignored.
_MAX_DEPTH = 20


def content_to_text(content: Any) -> str:
    r"""Join the texts of a message's content, with reasoning in ``<think>`` tags.

    Args:
        content: a string, bytes, None, a number, a mapping or an object with text in it, or a list of such parts.

    Returns:
        Text that any file takes: characters that UTF-8 has no code for are replaced. For an exception or a report of
        an error, the mark of a failure.

    >>> content_to_text([{"type": "thinking", "thinking": "A?"}, {"type": "text", "text": "B"}])
    '<think>A?</think>\nB'
    """
    if isinstance(content, str):
        return without_surrogates(content)
    if error := _error_in(content):
        return without_surrogates(failure_mark(error))
    text = ""
    for piece in _pieces(content, _MAX_DEPTH):
        # Parts are whole blocks. A line break keeps their words apart.
        glue = "" if not text or not piece or text[-1].isspace() or piece[0].isspace() else "\n"
        text += glue + piece
    return without_surrogates(text)


def _error_in(content: Any) -> str:
    """What an exception, or a server's report of an error, says that came in the place of an answer; else empty."""
    if isinstance(content, BaseException):
        return f"{type(content).__name__}: {content}"
    is_report = isinstance(content, Mapping) and (content.get("object") == "error" or bool(content.get("error")))
    return str(content.get("error") or content) if is_report else ""


def without_surrogates(text: str) -> str:
    r"""Replace unpaired surrogates, which neither UTF-8 files nor databases can store.

    >>> without_surrogates("B \ud83d")
    'B �'
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def logged_parts(text: str) -> str:
    """Return the text of content that was logged as a Python or JSON list of parts; return other text unchanged.

    >>> logged_parts("[{'type': 'text', 'text': 'B'}]")
    'B'
    """
    if not (text.startswith("[{") and text.endswith("}]")):
        return text
    for parse in (json.loads, ast.literal_eval):
        try:
            parts = parse(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(parts, list) and all(_is_part(part) for part in parts):
            return content_to_text(parts)
    return text


def _is_part(value: Any) -> bool:
    kind = value.get("type") if isinstance(value, dict) else None
    return isinstance(kind, str) and kind in _THOUGHTS | _TEXTS


def _pieces(content: Any, depth: int) -> Iterator[str]:
    """Yield the texts of content, at most ``depth`` levels deep."""
    if content is None or depth == 0:
        return
    if isinstance(content, (bytes, bytearray)):
        yield content.decode("utf-8", "replace")
    elif isinstance(content, (str, int, float)):
        yield str(content)
    elif isinstance(content, (list, tuple)):
        for part in content:
            yield from _pieces(part, depth - 1)
    else:
        yield from _pieces_of_part(content, depth)


def _pieces_of_part(part: Any, depth: int) -> Iterator[str]:
    """Yield the text of one part: a mapping, or an object of a client's package."""
    kind = _field(part, "type")
    if isinstance(kind, str) and _OTHERS_TEXT.search(kind):
        return
    is_thought = (isinstance(kind, str) and kind.lower() in _THOUGHTS) or _field(part, "thought") is True
    named = ((name, _field(part, name)) for name in (_THOUGHT_FIELDS if is_thought else _TEXT_FIELDS))
    first_filled = next((value for name, value in named if _may_hold_text(name, value) and value), None)
    pieces = list(_pieces(first_filled, depth - 1))
    if not is_thought:
        yield from pieces
    elif pieces:
        thought = "\n".join(pieces)
        for tag in _TAGS:
            thought = thought.replace(tag, "")
        yield thought.join(_TAGS)


def _may_hold_text(name: str, value: Any) -> bool:
    if name == "message":
        # An object; that of an error is a text.
        return not isinstance(value, str)
    return isinstance(value, (str, list, tuple, Mapping))


def _field(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)
