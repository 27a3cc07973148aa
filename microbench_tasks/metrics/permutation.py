"""Permutation tests of one model's answers: position bias, agreement of two prompt variants, spread of several.

Each test computes the mean of a statistic over all permutations (the null value), and the share of permutations with a
statistic at least as large (p).

Permuting labels within a stratum changes the contingency table of the labels, but not its margins. So random tables
with these margins are drawn instead of permutations, at a cost that does not depend on the number of questions.

Source: Good, *Permutation, Parametric and Bootstrap Tests of Hypotheses*, 2005 (restricted permutations); Patefield,
"Algorithm AS 159: An efficient method of generating random r x c tables", Applied Statistics 30, 1981
(`scipy.stats.random_table`); Phipson and Smyth, "Permutation p-values should never be zero", Statistical Applications
in Genetics and Molecular Biology 9, 2010; Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
Journal of Statistics 6, 1979.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, stats

NUM_PERMUTATIONS = 1_999
SEED = 42

# With at least this many informative clusters, the asymptotic distribution is as accurate as random permutations.
_LIMIT_CLUSTERS = 500
# Statistics that differ by less than this count as equal: the difference is a rounding error.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class PermutationTest:
    """Hold a statistic, its mean under the null hypothesis, and its one-sided p-value (large values)."""

    observed: float
    expected: float
    p: float


# --- position bias -------------------------------------------------------------------


def recall_std_test(
    scores: ArrayLike,
    letters: ArrayLike,
    strata: ArrayLike,
    *,
    num_permutations: int = NUM_PERMUTATIONS,
    seed: int = SEED,
) -> PermutationTest:
    """Test whether the accuracy depends on the letter of the right option.

    The statistic is the standard deviation of the recall over the letters. The recall of a letter is the mean score of
    the questions whose right option has this letter. Under the null hypothesis, the accuracy within a stratum is the
    same for all letters. Letters are permuted within strata. This is valid even if answers about one image are
    correlated, since the position of the right option was drawn independently of the image.
    It does not hold where all questions about an image share one draw.

    Args:
        scores: shape (n,), finite: 0 or 1, or the mean score of several decodings; at least one.
        letters: shape (n,), labels: the letter of each question's right option.
        strata: shape (n,), labels: questions with the same label are exchangeable, such as those of one kind and number
            of options.
        num_permutations: at least 1.
        seed: of the draws. The result does not depend on the order of the questions.

    Raises:
        ValueError: an argument is out of range, or shapes differ.

    Source: for the statistic, Zheng et al., "Large Language Models Are Not Robust Multiple Choice Selectors", ICLR 2024
    (arXiv 2309.03882), RStd; for the test, the module's docstring.

    >>> recall_std_test([1, 1, 0, 0], ["A", "A", "B", "B"], [0, 0, 0, 0]).observed
    0.5
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"Expected finite scores of shape (n,), at least one; got shape {values.shape}.")
    stratum, letter = _label_codes("strata", strata, values.shape), _label_codes("letters", letters, values.shape)
    distinct, value = np.unique(values, return_inverse=True)
    counts = np.bincount(letter)
    sums = np.zeros((num_permutations, len(counts)))
    for tables in _random_tables(stratum, letter, value, num_permutations, seed):
        sums += tables @ distinct
    observed = float(np.std(np.bincount(letter[np.argsort(values)], weights=np.sort(values)) / counts))
    return _test_result(observed, np.std(sums / counts, axis=1))


# --- agreement -----------------------------------------------------------------------


