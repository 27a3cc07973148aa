"""Exact paired permutation test of clusters (sign-flip test), without drawing random signs.

If two models are exchangeable, the difference of each cluster is as likely to be positive as negative, independently
of the other clusters. The p-value is the share of all 2^m patterns of signs whose sum is at least as far from 0 as
the observed sum. It does not depend on a seed, on names or on order.

The characteristic function of a sum of independent +-d_j is the product of cos(d_j t). The sum of whole numbers lives
on a lattice, where a finite Fourier sum inverts this function exactly.

Source: Pagano and Tritchler, "On obtaining permutation distributions in polynomial time", JASA 78, 1983; Hoeffding,
"Probability inequalities for sums of bounded random variables", JASA 58, 1963 (bound of the tails that are cut).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

# Smaller p-values are reported as this one. The Fourier sum is accurate to about a hundredth of it.
SMALLEST_P = 1e-12
# Standard deviations beyond which a sum has a probability below SMALLEST_P (Hoeffding: 2 exp(-t^2 / 2)).
_REACH = math.sqrt(-2 * math.log(SMALLEST_P / 2))
# Smaller products of cosines count as 0.
_VANISHED = 1e-15


def sign_flip_p(differences: ArrayLike) -> float:
    """Two-sided p-value of the sum of whole differences under independent random signs.

    Args:
        differences: shape (m,), whole numbers: one of each cluster. For one 0/1 question in each cluster
            the test is McNemar's exact test.

    Returns:
        From `SMALLEST_P` to 1. It is 1 if all differences are 0.

    Raises:
        ValueError: ``differences`` is not a vector of whole numbers.

    Source: see the module.

    >>> sign_flip_p([1, 1, 1, 1, 1, -1])
    0.21875
    """
    values = np.asarray(differences)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"Expected whole differences of shape (m,), got shape {values.shape} of {values.dtype}.")
    total = abs(int(values.sum()))
    sizes, counts = _distinct(np.abs(values).astype(np.int64))
    deviation = math.sqrt(sum(count * size**2 for size, count in zip(sizes.tolist(), counts.tolist())))
    if total == 0:
        return 1.0
    if total >= _REACH * deviation:
        return SMALLEST_P
    return min(1.0, max(SMALLEST_P, round(_tail(sizes, counts, total, deviation), 13)))


def _distinct(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct sizes above 0, in ascending order, with their counts."""
    if sizes.size and sizes.max() <= 10 * sizes.size:
        # Faster than sorting where numbers are small.
        counts = np.bincount(sizes)
        distinct = np.flatnonzero(counts)
        counts = counts[distinct]
    else:
        distinct, counts = np.unique(sizes, return_counts=True)
    return distinct[distinct > 0], counts[distinct > 0]


def _tail(sizes: np.ndarray, counts: np.ndarray, total: int, deviation: float) -> float:
    divisor = int(np.gcd.reduce(sizes))
    sizes, total, deviation = sizes // divisor, total // divisor, deviation / divisor
    # The sum is at most the sizes' sum, and hardly ever beyond the reach.
    farthest = max(total, min(int(sizes @ counts), math.ceil(_REACH * deviation)))
    period = 2 * farthest + 1
    frequencies = np.arange(1, farthest + 1)
    cosines = np.cos(2 * np.pi / period * np.arange(period))
    values = np.ones(farthest)
    # Frequent sizes first, as their factors vanish soonest.
    for index in np.lexsort((-sizes, -counts)):
        values = values * cosines[frequencies * sizes[index] % period] ** counts[index]
        is_left = np.abs(values) > _VANISHED
        frequencies, values = frequencies[is_left], values[is_left]
    # One less the probabilities of all sums nearer to 0 than the observed one.
    angles, width = np.pi / period * frequencies, 2 * total - 1
    return float(1.0 - (width + 2 * np.sum(values * np.sin(width * angles) / np.sin(angles))) / period)
