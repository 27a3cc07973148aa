"""Read per-option probabilities, which stand on the last line of a response of a model that gives them."""

from __future__ import annotations

import json

from microbench_tasks.catalog.questions import LETTERS


def probabilities(response: str, num_options: int) -> dict[str, float] | None:
    r"""Return the per-option probabilities on a response's last line, None if there are none.

    The line is a JSON object ``{"probabilities": {letter: number}}`` with exactly the question's letters. It may be the
    only line. Letters whose probability a server did not tell are listed under ``absent`` instead; at least one letter
    has a probability.

    >>> probabilities('B\n{"probabilities": {"B": 0.75}, "absent": ["A"]}', 2)
    {'B': 0.75}
    """
    line = response.rpartition("\n")[2]
    if "{" not in line:
        return None
    try:
        record = json.loads(line)
        shares, absent = record["probabilities"], record.get("absent", [])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if not isinstance(shares, dict) or not shares or not isinstance(absent, list):
        return None
    letters = list(LETTERS[:num_options])
    if [letter for letter in letters if letter not in absent] != list(shares):
        return None
    if [letter for letter in letters if letter not in shares] != absent:
        return None
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in shares.values()):
        return None
    return shares


def split_probabilities(response: str) -> tuple[str, str]:
    """Split a response into its text and a last line of probabilities of any letters; either may be empty."""
    text, line_break, line = response.rpartition("\n")
    return (text, line_break + line) if line.startswith('{"probabilities": {') else (response, "")
