"""Permutation tests against full enumeration, closed forms and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from microbench_tasks.metrics import permutation
from microbench_tasks.metrics.permutation import agreement_test, holm, holm_over_families, recall_std_test, spread_test

DRAWS = 20_000


def close(value, expected, deviation):
    """Within four standard errors of a mean over the draws."""
    return value == pytest.approx(expected, abs=4 * deviation / math.sqrt(DRAWS) + 1e-9)


def share_of(found, expected):
    """A p-value within four standard errors of the share that full enumeration gives."""
    return close(found, expected, math.sqrt(expected * (1 - expected)))


# --- position preference -------------------------------------------------------------


def recall_std(scores, letters):
    by_letter = {
        letter: [s for s, other in zip(scores, letters, strict=False) if other == letter] for letter in set(letters)
    }
    return float(np.std([np.mean(found) for found in by_letter.values()]))


@pytest.mark.parametrize("scores", [(1, 1, 0, 1, 0, 0), (1, 0.5, 0, 0.5, 0, 0.25)], ids=["0/1", "several decodings"])
def test_the_null_of_the_recalls_is_that_of_all_permutations_within_strata(scores):
    letters, strata = list("AABABC"), [0, 0, 0, 1, 1, 1]
    values = []
    for first in itertools.permutations(letters[:3]):
        for second in itertools.permutations(letters[3:]):
            values.append(recall_std(scores, [*first, *second]))
    observed = recall_std(scores, letters)
    found = recall_std_test(scores, letters, strata, num_permutations=DRAWS)
    assert found.observed == pytest.approx(observed)
    assert close(found.expected, np.mean(values), np.std(values))
    assert share_of(found.p, np.mean(np.array(values) >= observed - 1e-12))


def test_two_letters_of_one_stratum_are_tested_as_fisher_does():
    """Of two letters with equal counts the deviation grows with the difference: the two-sided hypergeometric test."""
    scores, letters = [1] * 9 + [0] * 3 + [1] * 4 + [0] * 8, ["A"] * 12 + ["B"] * 12
    expected = stats.fisher_exact([[9, 3], [4, 8]]).pvalue
    assert share_of(recall_std_test(scores, letters, [0] * 24, num_permutations=DRAWS).p, expected)


def test_a_letter_that_only_easy_questions_have_is_no_preference():
    """Questions of two options are all right, of six all wrong: recalls differ by the questions alone."""
    letters = list("AB" * 10 + "ABCDEF" * 10)
    found = recall_std_test([1] * 20 + [0] * 60, letters, [2] * 20 + [6] * 60)
    assert found.observed > 0.15
    assert (found.expected, found.p) == (pytest.approx(found.observed), 1)


def test_a_model_that_always_gives_one_letter_is_found():
    letters = list("ABCD" * 20)
    found = recall_std_test([letter == "A" for letter in letters], letters, [0] * 80)
    assert found.observed == pytest.approx(math.sqrt(3) / 4)
    assert found.p == 1 / (permutation.NUM_PERMUTATIONS + 1)


# --- agreement -----------------------------------------------------------------------


def test_the_null_of_agreement_is_that_of_all_permutations_within_strata():
    first, second, strata = [0, 0, 1, 1, 2, -1], [0, 1, 1, 2, 2, -1], [0, 0, 0, 0, 1, 1]
    shares = [
        np.mean([one == other and other >= 0 for one, other in zip(first, [*head, *tail], strict=False)])
        for head in itertools.permutations(second[:4])
        for tail in itertools.permutations(second[4:])
    ]
    found = agreement_test(first, second, strata, num_permutations=DRAWS)
    assert found.observed == pytest.approx(3 / 6)
    assert found.expected == pytest.approx(np.mean(shares), abs=1e-12)
    assert share_of(found.p, np.mean(np.array(shares) >= 0.5 - 1e-12))


def test_no_answer_never_agrees():
    found = agreement_test([-1, -1, 0], [-1, -1, 0], [0, 0, 0])
    # The one answer of each meets the other in a third of the permutations.
    assert (found.observed, found.expected) == (pytest.approx(1 / 3), pytest.approx(1 / 9))


def test_a_model_that_always_gives_one_letter_agrees_with_itself_by_chance():
    found = agreement_test([0] * 30, [0] * 30, [0] * 30)
    assert (found.observed, found.expected, found.p) == (1, 1, 1)


# --- spread --------------------------------------------------------------------------


def test_the_null_of_the_spread_is_that_of_all_permutations_of_ways_within_images():
    scores = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]])
    clusters = ["a", "a", "b", "c"]
    columns = [scores[:, :2].sum(axis=1), scores[:, 2], scores[:, 3]]
    arrangements = itertools.product(*(list(map(np.array, itertools.permutations(column))) for column in columns))
    spreads = [np.ptp(sum(arrangement)) / 4 for arrangement in arrangements]
    found = spread_test(scores, clusters, num_permutations=DRAWS)
    # Means 3/4, 1/4 and 1/4.
    assert found.observed == 0.5
    assert close(found.expected, np.mean(spreads), np.std(spreads))
    assert share_of(found.p, np.mean(np.array(spreads) >= 0.5 - 1e-12))


def test_two_ways_are_tested_as_by_signs():
    """Of 5 questions about 5 images that differ, all for the same way: 2 of 2^5 patterns of signs."""
    scores = [[1, 1, 1, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0, 1]]
    assert share_of(spread_test(scores, range(7), num_permutations=DRAWS).p, 2 / 2**5)


def test_many_images_have_the_limit_of_the_draws(monkeypatch):
    rng = np.random.default_rng(0)
    scores = (rng.random((7, 1400)) < 0.5).astype(float)
    clusters = np.arange(1400) // 2
    limit = spread_test(scores, clusters)
    monkeypatch.setattr(permutation, "_LIMIT_CLUSTERS", 10_000)
    drawn = spread_test(scores, clusters)
    assert limit.observed == drawn.observed
    assert limit.expected == pytest.approx(drawn.expected, rel=0.02)
    assert limit.p == pytest.approx(drawn.p, abs=0.05)


def test_the_mean_range_is_the_constant_of_control_charts():
    # d2 of 2 is 2 / sqrt(pi); of 7 it is 2.704 in any table of control charts.
    assert permutation._mean_normal_range(2) == pytest.approx(2 / math.sqrt(math.pi))
    assert permutation._mean_normal_range(7) == pytest.approx(2.704, abs=0.0005)


def test_ways_that_answer_alike_have_no_spread():
    found = spread_test([[1, 0, 1]] * 3, ["a", "b", "b"])
    assert (found.observed, found.expected, found.p) == (0, 0, 1)


# --- all of them ---------------------------------------------------------------------


@pytest.fixture
def answers():
    rng = np.random.default_rng(1)
    num = 90
    return {
        "scores": rng.integers(0, 2, num),
        "letters": rng.choice(list("ABC"), num),
        "ways": rng.integers(0, 2, (3, num)),
        "labels": rng.integers(-1, 3, (2, num)),
        "strata": rng.choice(["x", "y"], num),
        "image": rng.integers(0, 30, num),
    }


def test_order_and_names_of_images_do_not_matter(answers):
    order = np.random.default_rng(2).permutation(90)
    names = np.array([f"image {number}" for number in np.random.default_rng(3).permutation(30)])
    moved = {name: found[..., order] for name, found in answers.items()}
    assert recall_std_test(answers["scores"], answers["letters"], answers["strata"]) == recall_std_test(
        moved["scores"], moved["letters"], moved["strata"]
    )
    assert agreement_test(*answers["labels"], answers["strata"]) == agreement_test(*moved["labels"], moved["strata"])
    assert spread_test(answers["ways"], answers["image"]) == spread_test(moved["ways"][::-1], names[moved["image"]])


def test_p_values_are_adjusted_in_steps():
    # 3 * 0.01, 2 * 0.03, then not below the step before: 1 * 0.04 becomes 0.06.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.6, 0.9]).tolist() == [1, 1]
    assert holm([]).tolist() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recall_std_test([], [], []), "at least one"),
        (lambda: recall_std_test([1, math.nan], ["A", "B"], [0, 0]), "finite scores"),
        (lambda: recall_std_test([1, 0], ["A"], [0, 0]), r"in letters, shape \(2,\); got shape \(1,\)"),
        (lambda: recall_std_test([1], ["A"], [0], num_permutations=0), "at least one permutation"),
        (lambda: agreement_test([0.5], [0], [0]), "whole labels"),
        (lambda: agreement_test([0], [0, 1], [0]), "of one shape"),
        (lambda: spread_test([1, 0], ["a", "b"]), "ways, questions"),
        (lambda: spread_test([[1, 0]], ["a"]), "in clusters"),
        (lambda: holm([1.5]), "from 0 to 1"),
    ],
)
def test_what_is_out_of_range_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_letters_drawn_once_for_each_image_mislead_the_test_of_preference():
    """The documented limit: answers of a model without any preference, which go together within an image."""
    rng, rejected = np.random.default_rng(1), []
    for _ in range(40):
        difficulty = np.repeat(rng.normal(size=60), 5)
        scores = (difficulty + 0.3 * rng.normal(size=300) > 0.3).astype(float)
        letters, kinds = np.repeat(rng.integers(0, 4, 60), 5), np.tile(np.arange(5), 60)
        rejected.append(recall_std_test(scores, letters, kinds, num_permutations=199).p <= 0.05)
    assert 0.3 < np.mean(rejected) < 0.8


def test_with_one_test_in_each_family_families_are_adjusted_by_holm():
    p = np.random.default_rng(4).random(9) ** 3
    adjusted = holm_over_families(p, range(9))
    assert adjusted.tolist() == holm(p).tolist()
    assert adjusted == pytest.approx(multipletests(p, method="holm")[1])


def test_tests_of_one_family_count_once_and_equal_models_are_called_different_in_at_most_5_of_100():
    assert holm_over_families([0.01, 0.012, 0.03, 0.2], ["a", "a", "b", "b"]).tolist() == [0.02, 0.024, 0.03, 0.2]
    rng = np.random.default_rng(7)
    families = np.repeat(np.arange(4), 3)
    # Three dependent tests in each of four families, adjusted within the family by Bonferroni; all null.
    drawn = stats.norm.sf(np.repeat(rng.normal(size=(4000, 4)), 3, axis=1) * 0.7 + rng.normal(size=(4000, 12)) * 0.714)
    within = np.minimum(1, 3 * drawn)
    false = [min(holm_over_families(p, families)) <= 0.05 for p in within]
    # 0.05 and three standard errors of 4,000 draws.
    assert np.mean(false) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize(("p", "families"), [([0.1, 1.2], "ab"), ([0.1], "ab"), ([[0.1]], "a")])
def test_families_refuse_what_are_no_p_values(p, families):
    with pytest.raises(ValueError, match="p-values from 0 to 1"):
        holm_over_families(p, families)
