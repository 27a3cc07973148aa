"""Define how long-running functions report progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

# Wraps items in a progress bar, given what they are.
Progress = Callable[[Iterable[Any], str], Iterable[Any]]


def no_progress(items: Iterable[Any], what: str) -> Iterable[Any]:
    """No progress."""
    return items