def agreement_test(
    first: ArrayLike,
    second: ArrayLike,
    strata: ArrayLike,
    *,
    num_permutations: int = NUM_PERMUTATIONS,
    seed: int = SEED,
) -> PermutationTest:
    """Test whether two answers to the same questions agree more often than independent answers would.

    Under the null hypothesis, the two answers are independent within each stratum, given how often each label occurs.
    The null value is exact, computed from these frequencies.

    Args:
        first: shape (n,), integers: labels of the answers. Negative for no answer, which never agrees.
        second: shape (n,), integers: labels of the other answers to the same questions.
        strata: shape (n,), labels: questions with the same label are exchangeable.
        num_permutations: at least 1.
        seed: of the draws. The result does not depend on the order of the questions.

    Raises:
        ValueError: an argument is out of range, or shapes differ.

    >>> agreement_test([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]).expected
    0.5
    """
    labels = [np.asarray(answers) for answers in (first, second)]
    shape = labels[0].shape
    if len(shape) != 1 or not labels[0].size or any(not np.issubdtype(answers.dtype, np.integer) for answers in labels):
        raise ValueError(f"Expected whole labels of shape (n,), at least one; got shape {shape} of {labels[0].dtype}.")
    if labels[1].shape != shape:
        raise ValueError(f"Expected answers of one shape, got {shape} and {labels[1].shape}.")
    stratum = _label_codes("strata", strata, shape)
    # Label 0 stands for no answer.
    one, other = (np.where(answers < 0, 0, answers + 1) for answers in labels)
    agreeing, expected = np.zeros(num_permutations), 0.0
    for number in range(stratum.max() + 1):
        inside = stratum == number
        num_labels = max(one.max(), other.max()) + 1
        answered = [np.bincount(answers[inside], minlength=num_labels)[1:] for answers in (one, other)]
        expected += float(answered[0] @ answered[1] / np.count_nonzero(inside))
    for tables in _random_tables(stratum, one, other, num_permutations, seed):
        agreeing += np.trace(tables[:, 1:, 1:], axis1=1, axis2=2)
    observed = float(np.mean((one == other) & (one > 0)))
    return replace(_test_result(observed, agreeing / len(one)), expected=expected / len(one))


# --- spread --------------------------------------------------------------------------


def spread_test(
    scores: ArrayLike, clusters: ArrayLike, *, num_permutations: int = NUM_PERMUTATIONS, seed: int = SEED
) -> PermutationTest:
    """Test whether the mean scores of several ways of asking (prompt variants) differ.

    The statistic is the largest mean minus the smallest. Under the null hypothesis, the ways are exchangeable within
    an image: the scores of all its questions together are permuted among the ways.

    With at least `_LIMIT_CLUSTERS` images on which ways differ, the asymptotic distribution replaces random draws. The
    totals of exchangeable ways are then normal with equal variances and covariances. So their range divided by sigma
    follows the studentized range distribution with known sigma.

    Args:
        scores: shape (ways, n), finite; at least one of each.
        clusters: shape (n,), labels: which image each question is about.
        num_permutations: at least 1.
        seed: of the draws. The result does not depend on the order of ways and questions, nor on names of images.

    Raises:
        ValueError: an argument is out of range, or shapes differ.

    Source: Hoeffding, "A combinatorial central limit theorem", Annals of Mathematical Statistics 22, 1951.

    >>> spread_test([[1, 1], [0, 0]], ["a", "b"]).observed
    1.0
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"Expected finite scores of shape (ways, questions), at least one of each; got {values.shape}."
        )
    image = _label_codes("clusters", clusters, values.shape[1:])
    num_ways, num_questions = values.shape
    sums = np.column_stack(
        [np.bincount(image[order], weights=row[order]) for row in values for order in [np.argsort(row)]]
    )
    # Sorting the ways within an image, and dropping images on which they are equal, leaves the distribution unchanged.
    sums = np.sort(sums, axis=1)
    unequal = sums[np.ptp(sums, axis=1) > _ROUNDING]
    unequal = unequal[np.lexsort(unequal.T)]
    observed = float(np.ptp(np.sort(values, axis=1).sum(axis=1)) / num_questions)
    if len(unequal) >= _LIMIT_CLUSTERS:
        sigma = math.sqrt(unequal.var(axis=1, ddof=1).sum()) / num_questions
        p = float(stats.studentized_range.sf(observed / sigma, num_ways, np.inf))
        return PermutationTest(
            observed, sigma * _mean_normal_range(num_ways), min(max(p, 1 / (num_permutations + 1)), 1.0)
        )
    rng = np.random.default_rng(seed)
    drawn = (rng.permuted(unequal, axis=1).sum(axis=0) for _ in range(num_permutations))
    return _test_result(observed, np.array([np.ptp(totals) for totals in drawn]) / num_questions)


def _mean_normal_range(count: int) -> float:
    """Compute the expected range of ``count`` independent standard normal numbers (Tippett 1925)."""
    return float(integrate.quad(lambda x: 1 - stats.norm.cdf(x) ** count - stats.norm.sf(x) ** count, -10, 10)[0])


# --- several tests -------------------------------------------------------------------


def holm(p: ArrayLike) -> np.ndarray:
    """Adjust p-values of several tests to control the family-wise error rate (Holm 1979).

    Args:
        p: shape (k,), from 0 to 1; the tests may depend on each other in any way.

    Raises:
        ValueError: ``p`` has another shape or range.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"Expected p-values from 0 to 1 of shape (k,), got shape {values.shape}.")
    order = np.argsort(values)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1.0)
    return adjusted


