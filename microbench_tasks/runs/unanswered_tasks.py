"""Keep only the figures that a task without any answer still has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Figures that say how a task was answered, and not how well.
_KEPT_FIGURES = ("failed", "unparsed_by_kind", "counts", "boxes_counts")


def without_scores(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures, by the names of metrics, that a task without any answer has all the same."""
    return {metric: value for metric, value in figures.items() if metric.removesuffix("_stderr") in _KEPT_FIGURES}
