"""Helper for regular expressions."""

from __future__ import annotations

import re


def end_of_match(pattern: re.Pattern[str], text: str, start: int = 0) -> int:
    """Return the position after the match of ``pattern`` at ``start``; ``start`` if it does not match there.

    >>> end_of_match(re.compile(" *"), "  B"), end_of_match(re.compile("A"), "B")
    (2, 0)
    """
    match = pattern.match(text, start)
    return match.end() if match else start
