"""Paired comparison of models on the questions that all of them answered: one pair, or all pairs of a ranking at once.

The unit is the image (cluster), since answers about one image depend on each other. For each pair, the differences
within an image are added up, and the test multiplies these sums by random signs. For one pair this is the exact paired
permutation test. With one 0/1 question per image it is McNemar's exact test.

For several pairs, the p-values are adjusted: a statistic is compared with the largest statistic of all pairs in each
draw (single-step max-T). So the probability of calling any two exchangeable models different is at most the level,
even if pairs are selected afterwards, such as the neighbours in a ranking or the best model against the rest.

The test has two limits, both measured in ``benchmarks/comparison.py``:

- It is exact for exchangeable models only. On few images, models of equal accuracy with skewed differences are called
  different more often.
- It is about new images of the same datasets, not about new datasets.

The test uses random signs instead of a bootstrap of images: with few images, bootstrap differences vary too little,
and too many equal models are called different.

Source: `microbench_tasks.metrics.sign_flips`, `microbench_tasks.metrics.max_statistics` and
`microbench_tasks.metrics.difference_limits`; Miller, "Adding error bars to evals", arXiv 2411.00640, 2024 (paired and
clustered standard errors of language models); Efron and Tibshirani, *An Introduction to the Bootstrap*, chapters 8
(clusters) and 15 (permutations).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, SEED
from microbench_tasks.metrics.difference_limits import difference_limits, difference_moments
from microbench_tasks.metrics.intervals import CONFIDENCE_LEVEL
from microbench_tasks.metrics.max_statistics import PairStatistics, max_statistics
from microbench_tasks.metrics.paired_scores import PairedScores
from microbench_tasks.metrics.sign_flips import sign_flip_p_of_pairs

# Family-wise error rate: the probability that any two equal models are called different.
LEVEL = round(1 - CONFIDENCE_LEVEL, 12)
# Power at which the smallest detectable difference is stated.
POWER = 0.8
# Maximum number of random sign patterns, drawn if an adjusted p-value is near the level.
MAX_RESAMPLES = 1_000_000


@dataclass(frozen=True)
class PairedComparison:
    """Hold the comparison of two models on the same questions. It depends on these two models alone.

    Attributes:
        difference: mean score of the first model minus that of the second, weighted if weights were given.
        low: lower end of the confidence interval of the difference, at least -1.
        high: upper end of the interval, at most 1.
        p: of the exact paired permutation test over images, two-sided, not adjusted for other comparisons.
        standard_error: of the difference, paired and clustered; NaN for a single image.
        correlation: Pearson correlation of the two models' scores over questions; NaN if one of them is constant.
        num_discordant: number of images on which the models' sums of scores differ; only these affect the test.
        num_clusters: number of images about which both models answered questions.
        num_questions: number of questions that both models answered.
    """

    difference: float
    low: float
    high: float
    p: float
    standard_error: float
    correlation: float
    num_discordant: int
    num_clusters: int
    num_questions: int


@dataclass(frozen=True)
class Comparison:
    """Hold the comparison of all pairs of k models; arrays of shape (k, k), where [i, j] compares model i with j.

    Attributes:
        difference: mean score of i minus that of j, weighted if weights were given.
        low, high: simultaneous confidence intervals of the differences, within -1 to 1.
        p: adjusted for all pairs; 1 if two models have the same sum on each image.
        is_better: whether i is significantly better than j: ``p`` at most the level, and a difference above 0.
        pair_p: exact p-value of each pair alone; it does not depend on the other models.
        standard_error, correlation, num_discordant: as in `PairedComparison`.
        smallest: the smallest true difference that is detected with the power `POWER` at the adjusted level, from 0
            to 1; 1 if there are too few images to detect any.
        critical: critical value of a pair's statistic, which is about difference / standard error.
        num_resamples: number of sign patterns from which p was computed; 0 if p is exact.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    is_better: np.ndarray
    pair_p: np.ndarray
    standard_error: np.ndarray
    correlation: np.ndarray
    num_discordant: np.ndarray
    smallest: np.ndarray
    critical: float
    num_resamples: int