def holm_over_families(p: ArrayLike, families: Sequence[Hashable]) -> np.ndarray:
    """Adjust p-values that are already adjusted within families for the number of families.

    It is Holm's procedure (1979) with one change. A p-value is multiplied by the number of families with a test that is
    not yet rejected, instead of the number of such tests. It controls the family-wise error rate over all tests if the
    p-values do so within each family: for any set of true hypotheses from G families, the smallest p-value of each
    family is compared with level / G (closed testing, Marcus, Peritz and Gabriel 1976). With one test in each family
    it is `holm`.

    Args:
        p: shape (k,), from 0 to 1, such as max-T p-values of the pairs of a task.
        families: label of the family of each, such as the task.

    Raises:
        ValueError: ``p`` has another shape or range, or there is not a label for each.

    >>> holm_over_families([0.01, 0.02, 0.03], ["a", "a", "b"]).tolist()
    [0.02, 0.04, 0.04]
    """
    values = np.asarray(p, dtype=np.float64)
    if values.shape != (len(families),) or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"Expected {len(families)} p-values from 0 to 1, got shape {values.shape}.")
    order = np.argsort(values, kind="stable")
    remaining = [len({families[index] for index in order[position:]}) for position in range(len(order))]
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.array(remaining, dtype=float)), 1.0)
    return adjusted


def _label_codes(name: str, labels: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return an integer from 0 for each label, after validating the shape."""
    if np.shape(labels) != shape:
        raise ValueError(f"Expected a label for each question in {name}, shape {shape}; got shape {np.shape(labels)}.")
    return np.unique(labels, return_inverse=True)[1].ravel()


def _random_tables(
    stratum: np.ndarray, rows: np.ndarray, columns: np.ndarray, num_permutations: int, seed: int
) -> Iterator[np.ndarray]:
    """Yield, for each stratum, random contingency tables of the labels, shape (permutations, labels, labels)."""
    if num_permutations < 1:
        raise ValueError(f"Expected at least one permutation, got {num_permutations}.")
    rng = np.random.default_rng(seed)
    for number in range(stratum.max() + 1):
        inside = stratum == number
        margins = [np.bincount(labels[inside], minlength=labels.max() + 1) for labels in (rows, columns)]
        present = [np.flatnonzero(margin) for margin in margins]
        # If one side has a single label, the table is determined by the margins.
        tables = np.outer(*margins) // np.count_nonzero(inside)
        if min(map(len, present)) > 1:
            tables = np.zeros((num_permutations, *tables.shape), dtype=tables.dtype)
            # Labels that do not occur are left out: with margins of 0, scipy 1.17 returns tables with wrong margins.
            totals = [margin[labels] for margin, labels in zip(margins, present, strict=True)]
            drawn = stats.random_table.rvs(*totals, size=num_permutations, random_state=rng)
            tables[np.ix_(np.arange(num_permutations), *present)] = drawn
        yield np.broadcast_to(tables, (num_permutations, *tables.shape[-2:]))


def _test_result(observed: float, drawn: np.ndarray) -> PermutationTest:
    """Compare an observed statistic with those of random permutations; the observed one counts as one more draw."""
    num_as_large = np.count_nonzero(drawn >= observed - _ROUNDING)
    return PermutationTest(observed, float(drawn.mean()), float((1 + num_as_large) / (1 + len(drawn))))
