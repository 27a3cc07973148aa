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

# Random numbers per block: about 16 MB, and several times that for intermediate results.
_BLOCK_NUMBERS = 4_000_000
# Statistics with a smaller relative difference count as equal.
_ROUNDING = 1e-9
# If an adjusted p-value is within this many standard errors of the level, more signs are drawn.
_NEAR = 4
# Limit of the multiplications for all draws.
_MOST_WORK = 40_000_000_000
# Integers below this are exact in single precision.
_EXACT_SINGLE = 2**24


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
        """Compute adjusted p-values; with random signs, the observed pattern counts as one more draw."""
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
        # Only differences count: sums are taken from each cluster's middle, so that they are small. Where all models
        # have the same score, no sign matters.
        is_unequal = np.ptp(sums, axis=1) > 0
        middle = (sums.max(axis=1, keepdims=True) + sums.min(axis=1, keepdims=True)) // 2
        self.sums = (sums - middle)[is_unequal]
        # In single precision where that is exact: no sum on the way is larger than a model's of absolute values.
        is_small = np.abs(self.sums).sum(axis=0).max(initial=0) < _EXACT_SINGLE
        self.factors = self.sums.astype(np.float32 if is_small else np.float64)
        of_models = self.sums.astype(np.float64)
        products = of_models.T @ of_models
        squares = np.diag(products)[self.first] + np.diag(products)[self.second] - 2 * products[self.first, self.second]
        self._scale = np.divide(1.0, np.sqrt(np.maximum(squares, 0.0)), out=np.zeros_like(squares), where=squares > 0.5)
        self._later = np.split(self._scale[:, None], np.cumsum(np.arange(sums.shape[1] - 1, 0, -1))[:-1])

    def of(self, totals: np.ndarray) -> np.ndarray:
        """Compute the statistics, shape (…, P), of signed sums of models, shape (…, k); 0 for two equal models."""
        return np.abs(totals[..., self.first] - totals[..., self.second]) * self._scale

    def largest(self, totals: np.ndarray) -> np.ndarray:
        """The largest statistic of each column of signed sums of models, shape (k, draws)."""
        found = np.zeros(totals.shape[1])
        # One model against all later ones at a time: the numbers stay in the processor's cache.
        for model, scale in enumerate(self._later[: len(totals) - 1]):
            statistics = np.abs(totals[model + 1 :] - totals[model]) * scale
            np.maximum(found, statistics.max(axis=0), out=found)
        return found

    def observed(self) -> np.ndarray:
        """Compute the statistics of the observed scores, shape (P,)."""
        return self.of(self.sums.sum(axis=0).astype(np.float64))


def max_statistics(
    pairs: PairStatistics, *, level: float, num_resamples: int, max_resamples: int, seed: int
) -> MaxStatistics:
    """Draw ``num_resamples`` patterns of signs, and more while an adjusted p-value is near the level.

    The number of draws is doubled until every adjusted p-value is at least `_NEAR` standard errors away from
    ``level``, or until ``max_resamples`` draws or `_MOST_WORK` multiplications are reached. If there are at most
    ``num_resamples`` patterns, all are enumerated instead.
    """
    num_images, num_models = pairs.sums.shape
    if 2 ** max(0, num_images - 1) <= num_resamples:
        return MaxStatistics(np.sort(_largest(pairs, _all_bits(num_images))), is_exact=True)
    rng, observed = np.random.default_rng(seed), pairs.observed()
    most = min(max_resamples, _MOST_WORK // (num_images * num_models))
    found = np.sort(_drawn(pairs, num_resamples, rng))
    while len(found) < most and _is_near(MaxStatistics(found, is_exact=False).p(observed), level, len(found)):
        found = np.sort(np.concatenate([found, _drawn(pairs, min(len(found), most - len(found)), rng)]))
    return MaxStatistics(found, is_exact=False)


def _is_near(p: np.ndarray, level: float, num_draws: int) -> bool:
    return bool((np.abs(p - level) < _NEAR * math.sqrt(level * (1 - level) / num_draws)).any())


def _drawn(pairs: PairStatistics, number: int, rng: np.random.Generator) -> np.ndarray:
    num_images = len(pairs.sums)
    step = max(1, _BLOCK_NUMBERS // max(num_images, len(pairs.first)))

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, number, step):
            drawn = rng.integers(256, size=(min(step, number - start), math.ceil(num_images / 8)), dtype=np.uint8)
            yield np.unpackbits(drawn, axis=1, count=num_images)

    return np.concatenate([_largest(pairs, bits) for bits in blocks()])


def _all_bits(num_images: int) -> np.ndarray:
    """Enumerate the patterns of signs with a positive first sign: opposite patterns have the same statistics."""
    patterns = np.arange(2 ** max(0, num_images - 1))
    return (patterns[:, None] >> np.arange(num_images) & 1).astype(np.uint8)


def _largest(pairs: PairStatistics, bits: np.ndarray) -> np.ndarray:
    """The largest statistic of each pattern: a cluster's sign is negative where its bit is 1."""
    negative = (bits.astype(pairs.factors.dtype) @ pairs.factors).T.astype(np.float64, order="C")
    return pairs.largest(pairs.sums.sum(axis=0)[:, None] - 2 * negative)
