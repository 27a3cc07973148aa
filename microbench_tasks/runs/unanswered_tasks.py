"""Keep only the figures that a task without any answer still has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def without_scores(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures, by the names of metrics, that a task without any answer has all the same."""
    # The launcher imports this module; the table takes long to import.
    from microbench_tasks.tasks.metric_table import METRICS

    kept = {metric.name for metric in METRICS if metric.kept_without_answers}
    return {metric: value for metric, value in figures.items() if metric.removesuffix("_stderr") in kept}
