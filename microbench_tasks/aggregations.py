"""What the YAML of tasks and groups names as aggregations.

The harness hands a group the very numbers that its tasks' aggregations returned. They carry
the scores they were made of, so that a group pools questions instead of averaging averages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from microbench_tasks.metrics.bootstrap import bootstrap_interval


class ScoredFloat(float):
    """A figure that remembers the scores it summarises (``scores``, shape (n,))."""

    scores: np.ndarray

    def __new__(cls, value: float, scores: np.ndarray) -> ScoredFloat:
        figure = super().__new__(cls, value)
        figure.scores = scores
        return figure


def microbench_acc(items: Sequence[dict[str, Any]]) -> ScoredFloat:
    """Accuracy by the paper's rule: the mean of 0/1 over all questions."""
    return _mean(_column(items, "acc"))


def microbench_acc_ci_low(items: Sequence[dict[str, Any]]) -> ScoredFloat:
    """Lower end of the accuracy's 95 % basic bootstrap interval."""
    return _ci_low(_column(items, "correct"))


def microbench_acc_ci_high(items: Sequence[dict[str, Any]]) -> ScoredFloat:
    """Upper end of the accuracy's 95 % basic bootstrap interval."""
    return _ci_high(_column(items, "correct"))


def microbench_pooled_acc(figures: Sequence[ScoredFloat], sizes: Sequence[int], weight_by_size: bool) -> ScoredFloat:
    """A group's accuracy: the mean over all questions of its tasks, as in the paper's tables.

    ``sizes`` and ``weight_by_size`` are the harness's; pooling weighs each question alike.
    """
    return _mean(_pool(figures))


def microbench_pooled_acc_ci_low(figures: Sequence[ScoredFloat], sizes: Sequence[int], weight_by_size: bool) -> ScoredFloat:
    """Lower end of the interval of `microbench_pooled_acc`, over pooled questions."""
    return _ci_low(_pool(figures))


def microbench_pooled_acc_ci_high(figures: Sequence[ScoredFloat], sizes: Sequence[int], weight_by_size: bool) -> ScoredFloat:
    """Upper end of the interval of `microbench_pooled_acc`, over pooled questions."""
    return _ci_high(_pool(figures))


def _column(items: Sequence[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([item[name] for item in items], dtype=np.float64)


def _pool(figures: Sequence[ScoredFloat]) -> np.ndarray:
    return np.concatenate([figure.scores for figure in figures])


def _mean(scores: np.ndarray) -> ScoredFloat:
    return ScoredFloat(scores.mean() if scores.size else np.nan, scores)


def _ci_low(scores: np.ndarray) -> ScoredFloat:
    return ScoredFloat(bootstrap_interval(scores).low, scores)


def _ci_high(scores: np.ndarray) -> ScoredFloat:
    return ScoredFloat(bootstrap_interval(scores).high, scores)
