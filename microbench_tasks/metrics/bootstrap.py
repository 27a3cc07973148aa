"""Bootstrap confidence intervals of means, drawn as counts.

Resampling n scores with replacement and adding them up draws how often each distinct score
occurs: a multinomial draw, for 0/1 scores a binomial one. Drawing those counts directly
gives the same distribution at a cost that does not depend on n. The same holds for clusters
of scores that are resampled together: clusters of equal sum and size are alike.
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

# Numbers drawn at once: some 50 MB.
_BLOCK_DRAWS = 4_000_000
# From this share of distinct clusters on, drawing their indices is faster than drawing their counts.
_DISTINCT_SHARE = 1 / 8


def bootstrap_interval(
    scores: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    method: Literal["basic", "percentile"] = "basic",
    confidence_level: float = CONFIDENCE_LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Confidence interval of the mean of scores, or of the mean of several groups' means.

    Args:
        scores: shape (n,), finite.
        clusters: shape (n,), labels. Scores of one cluster, such as the answers about one image,
            depend on each other and are resampled together. By default each score is independent.
        groups: shape (n,), labels. With them the interval is that of the unweighted mean of the
            groups' means. Clusters are then resampled among those that have scores in the same
            groups, so that no group is ever empty; where only a few clusters do, they vary too
            little and the interval is too narrow (``benchmarks/coverage.md``).
        method: ``basic`` (as in the paper: the percentile interval mirrored at the observed
            mean, so its ends can lie outside the range of the scores) or ``percentile``.
        confidence_level: between 0 and 1, both excluded.
        num_resamples: at least 1.
        seed: of the draws; the same seed gives the same interval, in whatever order the scores come.

    Returns:
        The interval; NaN at both ends without a score.

    Raises:
        ValueError: an argument is out of range, ``scores`` is not a finite vector, or labels
            are not as many as scores.

    Source: Efron and Tibshirani, *An Introduction to the Bootstrap*, chapters 8, 13 and 16;
    ``scipy.stats.bootstrap(method="basic")`` in the paper's evaluation code.

    >>> bootstrap_interval([1.0, 1.0, 1.0])
    Interval(low=1.0, high=1.0)
    """
    values = _checked(scores, clusters, groups, method, confidence_level, num_resamples)
    if values.size == 0:
        return Interval(np.nan, np.nan)
    rows, counts = _distinct_clusters(values, clusters, groups)
    observed = float(_mean_of_means(counts @ rows))
    means = _mean_of_means(_resampled_totals(rows, counts, num_resamples, np.random.default_rng(seed)))
    tail = (1 - confidence_level) / 2
    low, high = (float(end) for end in np.quantile(means, [tail, 1 - tail]))
    if method == "percentile":
        return Interval(low, high)
    return Interval(2 * observed - high, 2 * observed - low)


def _checked(scores: ArrayLike, clusters: ArrayLike | None, groups: ArrayLike | None, method: str, confidence_level: float, num_resamples: int) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"Expected finite scores of shape (n,), got shape {values.shape} with {np.count_nonzero(~np.isfinite(values))} not finite.")
    for name, labels in (("clusters", clusters), ("groups", groups)):
        if labels is not None and np.shape(labels) != values.shape:
            raise ValueError(f"Expected a label for each score in {name}, shape {values.shape}; got shape {np.shape(labels)}.")
    if method not in METHODS:
        raise ValueError(f"Expected one of the methods {', '.join(METHODS)}; got {method!r}.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"Expected a confidence level between 0 and 1, got {confidence_level}.")
    if num_resamples < 1:
        raise ValueError(f"Expected at least one resample, got {num_resamples}.")
    return values


def _distinct_clusters(values: np.ndarray, clusters: ArrayLike | None, groups: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Clusters that differ, shape (k, 2 G), and how many there are of each, shape (k,).

    A cluster is the sums of its scores in each of G groups, then their numbers.
    """
    if clusters is None and groups is None:
        distinct, counts = np.unique(values, return_counts=True)
        return np.column_stack([distinct, np.ones_like(distinct)]), counts
    cluster = np.arange(values.size) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    group = np.zeros(values.size, dtype=int) if groups is None else np.unique(groups, return_inverse=True)[1]
    # Sorted, so that rounding does not depend on the order of the scores.
    order = np.lexsort((values, group, cluster))
    shape = (cluster.max() + 1, group.max() + 1)
    sums, sizes = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (cluster[order], group[order]), values[order])
    np.add.at(sizes, (cluster, group), 1)
    return np.unique(np.hstack([sums, sizes]), axis=0, return_counts=True)


def _mean_of_means(totals: np.ndarray) -> np.ndarray:
    """The mean over G groups of their means; ``totals``, shape (…, 2 G), as `_distinct_clusters` has them."""
    sums, sizes = np.split(totals, 2, axis=-1)
    return (sums / sizes).mean(axis=-1)


def _resampled_totals(rows: np.ndarray, counts: np.ndarray, num_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Totals of resamples of clusters, shape (num_resamples, 2 G); those in the same groups take each other's places."""
    in_group = rows[:, rows.shape[1] // 2 :] > 0
    strata = np.unique(in_group, axis=0, return_inverse=True)[1].ravel()
    drawn = (_stratum_totals(rows[strata == stratum], counts[strata == stratum], num_resamples, rng) for stratum in range(strata.max() + 1))
    return sum(drawn)


def _stratum_totals(rows: np.ndarray, counts: np.ndarray, num_resamples: int, rng: np.random.Generator) -> np.ndarray:
    num_clusters = counts.sum()
    if len(rows) == 1:
        return np.broadcast_to(rows[0] * num_clusters, (num_resamples, rows.shape[1]))
    by_index = len(rows) > num_clusters * _DISTINCT_SHARE
    clusters = np.repeat(rows, counts, axis=0) if by_index else None
    step = max(1, _BLOCK_DRAWS // (num_clusters * rows.shape[1] if by_index else len(rows)))
    blocks = []
    for start in range(0, num_resamples, step):
        size = min(step, num_resamples - start)
        if by_index:
            blocks.append(clusters[rng.integers(num_clusters, size=(size, num_clusters))].sum(axis=1))
        else:
            blocks.append(rng.multinomial(num_clusters, counts / num_clusters, size) @ rows)
    return np.concatenate(blocks)
