"""Confidence intervals of accuracies, pooled shares, macro means, scores and differences, clustered by image.

Each is the Clopper-Pearson interval at an effective number of answers: that many independent answers would have the
variance that is estimated from the clusters. ``docs/statistics.md`` has the formulas with their sources,
``benchmarks/coverage.md`` the measured coverage.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

# Labels of clusters or groups: any hashable values, shape (n,).
Labels = Sequence[Hashable] | np.ndarray

CONFIDENCE_LEVEL = 0.95

ABOUT_IMAGES = "The interval is about new images of the same datasets: it says nothing about other datasets."
ABOUT_GROUPS = (
    "Where images have groups, such as slides, the interval is about new groups: it counts each as one observation."
)
ABOUT_DATASETS = "The interval is about new datasets like these: it counts each dataset as one observation."

# Pseudo-clusters of the largest possible variance that are added to the observed clusters. Chosen by simulation: with
# fewer, the coverage is too low if few images are informative (docs/statistics.md).
PRIOR_CLUSTERS = 4
# The same for differences: in effect one cluster of +1 and one of -1.
PRIOR_DIFFERENCES = 2
# Residuals below this share of their maximum are rounding errors.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """Hold the two ends of a confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class ClusterTable:
    """Hold scores summed by group and cluster; leading axes, if any, are separate data sets.

    Attributes:
        sums, sizes: sum and number of the scores of each group in each cluster, shape (…, G, m).
        squares: sum of the squared scores of each group, shape (…, G).
        is_single: whether every score is 0 or 1 and every cluster has one score.
    """

    sums: np.ndarray
    sizes: np.ndarray
    squares: np.ndarray
    is_single: bool

    @property
    def num_scores(self) -> np.ndarray:
        """Return the number of scores of each group, shape (…, G)."""
        return self.sizes.sum(axis=-1)

    @property
    def means(self) -> np.ndarray:
        """Return the mean score of each group, shape (…, G)."""
        return self.sums.sum(axis=-1) / self.num_scores

    @property
    def residuals(self) -> np.ndarray:
        """Return the sums less their expectation under the group's mean, shape (…, G, m)."""
        return self.sums - self.sizes * self.means[..., None]

    @property
    def clusters_of_group(self) -> np.ndarray:
        """Return the number of clusters with scores of each group, shape (…, G)."""
        return np.count_nonzero(self.sizes, axis=-1)


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
    cluster, num_clusters = _label_codes([label for label, is_in in zip(clusters, counted, strict=True) if is_in])
    sums, sizes = (
        np.bincount(cluster, weights=numbers[counted], minlength=num_clusters)[None]
        for numbers in (of_parts, of_totals)
    )
    by_content = np.lexsort((*sums, *sizes))
    is_single = bool((sizes == 1).all())
    table = ClusterTable(sums[:, by_content], sizes[:, by_content], sums.sum(axis=1), is_single)
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
    low, high = macro_limits(_tabulate(values, clusters, groups), confidence_level)
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
    return _table_interval(_tabulate(values, clusters), prior, confidence_level)


def _table_interval(table: ClusterTable, prior: float, confidence_level: float) -> Interval:
    """Compute the interval of the mean of a table with one group."""
    (mean,) = table.means
    if table.is_single:
        return _beta_interval(mean, float(table.num_scores[0]), np.inf, confidence_level)
    (effective,) = effective_numbers(table, prior)
    return _beta_interval(mean, effective, table.sums.shape[1] - 1, confidence_level)


def _tabulate(values: np.ndarray, clusters: Labels, groups: Labels | None = None) -> ClusterTable:
    cluster, num_clusters = _label_codes(clusters)
    group, num_groups = _label_codes(groups) if groups is not None else (np.zeros(len(values), dtype=int), 1)
    cell, shape = group * num_clusters + cluster, (num_groups, num_clusters)
    # Scores and clusters are sorted before they are summed, so that their order changes no figure to the last bit.
    order = np.argsort(values, kind="stable")
    sums = np.bincount(cell[order], weights=values[order], minlength=num_groups * num_clusters).reshape(shape)
    sizes = np.bincount(cell, minlength=num_groups * num_clusters).reshape(shape).astype(np.float64)
    by_content = np.lexsort((*sums, *sizes))
    squares = np.bincount(group[order], weights=values[order] ** 2)
    is_single = num_clusters == len(values) and bool(((values == 0) | (values == 1)).all())
    return ClusterTable(sums[:, by_content], sizes[:, by_content], squares, is_single)


