"""Describe the errors of pydantic in words for users: which field, what was expected, and what it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

# Longest part of a message that shows a value, in characters.
_LONGEST_VALUE = 300
# What was expected, by pydantic's type of the error.
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "string_type": "a text",
    "string_unicode": "a text without unpaired surrogates",
}
# Pydantic ends the place of an error in a union with the member that did not match.
_UNION_MEMBER = re.compile(r"int|float|str|bool|dict\[.*\]|list\[.*\]|constrained-.*")
_NO_MEANINGS: Mapping[str, str] = MappingProxyType({})


def field_problems(error: ValidationError) -> list[str]:
    """Describe what is wrong with each field.

    >>> from pydantic import BaseModel
    >>> class Box(BaseModel, strict=True):
    ...     label: str | list[str]
    ...     corners: list[int]
    >>> try:
    ...     Box.model_validate({"label": 1, "corners": [0, "x"]})
    ... except ValidationError as error:
    ...     field_problems(error)
    ['label: expected a text or a list, got 1', "corners[1]: expected a whole number, got 'x'"]
    """
    errors_of_fields: dict[str, list[ErrorDetails]] = {}
    for entry in error.errors(include_url=False):
        errors_of_fields.setdefault(field_prefix(entry["loc"]), []).append(entry)
    return [f"{field}{describe_value(entries)}" for field, entries in errors_of_fields.items()]


def field_prefix(location: Iterable[str | int]) -> str:
    """Return the place of an error as ``field.inner[0]: ``; empty for the whole content."""
    parts = list(location)
    while len(parts) > 1 and _UNION_MEMBER.fullmatch(str(parts[-1])):
        parts.pop()
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
    return f"{name}: " if name else ""


def describe_value(errors: Sequence[ErrorDetails], meanings: Mapping[str, str] = _NO_MEANINGS) -> str:
    """Describe the errors of one value; a field of several types has one error for each of them.

    Args:
        errors: at least one, of the same field.
        meanings: what a regular expression accepts, in words.
    """
    if errors[0]["type"] == "missing":
        return "is missing"
    # A value of the right type with a wrong content says more than one of another type.
    telling = [error for error in errors if error["type"] not in _EXPECTED] or errors
    got = f"got {quote(telling[0]['input'])}"
    if cause := telling[0].get("ctx", {}).get("error"):
        return f"{cause}, {got}"
    expected = " or ".join(dict.fromkeys(expectation(error, meanings) for error in telling))
    return f"expected {expected}, {got}"


def expectation(error: ErrorDetails, meanings: Mapping[str, str] = _NO_MEANINGS) -> str:
    """Return what was expected of a value, without a verb; for ``meanings`` see `describe_value`."""
    if error["type"] in _EXPECTED:
        return _EXPECTED[error["type"]]
    # Pydantic writes "Input should be …" or "Dictionary should have …".
    return meanings.get(pattern_of(error)) or re.sub(r"^.* should (be|have) ", "", error["msg"])


def pattern_of(error: ErrorDetails) -> str:
    """Return the regular expression that a text did not match; empty for other errors."""
    return error.get("ctx", {}).get("pattern", "")


def quote(value: Any) -> str:
    """Return a value as Python writes it, shortened."""
    return shorten(repr(value))


def shorten(text: str) -> str:
    """Return a text of at most the length that a message shows, with an ellipsis if it was longer."""
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
