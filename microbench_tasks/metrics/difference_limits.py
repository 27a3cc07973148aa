"""Confidence limits of differences of two models that cover for few and for rarely differing images.

The difference is P - M: P is what images add on which the first model is ahead, M what images add on which the second
is ahead, each a share from 0 to 1. Each gets limits of the kind of Clopper and Pearson's with an effective number of
clusters, and both are combined by the method of variance estimates recovery (MOVER) with their correlation. So two
models that never differ still have an interval of positive width: they may differ on images that were not asked about.

Source: Clopper and Pearson, Biometrika 26, 1934; Korn and Graubard, "Confidence intervals for proportions with small
expected number of positive counts estimated from survey data", Survey Methodology 24, 1998 (effective numbers); Zou
and Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008 (MOVER).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

# Weight, in clusters, of the variance of independent clusters against the measured variance.
_PRIOR_CLUSTERS = 2


def difference_limits(differences: ArrayLike, sizes: ArrayLike, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limits of the mean differences of several pairs, each of shape (P,), within -1 to 1.

    Args:
        differences: shape (m, P): of each cluster and pair the sum of the (weighted) differences.
        sizes: shape (m,), above 0: of each cluster the sum of its weights; no difference is larger.
        tail: chance that a difference is outside its limits on one side, above 0 and below 0.5.

    Source: see the module.
    """
    apart, weights = np.asarray(differences, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    num_clusters, total = len(weights), weights.sum()
    if num_clusters < 2:
        return np.full(apart.shape[1], -1.0), np.full(apart.shape[1], 1.0)
    share = weights / total
    ahead, behind = np.maximum(apart, 0.0) / total, np.maximum(-apart, 0.0) / total
    first, second = ahead.sum(axis=0), behind.sum(axis=0)
    inflation = num_clusters / (num_clusters - 1)
    off_first, off_second = ahead - share[:, None] * first, behind - share[:, None] * second
    variance_first, variance_second = (inflation * np.sum(off**2, axis=0) for off in (off_first, off_second))
    covariance = inflation * np.sum(off_first * off_second, axis=0)
    scale = np.sqrt(variance_first * variance_second)
    correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    effective = 1 / np.sum(share**2)
    full = share[:, None] * (1 - 1e-9)
    low_first, high_first = _share_limits(first, variance_first, _informative(ahead, full), effective, num_clusters, tail)
    low_second, high_second = _share_limits(second, variance_second, _informative(behind, full), effective, num_clusters, tail)
    difference = first - second
    low = difference - _recovered(first - low_first, high_second - second, correlation)
    high = difference + _recovered(high_first - first, second - low_second, correlation)
    return np.maximum(low, -1.0), np.minimum(high, 1.0)


def _informative(parts: np.ndarray, full: np.ndarray) -> np.ndarray:
    """Number of clusters with any part, or with less than all of it, whichever is smaller."""
    return np.minimum(np.count_nonzero(parts > 0, axis=0), np.count_nonzero(parts < full, axis=0))


def _share_limits(
    shares: np.ndarray, variances: np.ndarray, informative: np.ndarray, effective: float, num_clusters: int, tail: float
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of shares with measured variances, by quantiles of beta distributions."""
    binomial = shares * (1 - shares)
    stable = (informative * variances + _PRIOR_CLUSTERS * binomial / effective) / (informative + _PRIOR_CLUSTERS)
    number = np.divide(binomial, stable, out=np.full_like(shares, effective), where=stable > 0)
    number = number * (stats.norm.isf(tail) / stats.t.isf(tail, num_clusters - 1)) ** 2
    right, wrong = shares * number, (1 - shares) * number
    low = np.where(right > 0, special.betaincinv(np.maximum(right, 1e-300), wrong + 1, tail), 0.0)
    high = np.where(wrong > 0, special.betaincinv(right + 1, np.maximum(wrong, 1e-300), 1 - tail), 1.0)
    return low, high


def _recovered(first: np.ndarray, second: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(first**2 + second**2 - 2 * correlation * first * second, 0.0))
