"""Turn what a client returns as the content of a message into plain text. Imports nothing of ours."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any

# Parts that hold what a model thought, by their type.
_THOUGHTS = frozenset(
    "thinking reasoning reasoning_content reasoning_text redacted_thinking thought thoughts think analysis "
    "summary_text".split()
)
_TEXTS = frozenset({"text", "output_text", "input_text", "refusal"})
_TEXT_FIELDS = ("text", "content", "refusal", "value", "output_text")
_THOUGHT_FIELDS = ("thinking", "reasoning", "reasoning_content", "thought", "text", "content", "summary", "data")
_TAGS = ("<think>", "</think>")
# Deeper nesting than any client's; beyond it a part holds no text.
_DEEPEST = 20


def text_of(content: Any) -> str:
    """Join the texts of a message's content; what the model thought comes in ``<think>`` tags.

    Args:
        content: a string, None, a number, a mapping or an object with text in it, or a list of such parts.

    Returns:
        Text that any file takes: characters that UTF-8 has no code for are replaced.

    >>> text_of([{"type": "thinking", "thinking": "A?"}, {"type": "text", "text": "B"}])
    '<think>A?</think>\\nB'
    """
    if isinstance(content, str):
        return without_surrogates(content)
    text = ""
    for piece in _pieces(content, _DEEPEST):
        # Parts are whole blocks; without a space between them the last word of one would grow into the next.
        glue = "" if not text or not piece or text[-1].isspace() or piece[0].isspace() else "\n"
        text += glue + piece
    return without_surrogates(text)


def without_surrogates(text: str) -> str:
    """Replace halves of characters, which neither JSON files nor databases can hold.

    >>> without_surrogates("B \\ud83d")
    'B \ufffd'
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def logged_parts(text: str) -> str:
    """The text of a content that the harness logged as Python or JSON writes a list of parts; other text as it is.

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
            return text_of(parts)
    return text


def _is_part(value: Any) -> bool:
    kind = value.get("type") if isinstance(value, dict) else None
    return isinstance(kind, str) and kind in _THOUGHTS | _TEXTS


def _pieces(content: Any, depth: int) -> Iterator[str]:
    if content is None or depth == 0 or isinstance(content, (bytes, bytearray)):
        return
    if isinstance(content, (str, int, float)):
        yield str(content)
    elif isinstance(content, (list, tuple)):
        for part in content:
            yield from _pieces(part, depth - 1)
    else:
        yield from _pieces_of_part(content, depth)


def _pieces_of_part(part: Any, depth: int) -> Iterator[str]:
    """The text of one part: a mapping, or an object of a client's package."""
    kind = _field(part, "type")
    is_thought = (isinstance(kind, str) and kind.lower() in _THOUGHTS) or _field(part, "thought") is True
    named = (_field(part, name) for name in (_THOUGHT_FIELDS if is_thought else _TEXT_FIELDS))
    found = next((value for value in named if isinstance(value, (str, list, tuple, Mapping))), None)
    pieces = list(_pieces(found, depth - 1))
    if not is_thought:
        yield from pieces
    elif pieces:
        thought = "\n".join(pieces)
        for tag in _TAGS:
            thought = thought.replace(tag, "")
        yield thought.join(_TAGS)


def _field(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)
