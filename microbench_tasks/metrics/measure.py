"""Compare several models by one metric: scores, weights and confidence intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from microbench_tasks.metrics.intervals import Interval, macro_interval
from microbench_tasks.metrics.paired import LEVEL, Comparison, compare_models


@dataclass(frozen=True)
class Measure:
    """Hold the scores of several models by one metric.

    Attributes:
        scores: shape (k, n), of k models on n questions.
        images, tasks: shape (n,), labels of each question.
        interval_of: computes the interval of a mean from scores and images; None for a macro mean over tasks.
    """

    scores: np.ndarray
    images: np.ndarray
    tasks: np.ndarray
    interval_of: Callable[[np.ndarray, np.ndarray], Interval] | None

    def interval(self, model: int) -> Interval:
        """Compute the 95 % interval of a model's mean, by image."""
        if self.interval_of is None:
            return macro_interval(self.scores[model], self.tasks, self.images)
        return self.interval_of(self.scores[model], self.images)

    def means(self) -> np.ndarray:
        """Compute the mean score of each model, shape (k,); for a macro mean, each task is weighed alike."""
        return np.average(self.scores, axis=1, weights=self._weights())

    def compare(self, level: float = LEVEL) -> Comparison:
        """Compare all pairs of models; ``level`` is the error rate over all pairs."""
        return compare_models(self.scores, self.images, weights=self._weights(), level=level)

    def of_models(self, models: Sequence[int]) -> Measure:
        """Return the scores of some of the models, by their positions."""
        return dataclasses.replace(self, scores=self.scores[list(models)])

    def _weights(self) -> np.ndarray | None:
        return 1 / np.bincount(self.tasks)[self.tasks] if self.interval_of is None else None
