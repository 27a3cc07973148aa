"""Who is better: all pairs of several models compared at once on the questions that all of them answered.

The unit is the image (cluster): the answers about one image depend on each other. Of each pair the sums of
the differences within each image are multiplied by random signs, the same signs for all pairs: a
wild bootstrap with the hypothesis of no difference imposed, which keeps how pairs depend on each other. For
a single pair it is the exact paired permutation test, and with one 0/1 question per image the exact McNemar
test. The largest statistic of all pairs in each draw is what a statistic must beat (single-step
max-T), so that the chance of calling any two equal models different is at most the level, whatever
is looked at afterwards: the neighbours of a ranking, or the best against the rest.

Why signs and not images drawn with replacement, which is measured in ``benchmarks/comparison.py``: among
few images resampled pairs scatter less than true ones do and too many equal models are called different,
and studentized resamples of two models that differ on a handful of images have no spread, which hides
every other pair's difference behind theirs.

Source: Westfall and Young, *Resampling-Based Multiple Testing*, 1993 (max-T); Romano and Wolf, "Exact and
approximate stepdown methods for multiple hypothesis testing", JASA 100, 2005 (bootstrap null distributions of
maxima); Liu, "Bootstrap procedures under some non-i.i.d. models", Annals of Statistics 16, 1988 (wild
bootstrap); Efron and Tibshirani, *An Introduction to the Bootstrap*, chapters 8 (clusters) and 15 (permutations).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from microbench_tasks.metrics.bootstrap import CONFIDENCE_LEVEL, NUM_RESAMPLES, SEED
from microbench_tasks.metrics.difference_limits import difference_limits
from microbench_tasks.metrics.sign_flips import sign_flip_p

# Chance that any two equal models are called different: what the simultaneous intervals leave out.
LEVEL = round(1 - CONFIDENCE_LEVEL, 12)

# Numbers drawn at once: some 32 MB, and twice that on the way.
_BLOCK_NUMBERS = 4_000_000
# Statistics that differ by less than this share are equal: another order of adding may be between them.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Comparison:
    """All pairs of k models; the arrays have the shape (k, k), where [i, j] is about model i against model j.

    Attributes:
        difference: mean score of i less that of j.
        low, high: the differences' simultaneous confidence intervals, within -1 to 1: all of them hold
            at once at the confidence level. An interval leaves 0 out exactly where the pair differs.
        p: adjusted for all pairs, from 1 / (resamples + 1) to 1; 1 where two models score alike on each image.
        is_better: whether i is better than j, ``p`` at most the level.
        critical: what the statistic of a pair, about as many standard errors as its difference has, must exceed.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    is_better: np.ndarray
    critical: float


