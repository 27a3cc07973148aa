"""Describe the errors of pydantic in words for users: which field, what was expected, and what it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

_LONGEST_VALUE = 80
# What was expected, by pydantic's type of the error.
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "an object",
    "string_type": "a text",
}
# Pydantic ends the place of an error in a union with the member that did not match.
_UNION_MEMBERS = frozenset({"str", "int", "float", "dict[str,any]", "list[str]", "constrained-list"})


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
    errors_of_fields: dict[str, list[Any]] = {}
    for entry in error.errors(include_url=False):
        errors_of_fields.setdefault(_field(entry["loc"]), []).append(entry)
    return [f"{field}{': ' if field else ''}{_problem(entries)}" for field, entries in errors_of_fields.items()]


def _field(location: Iterable[str | int]) -> str:
    parts = list(location)
    while parts and parts[-1] in _UNION_MEMBERS:
        parts.pop()
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _problem(entries: list[Any]) -> str:
    """Describe the errors of one field; a field of several types has one error for each of them."""
    first = entries[0]
    if first["type"] == "missing":
        return "is missing"
    if not all(entry["type"] in _EXPECTED for entry in entries):
        wrong = next(entry for entry in entries if entry["type"] not in _EXPECTED)
        cause = wrong.get("ctx", {}).get("error")
        return f"{cause or wrong['msg']}, got {_quoted(wrong['input'])}"
    expected = dict.fromkeys(_EXPECTED[entry["type"]] for entry in entries)
    return f"expected {' or '.join(expected)}, got {_quoted(first['input'])}"


def _quoted(value: Any) -> str:
    return f"{value!r:.{_LONGEST_VALUE}}"
