"""Convert the content of a client's message to plain text. Imports nothing of ours."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any

# Types of parts that contain reasoning.
_THOUGHTS = frozenset(
    "thinking reasoning reasoning_content reasoning_text redacted_thinking thought thoughts think analysis "
    "summary_text".split()
)
_TEXTS = frozenset({"text", "output_text", "input_text", "refusal"})
_TEXT_FIELDS = ("text", "content", "refusal", "value", "output_text")
_THOUGHT_FIELDS = ("thinking", "reasoning", "reasoning_content", "thought", "text", "content", "summary", "data")
_TAGS = ("<think>", "</think>")
# Nesting below this depth is ignored; no client nests so deeply.
_DEEPEST = 20


def text_of(content: Any) -> str:
    """Join the texts of a message's content, with reasoning in ``<think>`` tags.

    Args:
        content: a string, None, a number, a mapping or an object with text in it, or a list of such parts.

    Returns:
        Text that can be stored as UTF-8: surrogates are replaced.

    >>> text_of([{"type": "thinking", "thinking": "A?"}, {"type": "text", "text": "B"}])
    '<think>A?</think>\\nB'
    """
    if isinstance(content, str):
        return without_surrogates(content)
    text = ""
    for piece in _pieces(content, _DEEPEST):
        # Parts are whole blocks. A line break keeps their words apart.
        glue = "" if not text or not piece or text[-1].isspace() or piece[0].isspace() else "\n"
        text += glue + piece
    return without_surrogates(text)


def without_surrogates(text: str) -> str:
    """Replace unpaired surrogates, which neither UTF-8 files nor databases can store.

    >>> without_surrogates("B \\ud83d")
    'B \ufffd'
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
    """Yield the text of one part: a mapping, or an object of a client's package."""
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