def _label_codes(labels: Labels) -> tuple[np.ndarray, int]:
    """Return an integer from 0 for each label, shape (n,), and the number of distinct labels."""
    names = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return np.fromiter(map(codes.__getitem__, names), dtype=np.int64, count=len(names)), len(codes)


def effective_numbers(table: ClusterTable, prior: float) -> np.ndarray:
    """Compute the effective number of independent 0/1 scores for each group's mean, shape (…, G).

    The variance is a weighted mean of the cluster-robust variance and the largest possible one, that of clusters which
    are all 0 or all 1. The weight of the former is the number of clusters that are not entirely 0, or not entirely 1,
    whichever is smaller. Large clusters count more than small ones.
    """
    means, numbers, num_clusters = table.means, table.num_scores, table.clusters_of_group
    spread = means * (1 - means)
    weights = table.sizes**2
    total_weight = weights.sum(axis=-1)
    squared_residuals = (table.residuals**2).sum(axis=-1)
    robust = num_clusters / np.maximum(num_clusters - 1, 1) * squared_residuals / numbers**2
    independent = (table.squares - numbers * means**2) / numbers**2
    kish = numbers**2 / total_weight
    with_right = (weights * (table.sums > 0)).sum(axis=-1)
    with_wrong = (weights * (table.sums < table.sizes)).sum(axis=-1)
    informative = np.minimum(with_right, with_wrong) * total_weight / (weights**2).sum(axis=-1)
    variance = (informative * np.maximum(robust, independent) + prior * spread / kish) / (informative + prior)
    return np.divide(spread, variance, out=kish.copy(), where=spread > 0)


def macro_limits(table: ClusterTable, confidence_level: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute the limits of the unweighted mean of the groups' means, each of shape (…)."""
    means, effective = table.means, effective_numbers(table, PRIOR_CLUSTERS)
    num_groups = means.shape[-1]
    # One right and one wrong pseudo-answer: without them, a small group of right answers alone would have no variance.
    smoothed = (means * effective + 1) / (effective + 2)
    errors = np.sqrt(smoothed * (1 - smoothed) / effective) / num_groups
    shares = (_correlations(table) * errors[..., :, None] * errors[..., None, :]).sum(axis=-1)
    variance, center = shares.sum(axis=-1), smoothed.mean(axis=-1)
    satterthwaite = variance**2 / (shares**2 / np.maximum(table.clusters_of_group - 1, 1)).sum(axis=-1)
    degrees = satterthwaite if table.sums.shape[-1] > 1 else np.zeros_like(satterthwaite)
    return beta_limits(means.mean(axis=-1), center * (1 - center) / variance, degrees, confidence_level)


def _correlations(table: ClusterTable) -> np.ndarray:
    """Estimate the correlations of the groups' means, shape (…, G, G), from 0 to 1.

    If all answers of a group are equal, the residuals give no information: the largest possible correlation is used.
    """
    products, scale = _products(table.residuals)
    overlap, overlap_scale = _products(table.sizes)
    largest = np.broadcast_to(overlap / overlap_scale, products.shape).copy()
    is_estimable = scale > _ROUNDING * overlap_scale
    correlations = np.clip(np.divide(products, scale, out=largest, where=is_estimable), 0.0, 1.0)
    return np.where(np.eye(products.shape[-1], dtype=bool), 1.0, correlations)


def _products(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the dot products of all pairs of rows, and the products of their norms, each of shape (…, G, G)."""
    products = rows @ np.swapaxes(rows, -1, -2)
    lengths = np.sqrt(np.diagonal(products, axis1=-2, axis2=-1))
    return products, lengths[..., :, None] * lengths[..., None, :]


def _beta_interval(mean: float, effective_number: float, degrees: float, confidence_level: float) -> Interval:
    low, high = beta_limits(np.asarray(mean), np.asarray(effective_number), np.asarray(degrees), confidence_level)
    return Interval(float(low), float(high))


def beta_limits(
    mean: np.ndarray, effective_number: np.ndarray, degrees: np.ndarray, confidence_level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compute Clopper-Pearson limits at effective numbers of answers, reduced for few degrees of freedom."""
    tail = (1 - confidence_level) / 2
    has_degrees = degrees > 0
    widening = special.stdtrit(np.where(has_degrees, degrees, 1), tail) / special.ndtri(tail)
    number = np.where(has_degrees, effective_number / widening**2, 0.0)
    right, wrong = mean * number, (1 - mean) * number
    low = np.where(right > 0, special.betaincinv(right, wrong + 1, tail), 0.0)
    high = np.where(wrong > 0, special.betaincinv(right + 1, wrong, 1 - tail), 1.0)
    return low, high
