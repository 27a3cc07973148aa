"""Null distribution of the largest statistic of all pairs of models (single-step max-T), by random signs of clusters.

Every draw multiplies the scores of each cluster by one sign, the same for all models. This imposes the null hypothesis
of no difference and keeps the dependence between pairs. For few clusters, all patterns of signs are enumerated.

Source: Westfall and Young, *Resampling-Based Multiple Testing*, 1993 (max-T); Romano and Wolf, "Exact and approximate
stepdown methods for multiple hypothesis testing", JASA 100, 2005; Liu, "Bootstrap procedures under some non-i.i.d.
models", Annals of Statistics 16, 1988 (wild bootstrap).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Signs, or statistics of pairs, that are computed at once. It limits each array of a block to 16 MB in single precision
# and 32 MB in double precision.
_BLOCK_NUMBERS = 4_000_000
# Two statistics count as equal if their relative difference is smaller, since it can be a rounding error.
_ROUNDING = 1e-9
# A p-value from random signs has a standard error. If an adjusted p-value is within this many standard errors of the
# level, its side of the level is uncertain, and more signs are drawn.
_NUM_STANDARD_ERRORS = 4
# Upper limit of draws x clusters x models, so that uncertain p-values cannot keep the computer busy for longer than
# about a minute. It allows 300,000 draws for 8 models on 16,000 images.
_MAX_MULTIPLICATIONS = 40_000_000_000
# Single precision represents all integers below this value exactly.
_SINGLE_PRECISION_LIMIT = 2**24


@dataclass(frozen=True)
class MaxStatistics:
    """Hold the null distribution of the largest statistic, and compute p-values from it.

    Attributes:
        largest: the largest statistic of each pattern of signs, in ascending order.
        is_exact: whether all patterns were enumerated, instead of drawn at random.
    """

    largest: np.ndarray
    is_exact: bool

    def p(self, statistics: np.ndarray) -> np.ndarray:
        """Compute adjusted p-values of statistics; with random signs, the observed pattern counts as one more draw."""
        num_as_large = len(self.largest) - np.searchsorted(self.largest, statistics * (1 - _ROUNDING))
        extra = 0 if self.is_exact else 1
        return (num_as_large + extra) / (len(self.largest) + extra)

    def critical(self, level: float) -> float:
        """Return the value that a statistic must exceed for an adjusted p-value of at most ``level``."""
        extra = 0 if self.is_exact else 1
        allowed = math.floor(level * (len(self.largest) + extra) * (1 + _ROUNDING)) - extra
        return float(self.largest[-1 - allowed])


class PairStatistics:
    """Compute the statistics of all pairs of models: |sum of differences| / root of their sum of squares.

    Args:
        sums: shape (m, k), integers: sum of the scores for each cluster and model.
    """

    def __init__(self, sums: np.ndarray) -> None:
        self.first, self.second = np.triu_indices(sums.shape[1], 1)
        # Only differences count: subtracting the middle of each cluster keeps the numbers small. Clusters in which all
        # models have the same score do not matter.
        is_unequal = np.ptp(sums, axis=1) > 0
        middle = (sums.max(axis=1, keepdims=True) + sums.min(axis=1, keepdims=True)) // 2
        self.sums = (sums - middle)[is_unequal]
        # Single precision takes two thirds of the time. It is exact here: no partial sum is larger than the sum of a
        # model's absolute values.
        is_small = np.abs(self.sums).sum(axis=0).max(initial=0) < _SINGLE_PRECISION_LIMIT
        self.factors = self.sums.astype(np.float32 if is_small else np.float64)
        of_models = self.sums.astype(np.float64)
        products = of_models.T @ of_models
        squares = np.diag(products)[self.first] + np.diag(products)[self.second] - 2 * products[self.first, self.second]
        self._scale = np.divide(1.0, np.sqrt(np.maximum(squares, 0.0)), out=np.zeros_like(squares), where=squares > 0.5)

    def statistics(self, totals: np.ndarray) -> np.ndarray:
        """Compute the statistics of all pairs, shape (…, P), from signed sums of models, shape (…, k).

        The statistic of two equal models is 0.
        """
        return np.abs(totals[..., self.first] - totals[..., self.second]) * self._scale

    def observed(self) -> np.ndarray:
        """Compute the statistics of the observed scores, shape (P,)."""
        return self.statistics(self.sums.sum(axis=0).astype(np.float64))


def max_statistics(
    pairs: PairStatistics, *, level: float, num_resamples: int, max_resamples: int, seed: int
) -> MaxStatistics:
    """Draw the null distribution of the largest statistic; draw more while an adjusted p-value is near the level.

    If there are at most ``num_resamples`` patterns of signs, all are enumerated. Otherwise ``num_resamples`` are drawn.
    Then the number of draws is doubled until every adjusted p-value is at least `_NUM_STANDARD_ERRORS` standard errors
    away from ``level``, or until ``max_resamples`` draws or `_MAX_MULTIPLICATIONS` multiplications are reached.

    Args:
        pairs: the scores of all models.
        level: family-wise error rate, above 0 and below 1.
        num_resamples: number of draws to start with.
        max_resamples: maximum number of draws.
        seed: of the draws.

    >>> null = max_statistics(
    ...     PairStatistics(np.array([[1, 0, 0], [1, 0, 1]])), level=0.05, num_resamples=99, max_resamples=99, seed=0
    ... )
    >>> null.is_exact, len(null.largest)
    (True, 2)
    """
    num_images, num_models = pairs.sums.shape
    if 2 ** max(0, num_images - 1) <= num_resamples:
        return MaxStatistics(np.sort(largest_statistics(pairs, _all_bits(num_images))), is_exact=True)
    rng, observed = np.random.default_rng(seed), pairs.observed()
    max_draws = min(max_resamples, _MAX_MULTIPLICATIONS // (num_images * num_models))
    null = MaxStatistics(np.sort(_draw_largest(pairs, num_resamples, rng)), is_exact=False)
    while (num_draws := len(null.largest)) < max_draws and _is_uncertain(null.p(observed), level, num_draws):
        more = _draw_largest(pairs, min(num_draws, max_draws - num_draws), rng)
        null = MaxStatistics(np.sort(np.concatenate([null.largest, more])), is_exact=False)
    return null


def _is_uncertain(p: np.ndarray, level: float, num_draws: int) -> bool:
    return bool((np.abs(p - level) < _NUM_STANDARD_ERRORS * math.sqrt(level * (1 - level) / num_draws)).any())


def _draw_largest(pairs: PairStatistics, num_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the largest statistic of ``num_draws`` random patterns of signs."""
    num_images = len(pairs.sums)
    step = max(1, _BLOCK_NUMBERS // max(num_images, len(pairs.first)))

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, num_draws, step):
            random_bytes = rng.integers(
                256, size=(min(step, num_draws - start), math.ceil(num_images / 8)), dtype=np.uint8
            )
            yield np.unpackbits(random_bytes, axis=1, count=num_images)

    return np.concatenate([largest_statistics(pairs, bits) for bits in blocks()])


def _all_bits(num_images: int) -> np.ndarray:
    """Enumerate the patterns of signs with a positive first sign: opposite patterns have the same statistics."""
    patterns = np.arange(2 ** max(0, num_images - 1))
    return (patterns[:, None] >> np.arange(num_images) & 1).astype(np.uint8)


def largest_statistics(pairs: PairStatistics, bits: np.ndarray) -> np.ndarray:
    """Compute the largest statistic of each pattern of signs, shape (draws,).

    Args:
        pairs: the scores of m clusters.
        bits: shape (draws, m): a cluster's sign is negative where its bit is 1.
    """
    negative = (bits.astype(pairs.factors.dtype) @ pairs.factors).astype(np.float64)
    return pairs.statistics(pairs.sums.sum(axis=0) - 2 * negative).max(axis=1, initial=0.0)
