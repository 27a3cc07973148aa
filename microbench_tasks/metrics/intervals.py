"""Confidence intervals of accuracies, macro means, continuous scores and differences, clustered by image.

Each interval is Clopper and Pearson's, at an effective number of answers. That number is what independent answers would need
to have the variance that the clusters show. ``docs/statistics.md`` has the formulas and their sources,
``benchmarks/coverage.md`` has how often they contain the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

CONFIDENCE_LEVEL = 0.95

ABOUT_IMAGES = "The interval is about new images of the same datasets: it says nothing about other datasets."
ABOUT_DATASETS = "The interval is about new datasets like these: it counts each dataset as one observation."

# Pseudo-clusters of the largest possible variance that are added to the variance of the clusters.
_PRIOR_ACCURACY = 2
_PRIOR_SCORE = 4


@dataclass(frozen=True)
class Interval:
    """The two ends of a confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class _Clusters:
    """Sums of scores and numbers of scores of m clusters, each of shape (m,), and the n scores themselves."""

    sums: np.ndarray
    sizes: np.ndarray
    scores: np.ndarray

    @property
    def num_scores(self) -> int:
        return len(self.scores)

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.num_scores)

    @property
    def kish_number(self) -> float:
        """The effective number of clusters if the scores of a cluster are all equal (Kish 1965)."""
        return float(self.num_scores**2 / (self.sizes**2).sum())

    def robust_variance(self) -> float:
        """Cluster-robust variance of the mean as a ratio of two sums; NaN with one cluster."""
        num_clusters = len(self.sums)
        if num_clusters < 2:
            return np.nan
        residuals = self.sums - self.sizes * self.mean
        return float(num_clusters / (num_clusters - 1) * (residuals**2).sum() / self.num_scores**2)


def accuracy_interval(scores: ArrayLike, clusters: ArrayLike, *, confidence_level: float = CONFIDENCE_LEVEL) -> Interval:
    """Compute the interval of an accuracy: Clopper-Pearson, at the effective number of answers where questions share images.

    Args:
        scores: shape (n,), from 0 to 1: whether each answer is right, or the share of right ones of several decodings.
        clusters: shape (n,), labels: the image (or the dataset) of each question.
        confidence_level: between 0 and 1, both excluded.

    Returns:
        The interval, within 0 to 1; NaN at both ends without a score.

    Raises:
        ValueError: an argument is out of range, or labels are not as many as scores.

    >>> accuracy_interval([0, 0], ["a", "b"])
    Interval(low=0.0, high=0.8418861169915808)
    """
    values = _checked(scores, 0.0, confidence_level, clusters=clusters)
    if not values.size:
        return Interval(np.nan, np.nan)
    sample = _clustered(values, clusters)
    if len(sample.sums) == len(values) and np.isin(values, (0, 1)).all():
        return _beta_interval(sample.mean, len(values), np.inf, confidence_level)
    independent = float(((values - sample.mean) ** 2).sum() / len(values) ** 2)
    num_informative = min(np.count_nonzero(sample.sums > 0), np.count_nonzero(sample.sums < sample.sizes))
    variance = _shrunk_variance(sample, max(sample.robust_variance(), independent), num_informative, _PRIOR_ACCURACY)
    return _beta_interval(sample.mean, _effective_number(sample, variance), len(sample.sums) - 1, confidence_level)


def score_interval(scores: ArrayLike, clusters: ArrayLike, *, confidence_level: float = CONFIDENCE_LEVEL) -> Interval:
    """Compute the interval of the mean of scores between 0 and 1, such as GRIT; arguments as in `accuracy_interval`."""
    values = _checked(scores, 0.0, confidence_level, clusters=clusters)
    if not values.size:
        return Interval(np.nan, np.nan)
    return _score_interval(_clustered(values, clusters), confidence_level)


def difference_interval(differences: ArrayLike, clusters: ArrayLike, *, confidence_level: float = CONFIDENCE_LEVEL) -> Interval:
    """Compute the interval, within -1 to 1, of the mean of differences of two scores of the same questions."""
    values = _checked(differences, -1.0, confidence_level, clusters=clusters)
    if not values.size:
        return Interval(np.nan, np.nan)
    interval = _score_interval(_clustered((1 + values) / 2, clusters), confidence_level)
    return Interval(2 * interval.low - 1, 2 * interval.high - 1)


