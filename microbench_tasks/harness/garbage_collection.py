"""Relax garbage collection while a command starts and where samples are summarized, and skip the last collection.

Importing the harness creates half a million objects that stay. Python scans all of them again and again while their
number grows, which is much of the time of a short run (`benchmarks/start_up.py`).
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

# Thresholds of the three generations: new objects, and collections of the next younger generation.
_RELAXED_THRESHOLDS = (100_000, 50, 100)
_normal_thresholds: tuple[int, int, int] | None = None
_has_frozen_base = False


@contextlib.contextmanager
def relaxed_gc() -> Iterator[None]:
    """Collect garbage rarely until `restore_gc`, and never when the interpreter ends.

    Collection is not switched off, since some commands never call `restore_gc`. Use it only around the whole work of
    a process.
    """
    global _normal_thresholds
    _normal_thresholds = gc.get_threshold()
    gc.set_threshold(*_RELAXED_THRESHOLDS)
    try:
        yield
    finally:
        restore_gc()
        # An ending interpreter would scan all objects once more.
        gc.freeze()


@contextlib.contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage rarely within a short step that has all samples of a run in memory.

    Scanning the samples of the whole release once takes a second.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_RELAXED_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def restore_gc() -> None:
    """Restore the normal thresholds; objects that exist now are not scanned until `unfreeze_gc`."""
    global _normal_thresholds
    if _normal_thresholds is not None:
        gc.set_threshold(*_normal_thresholds)
        gc.freeze()
        _normal_thresholds = None


def unfreeze_gc() -> None:
    """Scan all objects again: some may have become garbage, such as the model of a finished run.

    Within `frozen_base` those that existed at its start stay unscanned.
    """
    if not _has_frozen_base:
        gc.unfreeze()


@contextlib.contextmanager
def frozen_base() -> Iterator[None]:
    """Collect what one of several runs leaves, without scanning what existed before it.

    Scanning the objects of all imports takes a second, which is as long as some runs.
    """
    global _has_frozen_base
    restore_gc()
    gc.freeze()
    _has_frozen_base = True
    try:
        yield
    finally:
        _has_frozen_base = False
        gc.collect()
