"""Exact paired permutation test of clusters (sign-flip test), without drawing random signs.

If two models are exchangeable, the difference of each cluster is as likely to be positive as negative, independently
of the other clusters. The p-value is the share of all 2^m patterns of signs whose sum is at least as far from 0 as
the observed sum. It does not depend on a seed, on names or on order.

The characteristic function of a sum of independent +-d_j is the product of cos(d_j t). If all d_j are multiples of one
unit, as the sums of 0/1 scores are, the sum lives on a lattice, and a finite Fourier sum inverts the function exactly.
Differences without a common unit (GRIT, weights of unlike denominators) are rounded to a fine lattice first. The test
of rounded differences is exact as well: rounding happens before signs are drawn.

Source: Pagano and Tritchler, "On obtaining permutation distributions in polynomial time", JASA 78, 1983; Hoeffding,
"Probability inequalities for sums of bounded random variables", JASA 58, 1963 (bound of the tails that are cut).
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

# Smaller p-values are reported as this one. The Fourier sum is accurate to about a hundredth of it.
SMALLEST_P = 1e-12
# Standard deviations beyond which a sum has a probability below SMALLEST_P (Hoeffding: 2 exp(-t^2 / 2)).
_REACH = math.sqrt(-2 * math.log(SMALLEST_P / 2))
# Up to here all patterns of signs are enumerated if there is no common unit.
_MOST_ENUMERATED = 16
# A common unit is looked for among so many distinct differences, with ratios of such denominators.
_MOST_DISTINCT, _LARGEST_DENOMINATOR = 256, 1000
# Lattice points in one standard deviation, at most, if the differences have a common unit.
_FINEST_LATTICE = 20_000
# Standard deviation of the rounding in a sum, in standard deviations of the sum, if they have none.
_ROUNDING_ERROR = 0.002
# Differences closer than this share are equal: scores may have been added in another order.
_TIES = 1e-9
# Factors of the characteristic function below this are 0.
_VANISHED = 1e-16


def sign_flip_p(differences: ArrayLike) -> float:
    """Two-sided p-value of the sum of differences under independent random signs.

    Args:
        differences: shape (m,), finite: one of each cluster, in any unit.

    Returns:
        From `SMALLEST_P` to 1. It is 1 if all differences are 0.

    Raises:
        ValueError: ``differences`` is not a finite vector.

    Source: see the module.

    >>> sign_flip_p([1, 1, 1, 1, 1, -1])  # McNemar's exact test of 5 against 1
    0.21875
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"Expected finite differences of shape (m,), got shape {values.shape}.")
    sizes = np.sort(np.abs(values[values != 0]))
    total = abs(math.fsum(values))
    deviation = math.sqrt(math.fsum(sizes**2))
    if total <= _TIES * sizes.sum():
        return 1.0
    if total >= _REACH * deviation:
        return SMALLEST_P
    unit = _common_unit(sizes, deviation)
    if unit is None and len(sizes) <= _MOST_ENUMERATED:
        return _enumerated_p(sizes, total)
    if unit is None:
        unit = deviation * _ROUNDING_ERROR / math.sqrt(len(sizes) / 12)
    whole = np.rint(values / unit).astype(np.int64)
    return min(1.0, max(SMALLEST_P, round(_lattice_p(whole), 13)))


def _common_unit(sizes: np.ndarray, deviation: float) -> float | None:
    """The largest number of which all sizes are multiples; None if there is none of a useful size."""
    distinct = np.unique(sizes)
    smallest = distinct[0]
    if len(distinct) > _MOST_DISTINCT:
        return None
    denominator = 1
    for ratio in (distinct / smallest).tolist():
        fraction = Fraction(ratio).limit_denominator(_LARGEST_DENOMINATOR)
        denominator = math.lcm(denominator, fraction.denominator)
        if abs(ratio - float(fraction)) > _TIES * ratio or deviation * denominator > _FINEST_LATTICE * smallest:
            return None
    return float(smallest) / denominator


def _enumerated_p(sizes: np.ndarray, total: float) -> float:
    # The first sign is fixed: a pattern and its opposite have the same absolute sum.
    sums = sizes[:1]
    for size in sizes[1:]:
        sums = np.concatenate([sums + size, sums - size])
    return float(np.mean(np.abs(sums) >= total - _TIES * sizes.sum()))


def _lattice_p(whole: np.ndarray) -> float:
    """The same of whole numbers, by a Fourier sum whose period is wide enough for `SMALLEST_P`."""
    total = abs(int(whole.sum()))
    if total == 0:
        return 1.0
    sizes, counts = np.unique(np.abs(whole[whole != 0]), return_counts=True)
    # The sum cannot exceed the sizes' sum, and hardly ever the reach.
    farthest = min(int(sizes @ counts), math.ceil(_REACH * math.sqrt(float(sizes**2 @ counts))))
    period = 2 * max(farthest, total) + 1
    frequencies = np.arange(1, (period + 1) // 2)
    cosines = np.cos(2 * np.pi / period * np.arange(period))
    values = np.ones(len(frequencies))
    # Frequent sizes first, as their factors vanish soonest.
    for index in np.lexsort((-sizes, -counts)):
        values *= cosines[frequencies * sizes[index] % period] ** counts[index]
        is_left = np.abs(values) > _VANISHED
        frequencies, values = frequencies[is_left], values[is_left]
    angles = np.pi / period * frequencies
    # The sum over |x| < total of the probability of x.
    inside = (2 * total - 1 + 2 * np.sum(values * np.sin((2 * total - 1) * angles) / np.sin(angles))) / period
    return float(1.0 - inside)
