"""The garbage collector while a command starts and ends.

Importing the harness makes half a million objects that stay. Looking through all of them for garbage,
again and again as they become more, is much of the time of a short run: see benchmarks/start_up.py.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

# After so many new objects, and so many collections of younger ones, objects are looked through.
_WHILE_IMPORTING = (100_000, 50, 100)
_before: tuple[int, int, int] | None = None


@contextlib.contextmanager
def of_a_command() -> Iterator[None]:
    """Collect garbage seldom until `is_over`; not never, as some commands have no such moment. For a process that ends with the context."""
    global _before
    _before = gc.get_threshold()
    gc.set_threshold(*_WHILE_IMPORTING)
    try:
        yield
    finally:
        is_over()
        # An interpreter that ends looks through everything once more.
        gc.freeze()


def is_over() -> None:
    """Collect as often as before from here on, but not in what is there by now, until `forget`."""
    global _before
    if _before is not None:
        gc.set_threshold(*_before)
        gc.freeze()
        _before = None


def forget() -> None:
    """Look through everything again: what was there may have become garbage, such as the model of a run that is over."""
    gc.unfreeze()