def macro_interval(scores: ArrayLike, groups: ArrayLike, clusters: ArrayLike, *, confidence_level: float = CONFIDENCE_LEVEL) -> Interval:
    """Compute the interval of the unweighted mean of several groups' (tasks') accuracies.

    Args:
        scores, clusters, confidence_level: as in `accuracy_interval`.
        groups: shape (n,), labels: the task of each question.
    """
    values = _checked(scores, 0.0, confidence_level, groups=groups, clusters=clusters)
    if not values.size:
        return Interval(np.nan, np.nan)
    group, cluster = _codes(groups), _codes(clusters)
    num_groups, num_clusters = group.max() + 1, cluster.max() + 1
    order = np.argsort(values, kind="stable")
    cell = group * num_clusters + cluster
    shape = (num_groups, num_clusters)
    sums = np.bincount(cell[order], weights=values[order], minlength=num_groups * num_clusters).reshape(shape)
    sizes = np.bincount(cell, minlength=num_groups * num_clusters).reshape(shape)
    numbers = sizes.sum(axis=1)
    means = sums.sum(axis=1) / numbers
    effective = numbers**2 / (sizes**2).sum(axis=1)
    smoothed = (means * effective + 1) / (effective + 2)
    errors = np.sqrt(smoothed * (1 - smoothed) / effective)
    shares = _correlations(sums - sizes * means[:, None], sizes) * np.outer(errors, errors) / num_groups**2
    variance, center = float(shares.sum()), float(smoothed.mean())
    degrees = variance**2 / (shares.sum(axis=1) ** 2 / np.maximum(effective - 1, 1)).sum()
    return _beta_interval(float(means.mean()), center * (1 - center) / variance, degrees, confidence_level)


def _checked(scores: ArrayLike, lowest: float, confidence_level: float, **labels: ArrayLike) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"Expected scores of shape (n,), got shape {values.shape}.")
    is_outside = ~((values >= lowest) & (values <= 1))
    if is_outside.any():
        raise ValueError(f"Expected scores from {lowest:g} to 1, got {np.count_nonzero(is_outside)} others.")
    for name, given in labels.items():
        if len(given) != len(values):
            raise ValueError(f"Expected a label for each score in {name}, {len(values)} in all; got {len(given)}.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"Expected a confidence level between 0 and 1, got {confidence_level}.")
    return values


def _codes(labels: ArrayLike) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].ravel()


def _clustered(values: np.ndarray, clusters: ArrayLike) -> _Clusters:
    codes = _codes(clusters)
    # Scores, then clusters are added in the order of their size, so that rounding does not depend on order and names.
    order = np.argsort(values, kind="stable")
    sums, sizes = np.bincount(codes[order], weights=values[order]), np.bincount(codes)
    by_size = np.lexsort((sums, sizes))
    return _Clusters(sums[by_size], sizes[by_size], values[order])


def _score_interval(sample: _Clusters, confidence_level: float) -> Interval:
    num_informative = min(np.count_nonzero(sample.sums > 0), np.count_nonzero(sample.sums < sample.sizes))
    variance = _shrunk_variance(sample, sample.robust_variance(), num_informative, _PRIOR_SCORE)
    return _beta_interval(sample.mean, _effective_number(sample, variance), len(sample.sums) - 1, confidence_level)


def _shrunk_variance(sample: _Clusters, variance: float, num_informative: int, prior: float) -> float:
    largest = sample.mean * (1 - sample.mean) / sample.kish_number
    return (num_informative * variance + prior * largest) / (num_informative + prior)


def _effective_number(sample: _Clusters, variance: float) -> float:
    if not 0 < sample.mean < 1:
        return sample.kish_number
    return sample.mean * (1 - sample.mean) / variance


def _correlations(residuals: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Correlations of the groups' means, shape (G, G), from 0 to 1: the largest possible where residuals do not tell."""
    norms = np.sqrt((residuals**2).sum(axis=1))
    products = np.outer(norms, norms)
    overlap = sizes @ sizes.T / np.sqrt(np.outer((sizes**2).sum(axis=1), (sizes**2).sum(axis=1)))
    found = np.divide(residuals @ residuals.T, products, out=overlap, where=products > 0)
    np.fill_diagonal(found, 1.0)
    return np.clip(found, 0.0, 1.0)


def _beta_interval(mean: float, effective_number: float, degrees: float, confidence_level: float) -> Interval:
    """Clopper-Pearson limits at a number of answers that need not be whole, widened for few degrees of freedom."""
    tail = (1 - confidence_level) / 2
    if degrees <= 0:
        return Interval(0.0, 1.0)
    number = effective_number * (special.ndtri(tail) / special.stdtrit(degrees, tail)) ** 2
    right, wrong = mean * number, (1 - mean) * number
    return Interval(
        low=float(special.betaincinv(right, wrong + 1, tail)) if right > 0 else 0.0,
        high=float(special.betaincinv(right + 1, wrong, 1 - tail)) if wrong > 0 else 1.0,
    )