@dataclass(frozen=True)
class PairedComparison:
    """Comparison of two models on the same questions. It depends on these two models alone.

    Attributes:
        difference: mean score of the first model less that of the second, weighted if weights were given.
        low, high: confidence interval of the difference, within -1 to 1.
        p: of the exact paired permutation test over clusters, two-sided, not adjusted for other comparisons.
        standard_error: of the difference, paired and clustered; NaN for a single cluster.
        correlation: Pearson correlation of the two models' scores over questions; NaN if one of them is constant.
        num_discordant: clusters whose summed scores differ; the test rests on these alone.
        num_clusters, num_questions: that both models answered.
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
class _Pairs:
    """What the test needs of P pairs (i < j), each of shape (P,), and of the images, of shape (m,) and (m, k).

    Attributes:
        first, second: indices of the models.
        total: sum of the differences; squares: sum over images of their squared sums; by_size: sum of
            images' sums times their numbers of questions.
        sizes: questions about each image.
        sums: of each model's scores on each image.
    """

    first: np.ndarray
    second: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    by_size: np.ndarray
    sizes: np.ndarray
    sums: np.ndarray

    def statistics(self, totals: np.ndarray) -> np.ndarray:
        """|total| / sqrt(squares), shape (…, P), of totals of models, shape (…, k); 0 where two score alike on each image."""
        scale = np.divide(1.0, np.sqrt(self.squares), out=np.zeros_like(self.squares), where=self.squares > 0)
        return np.abs(totals[..., self.first] - totals[..., self.second]) * scale


def compare_models(scores: ArrayLike, clusters: ArrayLike, *, level: float = LEVEL, num_resamples: int = NUM_RESAMPLES, seed: int = SEED) -> Comparison:
    """Compare all pairs of models that answered the same questions, adjusted for their number.

    Args:
        scores: shape (k, n), from 0 to 1: of k models on the same n questions, at least one of each.
        clusters: shape (n,), labels: which image each question is about.
        level: of a false difference anywhere among the pairs, between 0 and 1, both excluded.
        num_resamples: at least 1 / ``level`` - 1, or no difference could be found.
        seed: of the draws. The same seed gives the same figures to the last bit, in whatever order
            models and questions come.

    Raises:
        ValueError: an argument is out of range, or labels are not as many as questions.

    Source: see the module. The intervals are those differences that the same statistic does not reject, in
    closed form (a quadratic inequality, as Wilson's interval of a share is).

    >>> compare_models([[1, 1, 1, 0], [1, 1, 1, 0]], ["a", "a", "b", "b"]).p[0, 1]
    np.float64(1.0)
    """
    values, images = _checked(scores, clusters, level, num_resamples)
    sums, sizes = _per_image(values, images), np.bincount(images).astype(np.float64)
    # Models in an order of their own, so that rounding does not depend on the order they come in.
    order = sorted(range(len(values)), key=lambda model: sums[:, model].tobytes())
    pairs = _measured(sums[:, order], sizes)
    return _reordered(_reduced(pairs, level, _largest(pairs, num_resamples, np.random.default_rng(seed))), order)


def compare_pair(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    confidence_level: float = CONFIDENCE_LEVEL,
) -> PairedComparison:
    """Compare two models that answered the same questions.

    Args:
        first, second: shape (n,), from 0 to 1: scores of the two models on the same questions, at least one.
        clusters: shape (n,), labels: which image each question is about. The answers about one image depend on each other.
        weights: shape (n,), above 0: of the questions in the mean. By default all are equal.
        confidence_level: of the interval, between 0 and 1, both excluded.

    The test and the interval do not always agree: the test is exact if the models are exchangeable, and the
    interval allows for images that were not asked about. A verdict should follow the test.

    Raises:
        ValueError: an argument is out of range, or shapes differ.

    Source: for the test `microbench_tasks.metrics.sign_flips`, for the interval `microbench_tasks.metrics.difference_limits`;
    Miller, "Adding error bars to evals", arXiv 2411.00640, 2024 (paired and clustered standard errors).

    >>> compare_pair([1, 1, 1, 0], [1, 0, 1, 0], ["a", "a", "b", "b"]).difference
    0.25
    """
    values, images = _checked_scores([first, second], clusters)
    if not 0 < confidence_level < 1:
        raise ValueError(f"Expected a confidence level between 0 and 1, got {confidence_level}.")
    shares = _checked_weights(weights, values.shape[1])
    one, other = values
    apart, sizes = _per_image(np.stack([shares * (one - other), shares]), images).T
    # Clusters in the order of their content, so that their names cannot change a rounding error.
    order = np.lexsort((sizes, apart))
    apart, sizes = apart[order], sizes[order]
    total, num_clusters = math.fsum(sizes), len(sizes)
    difference = math.fsum(apart) / total
    low, high = difference_limits(apart[:, None], sizes, (1 - confidence_level) / 2)
    squares = math.fsum((apart - difference * sizes) ** 2)
    return PairedComparison(
        difference=difference,
        low=float(low[0]),
        high=float(high[0]),
        p=sign_flip_p(apart),
        standard_error=math.sqrt(squares * num_clusters / (num_clusters - 1)) / total if num_clusters > 1 else math.nan,
        correlation=_correlation(one, other, shares),
        num_discordant=int(np.count_nonzero(apart)),
        num_clusters=num_clusters,
        num_questions=values.shape[1],
    )


def _correlation(one: np.ndarray, other: np.ndarray, shares: np.ndarray) -> float:
    order = np.lexsort((shares, other, one))
    one, other, shares = one[order], other[order], shares[order] / shares.sum()
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    one, other = one - shares @ one, other - shares @ other
    return float((shares * one) @ other / math.sqrt((shares @ one**2) * (shares @ other**2)))


def _checked_weights(weights: ArrayLike | None, num_questions: int) -> np.ndarray:
    if weights is None:
        return np.ones(num_questions)
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (num_questions,) or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"Expected a weight above 0 for each question, shape {(num_questions,)}; got shape {values.shape}.")
    return values


def _checked(scores: ArrayLike, clusters: ArrayLike, level: float, num_resamples: int) -> tuple[np.ndarray, np.ndarray]:
    if not 0 < level < 1:
        raise ValueError(f"Expected a level between 0 and 1, got {level}.")
    if num_resamples + 1 < 1 / level:
        raise ValueError(f"Expected at least {math.ceil(1 / level) - 1} resamples for a level of {level:g}, got {num_resamples}.")
    return _checked_scores(scores, clusters)


def _checked_scores(scores: ArrayLike, clusters: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"Expected scores of shape (models, questions), at least one of each; got shape {values.shape}.")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"Expected scores from 0 to 1, got {np.count_nonzero(~((values >= 0) & (values <= 1)))} others.")
    if np.shape(clusters) != values.shape[1:]:
        raise ValueError(f"Expected a label for each question in clusters, shape {values.shape[1:]}; got shape {np.shape(clusters)}.")
    return values, np.unique(clusters, return_inverse=True)[1].ravel()


def _per_image(values: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Sums of each row's values over each image, shape (m, rows)."""
    # Added in the order of their size, not in the questions'.
    return np.column_stack([np.bincount(images[order], weights=row[order]) for row in values for order in [np.lexsort((row, images))]])


def _measured(sums: np.ndarray, sizes: np.ndarray) -> _Pairs:
    first, second = np.triu_indices(sums.shape[1], 1)
    total, squares, by_size = (np.empty(len(first)) for _ in range(3))
    for model in range(sums.shape[1] - 1):
        of_model = first == model
        differences = sums[:, model, None] - sums[:, model + 1 :]
        total[of_model], squares[of_model], by_size[of_model] = differences.sum(axis=0), (differences**2).sum(axis=0), sizes @ differences
    return _Pairs(first, second, total, squares, by_size, sizes, sums)


def _largest(pairs: _Pairs, num_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """The largest statistic of all pairs in each draw of signs, shape (num_resamples,)."""
    num_images, num_bytes = len(pairs.sizes), math.ceil(len(pairs.sizes) / 8)
    step = max(1, _BLOCK_NUMBERS // max(num_images, len(pairs.first)))
    blocks = []
    for start in range(0, num_resamples, step):
        size = min(step, num_resamples - start)
        bits = np.unpackbits(rng.integers(256, size=(size, num_bytes), dtype=np.uint8), axis=1, count=num_images)
        blocks.append(pairs.statistics((1.0 - 2.0 * bits) @ pairs.sums).max(axis=1, initial=0.0))
    return np.sort(np.concatenate(blocks))


def _reduced(pairs: _Pairs, level: float, largest: np.ndarray) -> Comparison:
    num_models = pairs.sums.shape[1]
    found = pairs.statistics(pairs.sums.sum(axis=0))
    num_as_large = len(largest) - np.searchsorted(largest, found * (1 - _ROUNDING))
    p = (1 + num_as_large) / (len(largest) + 1)
    # Larger than this have p at most the level.
    critical = largest[-math.floor(level * (len(largest) + 1) * (1 + _ROUNDING))]
    low, high = _not_rejected(pairs, critical)
    difference = pairs.total / pairs.sizes.sum()
    is_different = found * (1 - _ROUNDING) > critical

    def square(upper: np.ndarray, lower: np.ndarray, diagonal: float) -> np.ndarray:
        matrix = np.full((num_models, num_models), diagonal, dtype=upper.dtype)
        matrix[pairs.first, pairs.second], matrix[pairs.second, pairs.first] = upper, lower
        return matrix

    return Comparison(
        difference=square(difference, -difference, 0.0),
        low=square(low, -high, 0.0),
        high=square(high, -low, 0.0),
        p=square(p, p, 1.0),
        is_better=square(is_different & (difference > 0), is_different & (difference < 0), False),
        critical=float(critical),
    )


def _not_rejected(pairs: _Pairs, critical: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the differences that are not rejected, each of shape (P,).

    With d an image's sum of differences and s its size, a difference x is not rejected if
    |sum(d - x s)| <= critical * sqrt(sum((d - x s)^2)): a quadratic inequality in x.
    """
    num_questions = pairs.sizes.sum()
    square = num_questions**2 - critical**2 * (pairs.sizes @ pairs.sizes)
    if square <= _ROUNDING * num_questions**2:
        # So few images that none is rejected.
        return np.full_like(pairs.total, -1.0), np.full_like(pairs.total, 1.0)
    middle = pairs.total * num_questions - critical**2 * pairs.by_size
    constant = pairs.total**2 - critical**2 * pairs.squares
    half = np.sqrt(np.maximum(middle**2 - square * constant, 0.0))
    return np.maximum((middle - half) / square, -1.0), np.minimum((middle + half) / square, 1.0)


def _reordered(found: Comparison, order: list[int]) -> Comparison:
    """``found``, whose model i is model ``order[i]``, in the models' own order."""
    back = np.ix_(np.argsort(order), np.argsort(order))
    return Comparison(**{name: value if name == "critical" else value[back] for name, value in vars(found).items()})
