"""Exact paired permutation test of clusters (sign-flip test), without drawing random signs.

If two models are exchangeable, the difference of each cluster is as likely to be positive as negative, independently
of the other clusters. The p-value is the share of all 2^m patterns of signs whose sum is at least as far from 0 as
the observed sum. It does not depend on a seed, on names or on order.

The characteristic function of a sum of independent +-d_j is the product of cos(d_j t). Since the sum is an integer, a
finite Fourier sum inverts this function exactly.

Source: Pagano and Tritchler, "On obtaining permutation distributions in polynomial time", JASA 78, 1983; Hoeffding,
"Probability inequalities for sums of bounded random variables", JASA 58, 1963 (bound of the tails that are cut).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

# Smaller p-values are rounded up to this. The Fourier sum is accurate to about a hundredth of it.
SMALLEST_P = 1e-12
# Standard deviations beyond which a sum has a probability below SMALLEST_P (Hoeffding: 2 exp(-t^2 / 2)).
_REACH = math.sqrt(-2 * math.log(SMALLEST_P / 2))
# Smaller products of cosines count as 0.
_VANISHED = 1e-15
# Up to this absolute value, differences of many pairs are tabulated and tested at once.
_LARGEST_COUNTED = 16
# Numbers per block for many pairs, to limit memory to about 32 MB.
_BLOCK_NUMBERS = 4_000_000


def sign_flip_p(differences: ArrayLike) -> float:
    """Compute the two-sided p-value of the sum of integer differences under independent random signs.

    Args:
        differences: shape (m,), integers: one for each cluster. With one 0/1 question per cluster, the test is
            McNemar's exact test.

    Returns:
        From `SMALLEST_P` to 1. It is 1 if all differences are 0.

    Raises:
        ValueError: ``differences`` is not a vector of integers.

    Source: see the module's docstring.

    >>> sign_flip_p([1, 1, 1, 1, 1, -1])
    0.21875
    """
    values = np.asarray(differences)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"Expected integer differences of shape (m,), got shape {values.shape} of {values.dtype}.")
    return float(sign_flip_p_of_pairs(values[:, None])[0])


def sign_flip_p_of_pairs(differences: np.ndarray) -> np.ndarray:
    """Compute `sign_flip_p` of each column of integer differences.

    Args:
        differences: shape (m, P), integers: one row for each cluster, one column for each pair of models.

    Returns:
        Shape (P,), from `SMALLEST_P` to 1.

    >>> sign_flip_p_of_pairs(np.array([[1, 1], [1, -1], [1, 0]])).tolist()
    [0.25, 1.0]
    """
    sizes, totals = np.abs(differences), np.abs(differences.sum(axis=0))
    largest = int(sizes.max(initial=0))
    if largest <= _LARGEST_COUNTED:
        counts = [np.count_nonzero(sizes == size, axis=0) for size in range(1, largest + 1)]
        p = _tails_of_small(np.array(counts, dtype=np.int64).reshape(largest, len(totals)).T, totals)
    else:
        p = np.array([_tail_of_one_pair(column, int(total)) for column, total in zip(sizes.T, totals, strict=True)])
    return np.where(totals == 0, 1.0, np.clip(np.round(p, 13), SMALLEST_P, 1.0))


def _tails_of_small(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Compute two-sided tail probabilities of ``totals`` for many pairs with small differences.

    All pairs share one period, and the products of cosines are computed as sums of logarithms.

    Args:
        counts: shape (P, largest): how many differences have the absolute values 1, 2, ….
        totals: shape (P,): absolute values of the observed sums.
    """
    sizes = np.arange(1, counts.shape[1] + 1)
    deviations = np.sqrt(counts @ sizes**2)
    is_far = totals >= _REACH * deviations
    farthest = np.minimum(counts @ sizes, np.ceil(_REACH * deviations))
    reach = max(1, int(np.max(np.where(is_far, 0, farthest), initial=0)))
    period, frequencies = 2 * reach + 1, np.arange(1, reach + 1)
    # The period is odd, so that no cosine is 0.
    cosines = np.cos(2 * np.pi / period * (sizes[:, None] * frequencies % period))
    logarithms, is_negative = np.log(np.abs(cosines)), (cosines < 0).astype(np.float64)
    angles = np.pi / period * frequencies
    step, tails = max(1, _BLOCK_NUMBERS // reach), []
    for start in range(0, len(totals), step):
        block, width = counts[start : start + step], 2 * totals[start : start + step] - 1
        signs = 1 - 2 * ((block @ is_negative) % 2)
        waves = np.sin(width[:, None] * angles) / np.sin(angles)
        inside = width + 2 * np.sum(signs * np.exp(block @ logarithms) * waves, axis=1)
        tails.append(1 - inside / period)
    return np.where(is_far, 0.0, np.concatenate(tails)) if tails else np.empty(0)


def _tail_of_one_pair(absolute: np.ndarray, total: int) -> float:
    """Compute the two-sided tail probability of one pair with differences of any size.

    Args:
        absolute: shape (m,): absolute values of the differences.
        total: absolute value of the observed sum.
    """
    sizes, counts = np.unique(absolute[absolute > 0], return_counts=True)
    divisor = int(np.gcd.reduce(sizes, initial=0)) or 1
    sizes, total = sizes // divisor, total // divisor
    deviation = math.sqrt(sum(count * size**2 for size, count in zip(sizes.tolist(), counts.tolist(), strict=True)))
    if total >= _REACH * deviation:
        return 0.0
    # The sum is at most the sum of the sizes. Sums beyond the reach have a negligible probability.
    reach = min(int(sizes @ counts), math.ceil(_REACH * deviation))
    period = 2 * reach + 1
    # Frequent sizes first, as their factors vanish soonest.
    order = np.lexsort((-sizes, -counts)).tolist()
    frequencies = np.arange(1, period // 2 + 1)
    values = np.ones(len(frequencies))
    for index in order:
        factors = np.cos(2 * np.pi / period * (frequencies * sizes[index] % period))
        # Powers take long: leave out those that are known to vanish.
        may_be_left = np.abs(factors) > _VANISHED ** (1 / counts[index])
        frequencies, values = frequencies[may_be_left], values[may_be_left] * factors[may_be_left] ** counts[index]
        is_left = np.abs(values) > _VANISHED
        frequencies, values = frequencies[is_left], values[is_left]
    # 1 minus the probabilities of all sums that are closer to 0 than the observed one.
    angles, width = np.pi / period * frequencies, 2 * total - 1
    return float(1 - (width + 2 * np.sum(values * np.sin(width * angles) / np.sin(angles))) / period)
