"""Read the arguments of a model as the harness does: a mapping, or ``name=value,name=value``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def iterate_arguments(arguments: Any) -> Iterator[tuple[str, Any]]:
    """Yield ``(name, value)`` of arguments as the harness reads them."""
    if isinstance(arguments, str):
        parts = [part.partition("=") for part in _split(arguments)]
        # The harness would have rejected a part without an equals sign.
        yield from ((name.strip() if sign else "a part that is not name=value", value) for name, sign, value in parts)
        return
    if isinstance(arguments, Mapping):
        yield from ((str(name).strip(), value) for name, value in arguments.items())
    elif arguments is not None:
        yield f"a {type(arguments).__name__} instead of arguments", arguments


def _split(text: str) -> list[str]:
    """Split at commas outside quotes and brackets, as the harness does."""
    parts, start, depth, quote = [], 0, 0, None
    for position, character in enumerate(text):
        if character in "\"'" and text[position - 1 : position] != "\\":
            quote = character if quote is None else None if quote == character else quote
        elif quote is None:
            depth += (character in "{[") - (character in "}]")
            if character == "," and depth == 0:
                parts.append(text[start:position])
                start = position + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def parse_arguments(arguments: Any) -> Mapping[str, Any]:
    """The arguments of a model by name, given as a mapping or as they are typed (``a=1,b=2``)."""
    return dict(iterate_arguments(arguments))