def compare_pair(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    confidence_level: float = CONFIDENCE_LEVEL,
) -> PairedComparison:
    """Compare two models that answered the same questions.

    The test and the interval may disagree; the test decides. The test is exact for exchangeable models. The interval
    also allows for differences on images that were not asked about, so that it is wider if few images differ.

    Args:
        first: shape (n,), from 0 to 1: scores of the first model, of at least one question.
        second: shape (n,), from 0 to 1: scores of the second model on the same questions.
        clusters: shape (n,), labels: which image each question is about.
        weights: shape (n,), above 0: weights of the questions in the mean. By default all are equal.
        confidence_level: of the interval, above 0 and below 1.

    Raises:
        ValueError: an argument is out of range, or shapes differ.

    Source: see the module's docstring.

    >>> compare_pair([1, 1, 1, 0], [1, 0, 1, 0], ["a", "a", "b", "b"]).difference
    0.25
    """
    if not 0 < confidence_level < 1:
        raise ValueError(f"Expected a confidence level between 0 and 1, got {confidence_level}.")
    scores = PairedScores.of([np.asarray(first), np.asarray(second)], clusters, weights)
    level = round(1 - confidence_level, 12)
    comparison = _reordered(_compare(scores, level, NUM_RESAMPLES, MAX_RESAMPLES, SEED), scores.order)
    return PairedComparison(
        difference=float(comparison.difference[0, 1]),
        low=float(comparison.low[0, 1]),
        high=float(comparison.high[0, 1]),
        p=float(comparison.p[0, 1]),
        standard_error=float(comparison.standard_error[0, 1]),
        correlation=float(comparison.correlation[0, 1]),
        num_discordant=int(comparison.num_discordant[0, 1]),
        num_clusters=len(scores.sizes),
        num_questions=len(np.asarray(first)),
    )


