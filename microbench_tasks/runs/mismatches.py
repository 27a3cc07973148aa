"""Compare figures of two computations, and the data sources of two runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from microbench_tasks.data import source_identity
from microbench_tasks.data.source_identity import content_of
from microbench_tasks.runs.logged_runs import LoggedRun

# Figures closer than this are the same: files contain them in full.
TOLERANCE = 1e-9


def are_equal(before: Any, now: Any) -> bool:
    """Tell whether two figures are the same; numbers may differ by rounding, and NaN equals NaN.

    >>> are_equal(0.1 + 0.2, 0.3), are_equal(0.3, 0.31), are_equal({"parsed": 1}, {"parsed": 1})
    (True, False, True)
    """
    if isinstance(before, float) and isinstance(now, float):
        both_undefined = math.isnan(before) and math.isnan(now)
        return both_undefined or math.isclose(before, now, rel_tol=0, abs_tol=TOLERANCE)
    return before == now


def differing_figures(run: LoggedRun, scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Describe each figure of a run's record that differs from ``scores``; skip those that the record does not have."""
    pairs = (
        (name, metric, recorded.get(f"{metric},none"), value)
        for name, figures in scores.items()
        if (recorded := run.record.results.get(name)) is not None
        for metric, value in figures.items()
    )
    return [
        f"{name} {metric} ({before} in {run.results_name}, {now} now)"
        for name, metric, before, now in pairs
        if before is not None and not are_equal(before, now)
    ]


def is_older_interval_record(interval: Mapping[str, Any]) -> bool:
    """Tell whether a record of `interval_settings` is of a version in which every interval was a bootstrap interval."""
    return "method" in interval


def source_mismatch(recorded: Mapping[str, Any] | None, identity: Mapping[str, Any]) -> str:
    """Describe how a recorded data source differs from another one.

    Args:
        recorded: identity of the data source of a run; None or empty if it is not on record.
        identity: of the source to compare with. Where the data lie does not matter.

    Returns:
        The values of ``recorded`` that differ, and the names that it lacks. Empty if the sources are the same, both are
        the release, or nothing is recorded.
    """
    stated, expected = content_of(recorded or {}), content_of(identity)
    if not stated or (source_identity.is_release(stated) and source_identity.is_release(expected)):
        return ""
    changed = [f"{name} {value}" for name, value in stated.items() if name not in expected or value != expected[name]]
    return ", ".join(changed + [f"no {name}" for name in expected if name not in stated])
