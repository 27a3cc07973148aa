"""Collect what is wrong with a user's images and tables, and report it at once."""

from __future__ import annotations

from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line

_MOST_LISTED = 10


class Problems:
    """Collect problems, each with its place and what to do."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, place: str, text: str) -> None:
        """Add a problem at ``place``, such as ``labels.csv line 3``."""
        self._texts.append(printable_line(f"{place}: {text}"))

    def raise_any(self, source: str) -> None:
        """Raise `DataError` with the first problems and the number of the others; do nothing if there are none.

        Args:
            source: names what the dataset is made of.
        """
        if not self._texts:
            return
        listed = "".join(f"\n  - {text}" for text in self._texts[:_MOST_LISTED])
        hidden = len(self._texts) - _MOST_LISTED
        more = f"\n  - and {hidden} more" if hidden > 0 else ""
        count = "1 problem" if len(self._texts) == 1 else f"{len(self._texts)} problems"
        raise DataError(f"{source}: {count}. Nothing was written.{listed}{more}")