def compare_models(
    scores: ArrayLike,
    clusters: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
    max_resamples: int = MAX_RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """Compare all pairs of models that answered the same questions, adjusted for their number.

    Two models get the exact p-value of `compare_pair`. More models get p-values from random signs, and
    more signs are drawn while a p-value is near the level (`max_statistics`). The simultaneous intervals are those of
    `compare_pair` at the level that corresponds to the critical value of the test. If few images differ, test and
    interval may disagree on whether the difference is 0; the test decides.

    Args:
        scores: shape (k, n), from 0 to 1: of k models on the same n questions, at least one of each.
        clusters: shape (n,), labels: which image each question is about.
        weights: shape (n,), above 0: weights of the questions in the mean. By default all are equal.
        level: family-wise error rate over all pairs, above 0 and below 1.
        num_resamples: at least 1 / ``level`` - 1; with fewer, no difference could be significant.
        max_resamples: maximum number of draws if an adjusted p-value is near the level.
        seed: of the draws. The result does not depend on the order of models, images and questions, nor on the names
            of images.

    Raises:
        ValueError: an argument is out of range, or shapes differ.

    Source: see the module's docstring.

    >>> compare_models([[1, 1, 1, 0], [1, 1, 1, 0]], ["a", "a", "b", "b"]).p[0, 1]
    np.float64(1.0)
    """
    if not 0 < level < 1:
        raise ValueError(f"Expected a level between 0 and 1, got {level}.")
    if num_resamples + 1 < 1 / level:
        least = math.ceil(1 / level) - 1
        raise ValueError(f"Expected at least {least} resamples for a level of {level:g}, got {num_resamples}.")
    paired = PairedScores.of(scores, clusters, weights)
    return _reordered(_compare(paired, level, num_resamples, max_resamples, seed), paired.order)


def _compare(scores: PairedScores, level: float, num_resamples: int, max_resamples: int, seed: int) -> Comparison:
    num_models, num_images = scores.sums.shape[1], len(scores.sizes)
    first, second = np.triu_indices(num_models, 1)
    # One model against all later ones at a time, to save memory.
    against = (scores.whole[:, one, None] - scores.whole[:, one + 1 :] for one in range(num_models - 1))
    pair_p = np.concatenate([np.empty(0), *map(sign_flip_p_of_pairs, against)])
    if num_models <= 2:
        p, num_draws, critical, tail = pair_p, 0, float(stats.norm.isf(level / 2)), level / 2
        can_differ = 2.0 ** (1 - num_images) <= level
    else:
        pairs = PairStatistics(scores.whole)
        null = max_statistics(pairs, level=level, num_resamples=num_resamples, max_resamples=max_resamples, seed=seed)
        p, critical = null.p(pairs.observed()), null.critical(level)
        num_draws = 0 if null.is_exact else len(null.largest)
        tail = _tail_of_one_pair(critical, num_images, level)
        can_differ = tail > 0
    difference, low, high, standard_error, num_discordant = _measure(scores, tail)
    smallest = _smallest_detectable(standard_error, scores, tail if can_differ else 0.0)

    def square(upper: np.ndarray, lower: np.ndarray, diagonal: float) -> np.ndarray:
        matrix = np.full((num_models, num_models), diagonal, dtype=upper.dtype)
        matrix[first, second], matrix[second, first] = upper, lower
        return matrix

    return Comparison(
        difference=square(difference, -difference, 0.0),
        low=square(low, -high, 0.0),
        high=square(high, -low, 0.0),
        p=square(p, p, 1.0),
        is_better=square((p <= level) & (difference > 0), (p <= level) & (difference < 0), False),
        pair_p=square(pair_p, pair_p, 1.0),
        standard_error=square(standard_error, standard_error, 0.0),
        correlation=scores.correlation,
        num_discordant=square(num_discordant.astype(int), num_discordant.astype(int), 0),
        smallest=square(smallest, smallest, 0.0),
        critical=critical,
        num_resamples=num_draws,
    )


def _tail_of_one_pair(critical: float, num_images: int, level: float) -> float:
    """Return the one-sided level of a single pair at the critical value of all pairs.

    The statistic T uses the sum of squares about 0. It is a monotonic function of Student's t, which uses deviations
    from the mean.
    """
    if critical**2 >= num_images * (1 - 1e-9):
        return 0.0
    student = critical * math.sqrt((num_images - 1) / (num_images - critical**2))
    return min(level / 2, float(stats.t.sf(student, num_images - 1)))


def _measure(scores: PairedScores, tail: float) -> tuple[np.ndarray, ...]:
    """Compute differences, limits, standard errors and numbers of discordant images, each of shape (P,)."""
    columns = []
    # One model against all later ones at a time, to save memory.
    for model in range(scores.sums.shape[1] - 1):
        moments = difference_moments(scores.sums[:, model, None] - scores.sums[:, model + 1 :], scores.sizes)
        limits = difference_limits(moments, tail)
        columns.append((moments.difference, *limits, moments.standard_error, moments.ahead + moments.behind))
    if not columns:
        return tuple(np.empty(0) for _ in range(5))
    # Rounded, so that the result does not depend on the order of summation.
    return tuple(np.round(np.concatenate(parts), 13) for parts in zip(*columns, strict=True))


def _smallest_detectable(standard_error: np.ndarray, scores: PairedScores, tail: float) -> np.ndarray:
    """Compute the smallest true difference that is detected with the power `POWER`, shape (P,).

    It is q standard errors, where q = critical value + normal quantile of the power. For a true difference of d, only
    one model is right on a share of at least d of the questions. Its standard error is then at least
    sqrt(d (1 - d) / n), so that d is at least q^2 / (n + q^2).
    """
    if tail <= 0:
        return np.ones_like(standard_error)
    errors = float(stats.t.isf(tail, len(scores.sizes) - 1) + stats.norm.ppf(POWER))
    return np.minimum(1.0, np.maximum(errors * standard_error, errors**2 / (scores.effective_questions + errors**2)))


def _reordered(comparison: Comparison, order: np.ndarray) -> Comparison:
    """Return a comparison in the caller's order of models; model i of ``comparison`` is the caller's ``order[i]``."""
    back = np.ix_(np.argsort(order), np.argsort(order))
    return dataclasses.replace(
        comparison,
        difference=comparison.difference[back],
        low=comparison.low[back],
        high=comparison.high[back],
        p=comparison.p[back],
        is_better=comparison.is_better[back],
        pair_p=comparison.pair_p[back],
        standard_error=comparison.standard_error[back],
        correlation=comparison.correlation[back],
        num_discordant=comparison.num_discordant[back],
        smallest=comparison.smallest[back],
    )
