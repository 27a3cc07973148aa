"""Confidence limits of the difference of two models, for few images and for models that rarely differ.

The difference is P - M. P is the contribution of images on which the first model is ahead, M that of images on which
the second is ahead; each is a share from 0 to 1. Both get Clopper-Pearson limits with an effective number of clusters.
The method of variance estimates recovery (MOVER) combines these limits, using the correlation of P and M. Two models
that never differ still have an interval of positive width: they may differ on images that were not asked about.

Source: Clopper and Pearson, Biometrika 26, 1934; Korn and Graubard, "Confidence intervals for proportions with small
expected number of positive counts estimated from survey data", Survey Methodology 24, 1998 (effective numbers); Zou
and Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008 (MOVER).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

# Weight, as a number of clusters, of the variance under independence relative to the measured variance.
_PRIOR_CLUSTERS = 1
# Differences below this share of a cluster count as 0: they are rounding errors of sums.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class DifferenceMoments:
    """Hold the statistics of P pairs of models that limits and standard errors need; arrays of shape (P,).

    Attributes:
        first, second: shares by which the first and the second model is ahead.
        variance_first, variance_second, covariance: of these shares, cluster-robust.
        ahead, behind: numbers of clusters on which the first model is ahead or behind.
        all_ahead, all_behind: numbers of clusters on which it is ahead or behind by 1 on every question.
        effective: effective number of clusters (Kish), a single number for all pairs.
        num_clusters: a single number for all pairs.
    """

    first: np.ndarray
    second: np.ndarray
    variance_first: np.ndarray
    variance_second: np.ndarray
    covariance: np.ndarray
    ahead: np.ndarray
    behind: np.ndarray
    all_ahead: np.ndarray
    all_behind: np.ndarray
    effective: float
    num_clusters: int

    @property
    def difference(self) -> np.ndarray:
        """Return the mean difference of each pair."""
        return self.first - self.second

    @property
    def standard_error(self) -> np.ndarray:
        """Return the paired and clustered standard error of each difference; NaN for a single cluster."""
        return np.sqrt(np.maximum(self.variance_first + self.variance_second - 2 * self.covariance, 0.0))


def difference_moments(differences: ArrayLike, sizes: ArrayLike) -> DifferenceMoments:
    """Compute the statistics of several pairs of models.

    Args:
        differences: shape (m, P): sum of the (weighted) differences for each cluster and pair.
        sizes: shape (m,), above 0: sum of the weights of each cluster, an upper bound of its differences.

    >>> difference_moments([[1], [0], [-1], [1]], [1, 1, 1, 1]).difference.tolist()
    [0.25]
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    apart, share = np.asarray(differences, dtype=np.float64) / sizes.sum(), sizes / sizes.sum()
    absolute = np.abs(apart)
    effective, num_clusters = 1 / float(share @ share), len(share)
    first, second = (absolute.sum(axis=0) + apart.sum(axis=0)) / 2, (absolute.sum(axis=0) - apart.sum(axis=0)) / 2
    squares, signed = np.einsum("ij,ij->j", apart, apart), np.einsum("ij,ij->j", apart, absolute)
    by_size, absolute_by_size = share @ apart, share @ absolute
    inflation = num_clusters / (num_clusters - 1) if num_clusters > 1 else np.nan
    # Each cluster contributes to only one of the two shares, so that their products are 0.
    first_by_size, second_by_size = (absolute_by_size + by_size) / 2, (absolute_by_size - by_size) / 2
    variance_first, variance_second = (
        inflation * np.maximum((squares + sign * signed) / 2 - 2 * part * part_by_size + part**2 / effective, 0.0)
        for sign, part, part_by_size in ((1, first, first_by_size), (-1, second, second_by_size))
    )
    covariance = inflation * (first * second / effective - first * second_by_size - second * first_by_size)
    least, most = _ROUNDING * share[:, None], (1 - _ROUNDING) * share[:, None]
    return DifferenceMoments(
        first=first,
        second=second,
        variance_first=variance_first,
        variance_second=variance_second,
        covariance=covariance,
        ahead=np.count_nonzero(apart > least, axis=0),
        behind=np.count_nonzero(apart < -least, axis=0),
        all_ahead=np.count_nonzero(apart > most, axis=0),
        all_behind=np.count_nonzero(apart < -most, axis=0),
        effective=effective,
        num_clusters=num_clusters,
    )


def difference_limits(moments: DifferenceMoments, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute lower and upper limits of the mean differences, each of shape (P,), within -1 to 1.

    Args:
        moments: of the pairs.
        tail: one-sided error probability of a limit, from 0 to 0.5.

    Source: see the module's docstring.

    >>> low, high = difference_limits(difference_moments([[1], [0], [-1], [1]], [1, 1, 1, 1]), 0.025)
    >>> bool(-1 < low[0] < 0.25 < high[0] <= 1)
    True
    """
    first, second, num_clusters = moments.first, moments.second, moments.num_clusters
    if num_clusters < 2 or tail <= 0:
        return np.full_like(first, -1.0), np.full_like(first, 1.0)
    scale = np.sqrt(moments.variance_first * moments.variance_second)
    correlation = np.divide(moments.covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    # The measured variance of a share is reliable only if many clusters are above 0 and many are below the maximum.
    informative_first = np.minimum(moments.ahead, num_clusters - moments.all_ahead)
    informative_second = np.minimum(moments.behind, num_clusters - moments.all_behind)
    low_first, high_first = _share_limits(first, moments.variance_first, informative_first, moments, tail)
    low_second, high_second = _share_limits(second, moments.variance_second, informative_second, moments, tail)
    low = first - second - _combine_distances(first - low_first, high_second - second, correlation)
    high = first - second + _combine_distances(high_first - first, second - low_second, correlation)
    return np.maximum(low, -1.0), np.minimum(high, 1.0)


def _share_limits(
    shares: np.ndarray, variances: np.ndarray, informative: np.ndarray, moments: DifferenceMoments, tail: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compute Clopper-Pearson limits of shares at the effective numbers that their variances imply."""
    binomial = np.maximum(shares * (1 - shares), 0.0)
    prior = _PRIOR_CLUSTERS * binomial / moments.effective
    stable = (informative * variances + prior) / (informative + _PRIOR_CLUSTERS)
    number = np.divide(binomial, stable, out=np.full_like(shares, moments.effective), where=stable > 0)
    number = number * (stats.norm.isf(tail) / stats.t.isf(tail, moments.num_clusters - 1)) ** 2
    is_some, is_less = shares > 0, shares < 1 - _ROUNDING
    low, high = np.zeros_like(shares), np.ones_like(shares)
    right, wrong = shares * number, (1 - shares) * number
    low[is_some] = special.betaincinv(right[is_some], wrong[is_some] + 1, tail)
    high[is_less] = special.betainccinv(right[is_less] + 1, wrong[is_less], tail)
    return low, high


def _combine_distances(first: np.ndarray, second: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Compute the distance of a difference from its limit, from the distances of its two shares (MOVER)."""
    return np.sqrt(np.maximum(first**2 + second**2 - 2 * correlation * first * second, 0.0))
