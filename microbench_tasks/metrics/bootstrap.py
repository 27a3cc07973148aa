"""Bootstrap confidence interval of a mean, as in the paper.

It treats scores as independent and reproduces the intervals that the paper prints. Quote the intervals of
`microbench_tasks.metrics.intervals` instead.

The sum of n scores that are resampled with replacement depends only on how often each distinct score is drawn. These
counts are multinomial, for 0/1 scores binomial. Drawing the counts directly gives the same distribution at a cost
that does not depend on n.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from microbench_tasks.metrics.intervals import CONFIDENCE_LEVEL, Interval

METHODS = ("basic", "percentile")
# The paper's evaluation uses scipy.stats.bootstrap with its default number of resamples.
NUM_RESAMPLES = 9999
SEED = 42

# Random numbers per block, to limit memory to about 50 MB.
_BLOCK_DRAWS = 4_000_000
# Above this share of distinct scores, drawing indices is faster than drawing counts.
_DISTINCT_SHARE = 1 / 8


def bootstrap_interval(
    scores: ArrayLike,
    *,
    method: Literal["basic", "percentile"] = "basic",
    confidence_level: float = CONFIDENCE_LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Compute the bootstrap interval of the mean of independent scores.

    Args:
        scores: shape (n,), finite.
        method: ``basic`` (as in the paper: the percentile interval mirrored at the observed
            mean, so its ends can lie outside the range of the scores) or ``percentile``.
        confidence_level: above 0 and below 1.
        num_resamples: at least 1.
        seed: of the draws. The interval does not depend on the order of the scores.

    Returns:
        The interval; both ends are NaN for empty ``scores``.

    Raises:
        ValueError: an argument is out of range, or ``scores`` is not a finite vector.

    Source: Efron and Tibshirani, *An Introduction to the Bootstrap*, chapters 13 and 16;
    ``scipy.stats.bootstrap(method="basic")`` in the paper's evaluation code.

    >>> bootstrap_interval([1.0, 1.0, 1.0])
    Interval(low=1.0, high=1.0)
    """
    values = _validate(scores, method, confidence_level, num_resamples)
    if values.size == 0:
        return Interval(np.nan, np.nan)
    distinct, counts = np.unique(values, return_counts=True)
    means = _resampled_means(distinct, counts, num_resamples, np.random.default_rng(seed))
    tail = (1 - confidence_level) / 2
    low, high = (float(end) for end in np.quantile(means, [tail, 1 - tail]))
    if method == "percentile":
        return Interval(low, high)
    observed = float(counts @ distinct / counts.sum())
    return Interval(2 * observed - high, 2 * observed - low)


def _validate(scores: ArrayLike, method: str, confidence_level: float, num_resamples: int) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        num_not_finite = np.count_nonzero(~np.isfinite(values))
        raise ValueError(
            f"Expected finite scores of shape (n,), got shape {values.shape} with {num_not_finite} not finite."
        )
    if method not in METHODS:
        raise ValueError(f"Expected one of the methods {', '.join(METHODS)}; got {method!r}.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"Expected a confidence level between 0 and 1, got {confidence_level}.")
    if num_resamples < 1:
        raise ValueError(f"Expected at least one resample, got {num_resamples}.")
    return values


def _resampled_means(
    distinct: np.ndarray, counts: np.ndarray, num_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw the means of resamples, shape (num_resamples,), of scores given as distinct values with their counts."""
    num_scores = counts.sum()
    if len(distinct) == 1:
        return np.full(num_resamples, distinct[0])
    by_index = len(distinct) > num_scores * _DISTINCT_SHARE
    scores = np.repeat(distinct, counts)
    step = max(1, _BLOCK_DRAWS // (num_scores if by_index else len(distinct)))
    sums = []
    for start in range(0, num_resamples, step):
        size = min(step, num_resamples - start)
        if by_index:
            sums.append(scores[rng.integers(num_scores, size=(size, num_scores))].sum(axis=1))
        else:
            sums.append(rng.multinomial(num_scores, counts / num_scores, size) @ distinct)
    return np.concatenate(sums) / num_scores
