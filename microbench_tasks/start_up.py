"""The garbage collector while a command starts.

Importing the harness makes a million objects that stay. Looking through all of them for garbage, again
and again as they become more, is a sixth of the time that a run needs to start.
"""

from __future__ import annotations

import gc

# After so many new objects, and so many collections of younger ones, objects are looked through.
_WHILE_IMPORTING = (100_000, 50, 100)
_before: tuple[int, int, int] | None = None


def begin() -> None:
    """Collect garbage seldom until `end`; not never, as some commands go on without it."""
    global _before
    if _before is None:
        _before = gc.get_threshold()
        gc.set_threshold(*_WHILE_IMPORTING)


def end() -> None:
    """Collect as often as before `begin`, without what is there by now; nothing if that was not called."""
    global _before
    if _before is not None:
        gc.freeze()
        gc.set_threshold(*_before)
        _before = None
