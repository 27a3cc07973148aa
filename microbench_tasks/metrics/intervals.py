"""Confidence intervals of accuracies, pooled shares, macro means, scores and differences, clustered by image.

Each is the Clopper-Pearson interval at an effective number of answers: that many independent answers would have the
variance that is estimated from the clusters. ``docs/statistics.md`` has the formulas with their sources,
``benchmarks/coverage.md`` the measured coverage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from microbench_tasks.metrics.clustered_limits import (
    PRIOR_CLUSTERS,
    PRIOR_DIFFERENCES,
    ClusterTable,
    Labels,
    beta_limits,
    effective_numbers,
    macro_limits,
    tabulate,
    tabulate_units,
)

CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """Hold the two ends of a confidence interval."""

    low: float
    high: float


def accuracy_interval(scores: ArrayLike, clusters: Labels, *, confidence_level: float = CONFIDENCE_LEVEL) -> Interval:
    """Compute the interval of an accuracy.

    If each question has its own cluster, it is the exact Clopper-Pearson interval. If questions share clusters, it is
    the Clopper-Pearson interval at the effective number of questions.

    Args:
        scores: shape (n,), from 0 to 1: 1 for a right answer, 0 for a wrong one, or the mean over several decodings.
        clusters: shape (n,), labels: the image (or the dataset) of each question.
        confidence_level: above 0 and below 1.

    Returns:
        The interval, within 0 to 1. It is [0, 1] for a single cluster of several questions. Both ends are NaN for
        empty ``scores``.

    Raises:
        ValueError: an argument is out of range, or the numbers of labels and scores differ.

    Source: Clopper and Pearson 1934; Korn and Graubard 1998; see ``docs/statistics.md``.

    >>> round(accuracy_interval([0, 0], ["a", "b"]).high, 6)
    0.841886
    """
    values = _validate(scores, 0.0, confidence_level, clusters=clusters)
    return _mean_interval(values, clusters, PRIOR_CLUSTERS, confidence_level)


def score_interval(scores: ArrayLike, clusters: Labels, *, confidence_level: float = CONFIDENCE_LEVEL) -> Interval:
    """Compute the interval of the mean of continuous scores from 0 to 1, such as GRIT.

    The formula, the arguments, the result and the errors are those of `accuracy_interval`.

    Args:
        scores: shape (n,), from 0 to 1.
        clusters: shape (n,), labels: the image (or the dataset) of each score.
        confidence_level: above 0 and below 1.

    >>> interval = score_interval([0.2, 0.4, 0.9], ["a", "b", "c"])
    >>> 0 < interval.low < 0.5 < interval.high < 1
    True
    """
    return accuracy_interval(scores, clusters, confidence_level=confidence_level)


def share_interval(
    parts: ArrayLike, totals: ArrayLike, clusters: Labels, *, confidence_level: float = CONFIDENCE_LEVEL
) -> Interval:
    """Compute the interval of a pooled share, the sum of ``parts`` over the sum of ``totals``, such as a precision.

    It is `accuracy_interval` of the units that are counted (for a precision, of predicted boxes): those that belong to
    a part have the score 1, the others 0. The number of units of an image may depend on the answer.

    Args:
        parts: shape (n,), whole numbers from 0 to those of ``totals``.
        totals: shape (n,), whole numbers.
        clusters: shape (n,), labels: the image (or the dataset) of each pair of numbers.
        confidence_level: above 0 and below 1.

    Returns:
        The interval, within 0 to 1. Both ends are NaN if the sum of ``totals`` is 0.

    Raises:
        ValueError: an argument is out of range, or the numbers of labels and values differ.

    Source: as `accuracy_interval`.

    >>> share_interval([1, 0], [1, 1], ["a", "b"]) == accuracy_interval([1, 0], ["a", "b"])
    True
    """
    of_parts, of_totals = _validate_numbers(parts, totals)
    values = np.divide(of_parts, of_totals, out=np.zeros(of_parts.shape), where=of_totals > 0)
    _validate(values, 0.0, confidence_level, clusters=clusters)
    counted = of_totals > 0
    if not counted.any():
        return Interval(np.nan, np.nan)
    counted_clusters = [label for label, is_in in zip(clusters, counted, strict=True) if is_in]
    table = tabulate_units(of_parts[counted], of_totals[counted], counted_clusters)
    return _table_interval(table, PRIOR_CLUSTERS, confidence_level)


def difference_interval(
    differences: ArrayLike, clusters: Labels, *, confidence_level: float = CONFIDENCE_LEVEL
) -> Interval:
    """Compute the interval of the mean difference of two scores of the same questions.

    Args:
        differences: shape (n,), from -1 to 1.
        clusters: shape (n,), labels: the image (or the dataset) of each question.
        confidence_level: above 0 and below 1.

    Returns:
        The interval, within -1 to 1. If all differences are 0, its width is about 5.5 / m for m clusters.

    Raises:
        ValueError: an argument is out of range, or the numbers of labels and differences differ.

    Source: as `accuracy_interval`.

    >>> difference_interval([0, 0, 0], ["a", "b", "c"]).high < 1
    True
    """
    values = _validate(differences, -1.0, confidence_level, clusters=clusters)
    interval = _mean_interval((1 + values) / 2, clusters, PRIOR_DIFFERENCES, confidence_level)
    return Interval(2 * interval.low - 1, 2 * interval.high - 1)


def macro_interval(
    scores: ArrayLike, groups: Labels, clusters: Labels, *, confidence_level: float = CONFIDENCE_LEVEL
) -> Interval:
    """Compute the interval of the unweighted mean of several groups' mean scores.

    Groups may share clusters in any pattern: their correlation is estimated from the clusters that they share.

    Args:
        scores: shape (n,), from 0 to 1: 1 for a right answer, 0 for a wrong one, or the mean over several decodings.
        groups: shape (n,), labels: the task of each question.
        clusters: shape (n,), labels: the image (or the dataset) of each question.
        confidence_level: above 0 and below 1.

    Returns:
        The interval, within 0 to 1; both ends are NaN for empty ``scores``.

    Raises:
        ValueError: an argument is out of range, or the numbers of labels and scores differ.

    Source: Satterthwaite 1946 for the degrees of freedom; see ``docs/statistics.md``.

    >>> macro_interval([1, 1, 1], ["domain", "domain", "stain"], ["a", "b", "a"]).high
    1.0
    """
    values = _validate(scores, 0.0, confidence_level, groups=groups, clusters=clusters)
    if not values.size:
        return Interval(np.nan, np.nan)
    low, high = macro_limits(tabulate(values, clusters, groups), confidence_level)
    return Interval(float(low), float(high))


def _validate(scores: ArrayLike, lowest: float, confidence_level: float, **labels: Labels) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"Expected scores of shape (n,), got shape {values.shape}.")
    is_outside = ~((values >= lowest) & (values <= 1))
    if is_outside.any():
        raise ValueError(f"Expected scores from {lowest:g} to 1, got {np.count_nonzero(is_outside)} others.")
    for name, of_scores in labels.items():
        if len(of_scores) != len(values):
            raise ValueError(f"Expected a label for each score in {name}, {len(values)} in all; got {len(of_scores)}.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"Expected a confidence level between 0 and 1, got {confidence_level}.")
    return values


def _validate_numbers(parts: ArrayLike, totals: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    of_parts, of_totals = np.asarray(parts, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    if of_parts.ndim != 1 or of_parts.shape != of_totals.shape:
        raise ValueError(f"Expected parts and totals of one shape (n,), got {of_parts.shape} and {of_totals.shape}.")
    are_numbers = (of_parts == np.floor(of_parts)) & (of_totals == np.floor(of_totals))
    is_outside = ~(are_numbers & (of_parts >= 0) & (of_parts <= of_totals) & np.isfinite(of_totals))
    if is_outside.any():
        raise ValueError(
            f"Expected whole numbers from 0 to their totals, got {np.count_nonzero(is_outside)} pairs of others."
        )
    return of_parts, of_totals


def _mean_interval(values: np.ndarray, clusters: Labels, prior: float, confidence_level: float) -> Interval:
    if not values.size:
        return Interval(np.nan, np.nan)
    return _table_interval(tabulate(values, clusters), prior, confidence_level)


def _table_interval(table: ClusterTable, prior: float, confidence_level: float) -> Interval:
    """Compute the interval of the mean of a table with one group."""
    (mean,) = table.means
    if table.is_single:
        return _beta_interval(mean, float(table.num_scores[0]), np.inf, confidence_level)
    (effective,) = effective_numbers(table, prior)
    return _beta_interval(mean, effective, table.sums.shape[1] - 1, confidence_level)


def _beta_interval(mean: float, effective_number: float, degrees: float, confidence_level: float) -> Interval:
    low, high = beta_limits(np.asarray(mean), np.asarray(effective_number), np.asarray(degrees), confidence_level)
    return Interval(float(low), float(high))
