"""Read per-option probabilities, which contrastive models write on a response's last line."""

from __future__ import annotations

import json

from microbench_tasks.catalog.questions import LETTERS


def probabilities(response: str, num_options: int) -> dict[str, float] | None:
    """Return the per-option probabilities on a response's last line, None if there are none.

    The line is a JSON object ``{"probabilities": {letter: number}}`` with exactly the question's letters. It may be the
    only line.
    """
    line = response.rpartition("\n")[2]
    if "{" not in line:
        return None
    try:
        shares = json.loads(line)["probabilities"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(shares, dict) or list(shares) != list(LETTERS[:num_options]):
        return None
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in shares.values()):
        return None
    return shares


def split_probabilities(response: str) -> tuple[str, str]:
    """Split a response into its text and a last line of probabilities of any letters; either may be empty."""
    text, line_break, line = response.rpartition("\n")
    return (text, line_break + line) if line.startswith('{"probabilities": {') else (response, "")
