"""Claims about comparing models; scipy, closed forms, enumerations and plain loops are the oracles."""

import collections
import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats

from microbench_tasks.metrics import max_statistics
from microbench_tasks.metrics.paired import LEVEL, POWER, compare_models, compare_pair
from microbench_tasks.metrics.sign_flips import SMALLEST_P, sign_flip_p

FIGURES = ("difference", "low", "high", "p", "is_better", "pair_p", "standard_error", "correlation")
FIGURES += ("num_discordant", "smallest")


def noise(p):
    return 5 * math.sqrt(p * (1 - p) / 9999) + 2e-4


def discordant(only_first, only_second, both=20, neither=30):
    """0/1 answers of two models, by how many questions which of them answers rightly."""
    return [
        [1] * only_first + [0] * only_second + [1] * both + [0] * neither,
        [0] * only_first + [1] * only_second + [1] * both + [0] * neither,
    ]


def models_about_images(num_models, num_images, seed, rates=None, values="0/1"):
    """Scores, shape (models, questions), and images: each has one to five questions; hard ones are hard for all."""
    rng = np.random.default_rng(seed)
    images = np.repeat(np.arange(num_images), rng.integers(1, 6, size=num_images))
    hardness = rng.beta(2, 2, size=num_images)[images]
    shift = np.zeros(num_models) if rates is None else np.array(rates)
    right = rng.random((num_models, images.size)) < np.clip(hardness + shift[:, None], 0, 1)
    return (right * rng.random(right.shape) if values == "many" else right.astype(float)), images


def by_image(scores, images):
    return np.array([[row[images == image].sum() for image in np.unique(images)] for row in scores])


def by_image_fast(scores, images):
    return np.array([np.bincount(images, weights=row) for row in scores])


def plain_largest(scores, images, draw, num_resamples):
    """The largest statistic of all pairs in each resample, by loops; ``draw`` makes weights of images."""
    sums = by_image(scores, images)
    found = []
    for _ in range(num_resamples):
        weights, centre = draw(sums.shape[1])
        statistics = []
        for one, other in itertools.combinations(range(len(sums)), 2):
            apart = sums[one] - sums[other]
            statistics.append(abs(weights @ apart - centre * apart.sum()) / math.sqrt(apart @ apart))
        found.append(max(statistics))
    return np.array(found)


def plain_p(scores, images, largest):
    sums = by_image(scores, images)
    pairs = list(itertools.combinations(range(len(sums)), 2))
    observed = [abs((sums[one] - sums[other]).sum()) / np.linalg.norm(sums[one] - sums[other]) for one, other in pairs]
    return pairs, [(1 + np.count_nonzero(largest >= value - 1e-9)) / (1 + len(largest)) for value in observed]


# --- the test of one pair ----------------------------------------------------------------


def enumerated_p(differences):
    """The share of all patterns of signs whose sum is as far from 0, by fractions of whole numbers."""
    patterns = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(sum(sign * size for sign, size in zip(signs, differences, strict=False))) for signs in patterns]
    return sum(value >= abs(sum(differences)) for value in sums) / len(sums)


DISCORDANT = [(30, 12), (9, 1), (25, 20), (5, 0), (40, 3), (400, 330), (8100, 7900)]


@pytest.mark.parametrize(("only_first", "only_second"), DISCORDANT)
def test_with_one_question_an_image_p_is_mcnemars_exact_one(only_first, only_second):
    scores = discordant(only_first, only_second)
    exact = stats.binomtest(only_first, only_first + only_second).pvalue
    found = compare_pair(*scores, np.arange(len(scores[0])))
    assert found.p == pytest.approx(exact, abs=1e-12)
    assert found.difference == pytest.approx((only_first - only_second) / len(scores[0]))
    assert found.num_discordant == only_first + only_second
    assert found.num_clusters == found.num_questions == len(scores[0])


@pytest.mark.parametrize("seed", range(8))
def test_p_is_the_share_of_all_patterns_of_signs(seed):
    rng = np.random.default_rng(seed)
    differences = rng.integers(-6, 7, size=rng.integers(1, 13)).tolist()
    assert sign_flip_p(differences) == pytest.approx(enumerated_p(differences), abs=1e-12)


@pytest.mark.parametrize("values", ["0/1", "many"])
def test_p_is_that_of_scipys_permutation_of_pairs(values):
    scores, images = models_about_images(2, 15, seed=3, rates=[0.0, 0.3], values=values)
    exact = stats.permutation_test(
        tuple(by_image(scores, images)),
        lambda x, y, axis: np.sum(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    assert 0.005 < exact < 0.5
    # Other scores than 0 and 1 are rounded to a fine grid before the test.
    assert compare_pair(*scores, images).p == pytest.approx(exact, abs=1e-9 if values == "0/1" else 0.002)


def test_many_images_have_the_normal_p():
    scores, images = models_about_images(2, 16_000, seed=5, rates=[0.0, 0.008])
    apart = np.subtract(*by_image_fast(scores, images))
    normal = 2 * stats.norm.sf(abs(apart.sum()) / np.linalg.norm(apart))
    assert 0.001 < normal < 0.2
    assert compare_pair(*scores, images).p == pytest.approx(normal, rel=0.02)


def test_means_of_repeated_answers_are_compared_exactly():
    first, second = [2 / 3, 1, 1 / 3, 1, 2 / 3, 1, 0.5], [1 / 3, 0, 0, 1 / 3, 1, 0.5, 0]
    whole = [round(6 * (one - other)) for one, other in zip(first, second, strict=False)]
    assert compare_pair(first, second, range(7)).p == pytest.approx(enumerated_p(whole), abs=1e-12)


@pytest.mark.parametrize("num_images", [1, 2, 4])
def test_a_handful_of_images_proves_nothing(num_images):
    """With m images in a model's favour one pattern of signs is as extreme on each side: p = 2 / 2^m, 0.125 of four."""
    found = compare_models([[1.0] * num_images, [0.0] * num_images], np.arange(num_images))
    assert found.p[0, 1] == pytest.approx(2 / 2**num_images)
    assert not found.is_better.any()
    assert found.smallest[0, 1] == 1


def test_six_images_are_enough():
    found = compare_models([[1.0] * 6, [0.0] * 6], np.arange(6))
    assert found.p[0, 1] == pytest.approx(2 / 64)
    assert found.is_better[0, 1] and not found.is_better[1, 0]


def test_a_p_too_small_to_compute_is_reported_as_the_smallest():
    assert compare_pair([1.0] * 100, [0.0] * 100, np.arange(100)).p == SMALLEST_P


def test_differences_that_are_not_whole_numbers_are_refused():
    with pytest.raises(ValueError, match=r"integer differences of shape \(m,\), got shape \(2,\) of float64"):
        sign_flip_p([0.5, 1.0])


# --- figures beside the test -------------------------------------------------------------


def test_the_standard_error_is_the_paired_clustered_one():
    """Three images of 2, 1 and 1 questions with differences 1 + 0, -1 and 1: mean 1/4, deviations 1/2, -5/4, 3/4."""
    found = compare_pair([1, 1, 0, 1], [0, 1, 1, 0], ["a", "a", "b", "c"])
    assert found.difference == pytest.approx(1 / 4)
    assert found.standard_error == pytest.approx(math.sqrt((1 / 4 + 25 / 16 + 9 / 16) * 3 / 2) / 4)
    assert found.num_discordant == 3


def test_the_correlation_is_pearsons_over_questions():
    scores, images = models_about_images(2, 80, seed=5, values="many")
    assert compare_pair(*scores, images).correlation == pytest.approx(stats.pearsonr(*scores).statistic)
    assert math.isnan(compare_pair([1, 1, 1], [0, 1, 0], [1, 2, 3]).correlation)


def test_of_one_question_an_image_the_standard_error_is_that_of_a_mean():
    scores = np.array(discordant(30, 12))
    found = compare_pair(*scores, np.arange(scores.shape[1]))
    assert found.standard_error == pytest.approx(stats.sem(scores[0] - scores[1]))


def test_of_many_questions_the_interval_is_the_normal_one():
    scores, images = models_about_images(2, 4000, seed=7, rates=[0, 0.05])
    found = compare_pair(*scores[::-1], images)
    expected = [found.difference + sign * 1.96 * found.standard_error for sign in (-1, 1)]
    assert (found.low, found.high) == pytest.approx(expected, abs=0.05 * found.standard_error)


def test_models_that_never_differ_have_the_interval_that_no_discordant_image_leaves():
    """Of 50 images none on which the first is ahead: Clopper and Pearson's upper limit 1 - 0.025^(1/50), by t of 49."""
    images = 50 * (stats.norm.isf(0.025) / stats.t.isf(0.025, 49)) ** 2
    limit = 1 - 0.025 ** (1 / images)
    found = compare_pair([1, 0] * 25, [1, 0] * 25, np.arange(50))
    assert (found.low, found.high) == pytest.approx((-limit, limit))


@pytest.mark.parametrize("scores", [([1.0] * 9, [0.0] * 9), ([1.0] * 9, [1.0] * 9), ([1.0], [0.0])])
def test_intervals_stay_within_their_range_and_never_collapse(scores):
    found = compare_pair(*scores, np.arange(len(scores[0])))
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.low < found.high


@pytest.mark.parametrize(("num_models", "num_sets"), [(2, 250), (5, 120)])
def test_nineteen_of_twenty_data_sets_have_all_intervals_right(num_models, num_sets):
    """About 30 images, most of them right for all models."""
    num_right, rates = 0, np.linspace(0.8, 0.98, num_models)
    for seed in range(num_sets):
        rng = np.random.default_rng([seed, num_models])
        images = np.repeat(np.arange(30), rng.integers(1, 4, size=30))
        luck = 0.5 * rng.random(30)[images] + 0.5 * rng.random((num_models, images.size))
        # The mean of two uniform numbers has a triangular distribution.
        answers = luck < stats.triang.ppf(rates, 0.5)[:, None]
        found = compare_models(answers, images, num_resamples=199, max_resamples=199)
        true = rates[:, None] - rates
        num_right += ((found.low <= true) & (true <= found.high)).all()
    assert num_right >= stats.binom.ppf(0.001, num_sets, 0.95)


def test_the_smallest_difference_is_critical_value_and_power_times_the_standard_error():
    scores, images = models_about_images(2, 300, seed=8)
    found = compare_models(scores, images)
    errors = stats.t.isf(0.025, 299) + stats.norm.ppf(POWER)
    assert found.smallest[0, 1] == pytest.approx(errors * found.standard_error[0, 1])


def test_models_that_never_differ_need_a_difference_of_the_binomial_error():
    """D = q sqrt(d (1 - d) / n) has the solution q^2 / (n + q^2)."""
    found = compare_models([[1, 0] * 50] * 2, np.arange(100))
    square = (stats.t.isf(0.025, 99) + stats.norm.ppf(POWER)) ** 2
    assert found.smallest[0, 1] == pytest.approx(square / (100 + square))


# --- weights -----------------------------------------------------------------------------


def test_weights_make_the_difference_of_macro_means():
    scores, images = models_about_images(2, 60, seed=9, rates=[0, 0.1])
    tasks = np.random.default_rng(10).choice(3, size=images.size, p=[0.7, 0.2, 0.1])
    macro = [np.mean([row[tasks == task].mean() for task in range(3)]) for row in scores]
    found = compare_pair(*scores, images, weights=1 / np.bincount(tasks)[tasks])
    assert found.difference == pytest.approx(macro[0] - macro[1])


def test_weighted_differences_are_tested_by_all_patterns_of_signs():
    """Two tasks of 9 and 3 questions, weights 1 and 3: the images' differences are whole."""
    first, second = [1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0], [0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0]
    weights = [1] * 9 + [3] * 3
    expected = enumerated_p(
        [weight * (one - other) for weight, one, other in zip(weights, first, second, strict=False)]
    )
    assert compare_pair(first, second, range(12), weights=weights).p == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("num_models", [2, 4])
def test_equal_weights_of_any_size_change_nothing(num_models):
    scores, images = models_about_images(num_models, 40, seed=11)
    assert same(compare_models(scores, images, weights=np.full(images.size, 0.25)), compare_models(scores, images))


# --- all pairs ---------------------------------------------------------------------------


def test_all_pairs_have_the_p_of_a_plain_loop_over_images():
    scores, images = models_about_images(4, 30, seed=2, rates=[0, 0.05, 0.12, 0.2])
    rng = np.random.default_rng(3)
    largest = plain_largest(scores, images, lambda number: (rng.choice([-1, 1], size=number), 0), 4000)
    found = compare_models(scores, images)
    for pair, expected in zip(*plain_p(scores, images, largest), strict=False):
        assert found.p[pair] == pytest.approx(expected, abs=2 * noise(expected))


def test_with_many_images_drawing_images_with_replacement_gives_the_same():
    scores, images = models_about_images(4, 400, seed=4, rates=[0, 0.02, 0.03, 0.06])
    rng = np.random.default_rng(5)

    def images_drawn(number):
        return np.bincount(rng.choice(number, size=number), minlength=number), 1

    found = compare_models(scores, images)
    pairs, expected = plain_p(scores, images, plain_largest(scores, images, images_drawn, 3000))
    assert min(expected) < LEVEL < 0.2 < max(expected)
    for pair, p in zip(pairs, expected, strict=False):
        assert found.p[pair] == pytest.approx(p, abs=0.04)


@pytest.mark.parametrize("num_models", [3, 5, 12])
def test_of_independent_models_the_critical_value_is_tukeys(num_models):
    """All pairs of k independent normal means: the studentized range over sqrt(2)."""
    scores = np.random.default_rng(6).random((num_models, 3000))
    tukey = stats.studentized_range.ppf(0.95, num_models, np.inf) / math.sqrt(2)
    assert compare_models(scores, np.arange(3000)).critical == pytest.approx(tukey, abs=0.07)


@pytest.mark.parametrize("offset", [0, 10**9])
@pytest.mark.parametrize("largest", [4, 2**22])
def test_the_largest_statistics_are_those_of_exact_whole_numbers(largest, offset):
    """Python's whole numbers are the oracle; with the larger sums single precision would not be exact."""
    rng = np.random.default_rng(11)
    sums, bits = rng.integers(0, largest, (23, 4)), rng.integers(0, 2, (9, 23)).astype(np.uint8)
    expected = []
    for signs in (1 - 2 * bits.astype(int)).tolist():
        found = []
        for one, other in itertools.combinations(sums.T.tolist(), 2):
            apart = [first - second for first, second in zip(one, other, strict=False)]
            total = sum(sign * difference for sign, difference in zip(signs, apart, strict=False))
            found.append(abs(total) / math.sqrt(sum(difference**2 for difference in apart)))
        expected.append(max(found))
    pairs = max_statistics.PairStatistics(sums + offset)
    assert max_statistics.largest_statistics(pairs, bits) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sizes", [(23, 180), (4_000, 10_001, 7), (360, 361), (17,)])
def test_p_of_large_differences_is_that_of_the_polynomial_of_sums(sizes):
    """The distribution of the sum, by adding one image after the other."""
    rng = np.random.default_rng(12)
    differences = rng.choice(sizes, 60) * rng.choice([-1, 1], 60, p=[0.35, 0.65])
    chances = collections.Counter({0: 1.0})
    for size in differences.tolist():
        moved: collections.Counter[int] = collections.Counter()
        for total, chance in chances.items():
            moved[total - size] += chance / 2
            moved[total + size] += chance / 2
        chances = moved
    observed = abs(int(differences.sum()))
    expected = sum(chance for total, chance in chances.items() if abs(total) >= observed)
    assert sign_flip_p(differences) == pytest.approx(expected, abs=1e-12)


def test_of_few_images_all_patterns_of_signs_are_counted():
    """Three models about ten images: p is the share of 2^10 patterns in which any pair's statistic is as large."""
    scores, images = models_about_images(3, 10, seed=12, rates=[0, 0.2, 0.4])
    signs = iter(itertools.product((-1, 1), repeat=10))
    largest = plain_largest(scores, images, lambda number: (np.array(next(signs)), 0), 2**10)
    found = compare_models(scores, images)
    assert found.num_resamples == 0
    sums = by_image(scores, images)
    for one, other in itertools.combinations(range(3), 2):
        apart = sums[one] - sums[other]
        statistic = abs(apart.sum()) / np.linalg.norm(apart)
        assert found.p[one, other] == pytest.approx(np.mean(largest >= statistic - 1e-9))


@pytest.mark.parametrize("seed", range(5))
def test_the_verdict_is_the_adjusted_ps(seed):
    found = compare_models(*models_about_images(6, 80, seed=seed, rates=[0, 0.03, 0.06, 0.1, 0.15, 0.2]))
    assert found.is_better.any() and not (found.is_better | found.is_better.T)[np.triu_indices(6, 1)].all()
    assert (found.is_better == ((found.p <= LEVEL) & (found.difference > 0))).all()
    assert (found.low <= found.difference).all() and (found.difference <= found.high).all()


def test_a_pairs_own_figures_do_not_depend_on_other_models():
    scores, images = models_about_images(7, 90, seed=13, rates=np.linspace(0, 0.3, 7))
    alone, among = compare_pair(scores[2], scores[5], images), compare_models(scores, images)
    assert among.pair_p[2, 5] == alone.p < among.p[2, 5]
    assert among.standard_error[2, 5] == alone.standard_error
    assert among.num_discordant[2, 5] == alone.num_discordant
    assert among.correlation[2, 5] == pytest.approx(alone.correlation)
    assert among.low[2, 5] < alone.low < alone.high < among.high[2, 5]


def test_two_models_have_the_figures_of_their_pair():
    scores, images = models_about_images(2, 90, seed=14, rates=[0, 0.1])
    pair, both = compare_pair(*scores, images), compare_models(scores, images)
    for name in ("p", "low", "high", "difference", "standard_error", "correlation"):
        assert getattr(pair, name) == getattr(both, name)[0, 1]
    assert both.num_resamples == 0


def test_the_two_views_of_a_pair_agree():
    found = compare_models(*models_about_images(5, 50, seed=9, rates=[0, 0.1, 0.2, 0.3, 0.4]))
    assert (found.difference == -found.difference.T).all()
    assert (found.low == -found.high.T).all()
    for name in ("p", "pair_p", "standard_error", "correlation", "num_discordant", "smallest"):
        assert (getattr(found, name) == getattr(found, name).T).all()
    assert not (found.is_better & found.is_better.T).any()
    assert (found.difference[found.is_better] > 0).all()


# --- what must not happen --------------------------------------------------------------


def test_of_equal_models_any_two_are_called_different_in_5_of_100_data_sets_at_most():
    """Five models, the 54 images of cognition: ten pairs.

    The best and the worst model, compared as if they had been chosen beforehand, are different far more often.
    """
    num_sets, adjusted, chosen = 250, 0, 0
    for seed in range(num_sets):
        scores, images = models_about_images(5, 54, seed=1000 + seed)
        found = compare_models(scores, images, num_resamples=399, max_resamples=399, seed=seed)
        adjusted += found.is_better.any()
        order = np.argsort(scores.sum(axis=1))
        chosen += compare_pair(*scores[order[[0, -1]]], images).p <= LEVEL
    assert adjusted <= stats.binom.ppf(0.999, num_sets, LEVEL)
    assert chosen > stats.binom.ppf(0.999, num_sets, LEVEL)


def test_models_that_agree_everywhere_have_no_difference_and_p_1():
    first, other = discordant(30, 2)
    found = compare_models([first, first, other], np.arange(len(first)))
    assert (found.difference[0, 1], found.p[0, 1], found.is_better[0, 1]) == (0, 1, False)
    assert found.p[0, 2] == found.p[1, 2] < 0.001


@pytest.mark.parametrize("answer", [0.0, 1.0, 0.25])
def test_where_all_agree_nothing_differs(answer):
    found = compare_models(np.full((3, 6), answer), [1, 1, 2, 2, 3, 3])
    assert (found.p == 1).all() and not found.is_better.any() and (found.difference == 0).all()


def test_a_nearly_equal_pair_hides_no_other_pairs_difference():
    """Two models that differ on a single image: the third is as different as without the second."""
    scores, images = models_about_images(2, 60, seed=10, rates=[0, 0.35])
    twin = scores[0].copy()
    twin[0] = 1 - twin[0]
    alone, beside = compare_models(scores, images), compare_models([scores[0], twin, scores[1]], images)
    assert alone.is_better[1, 0] and beside.is_better[2, 0] and beside.is_better[2, 1]
    assert beside.p[0, 1] == 1


def test_a_single_model_has_no_one_to_compare_with():
    found = compare_models([[0.0, 1.0]], [1, 2])
    assert found.p.shape == (1, 1) and not found.is_better.any()


# --- what must not matter --------------------------------------------------------------


def same(found, expected):
    return all(np.array_equal(getattr(found, name), getattr(expected, name), equal_nan=True) for name in FIGURES)


@pytest.mark.parametrize("values", ["0/1", "many"])
def test_order_of_models_and_questions_and_names_of_images_change_nothing_to_the_last_bit(values):
    scores, images = models_about_images(6, 70, seed=11, rates=[0, 0, 0.05, 0.1, 0.1, 0.2], values=values)
    scores[1] = scores[0]
    expected = compare_models(scores, images)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        models, questions, names = rng.permutation(6), rng.permutation(images.size), rng.permutation(70)
        found = compare_models(scores[models][:, questions], [f"image {name}" for name in names[images[questions]]])
        for name in FIGURES:
            assert np.array_equal(getattr(found, name), getattr(expected, name)[np.ix_(models, models)]), name
        assert found.critical == expected.critical


def test_models_that_are_alike_but_for_the_images_are_ordered_by_those():
    """Each model is right on one of the first three images, and these differ in what a fourth model does there."""
    scores = np.zeros((4, 40))
    scores[[0, 1, 2], [0, 1, 2]] = 1
    scores[3] = np.linspace(0, 1, 40)
    scores[:3, 20:] = np.arange(20) % 2
    expected = compare_models(scores, np.arange(40))
    models, images = [2, 3, 0, 1], np.random.default_rng(0).permutation(40)
    found = compare_models(scores[models][:, images], np.arange(40))
    for name in FIGURES:
        assert np.array_equal(getattr(found, name), getattr(expected, name)[np.ix_(models, models)]), name


def test_the_order_of_two_models_turns_the_signs_only():
    scores, images = models_about_images(2, 50, seed=12, rates=[0, 0.1], values="many")
    one, other = compare_pair(*scores, images), compare_pair(*scores[::-1], images)
    assert (one.difference, one.low, one.high, one.p) == (-other.difference, -other.high, -other.low, other.p)


def near_the_level():
    """Three models about 200 images, of which the first two may be alike."""
    scores, images = models_about_images(3, 200, seed=26, rates=[0, 0.06, 0.2])
    return scores, images


def test_more_signs_are_drawn_where_a_p_is_near_the_level():
    scores, images = near_the_level()
    p = compare_models(scores, images).p[0, 1]
    found = compare_models(scores, images, level=round(p, 3))
    assert found.num_resamples >= 4 * 9999
    far = compare_models(scores, images, level=round(p, 3) / 3)
    assert far.num_resamples == 9999


def test_the_seed_moves_p_within_its_noise_only():
    scores, images = near_the_level()
    one, other = (compare_models(scores, images, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one.p, other.p)
    assert np.abs(one.p - other.p).max() < 2 * noise(0.5)
    assert np.array_equal(one.pair_p, other.pair_p)


def test_blocks_of_draws_are_all_used(monkeypatch):
    """In small blocks other signs are drawn: p-values agree within noise, so none is left out or drawn twice."""
    scores, images = models_about_images(3, 50, seed=15, rates=[0, 0.05, 0.1])
    expected = compare_models(scores, images)
    monkeypatch.setattr(max_statistics, "_BLOCK_NUMBERS", 50 * 7)
    found = compare_models(scores, images)
    assert found.p == pytest.approx(expected.p, abs=2 * noise(0.5))
    assert found.num_resamples == expected.num_resamples


def test_the_smallest_adjusted_p_of_draws_is_one_over_all_and_the_observed():
    found = compare_models([[1.0] * 100, [0.0] * 100, [0.0] * 100], np.arange(100), num_resamples=999)
    assert found.p[0, 1] == 1 / 1000
    assert found.is_better[0, 1] and not found.is_better[1, 0]


def test_nineteen_resamples_are_enough_for_a_level_of_one_in_twenty():
    found = compare_models([[1.0] * 50, [0.0] * 50, [0.0] * 50], np.arange(50), num_resamples=19, max_resamples=19)
    assert found.is_better[0, 1] and found.p[0, 1] == 1 / 20


def test_asking_each_question_twice_about_the_same_image_adds_nothing():
    scores, images = models_about_images(3, 50, seed=13, rates=[0, 0.1, 0.2])
    once, twice = (
        compare_models(scores, images),
        compare_models(np.hstack([scores, scores]), np.hstack([images, images])),
    )
    assert (once.p == twice.p).all()
    for name in ("difference", "low", "high"):
        assert getattr(twice, name) == pytest.approx(getattr(once, name))


@pytest.mark.parametrize(
    ("scores", "clusters", "options", "message"),
    [
        ([0.0, 1.0], [1, 2], {}, r"shape \(models, questions\), at least one of each; got shape \(2,\)"),
        ([[], []], [], {}, r"at least one of each; got shape \(2, 0\)"),
        ([[0.0, math.nan]], [1, 2], {}, "scores from 0 to 1, got 1 others"),
        ([[0.0, 1.5]], [1, 2], {}, "scores from 0 to 1, got 1 others"),
        ([[0.0, 1.0]], [1], {}, r"clusters, shape \(2,\); got shape \(1,\)"),
        ([[0.0, 1.0]], [1, 2], {"weights": [1]}, r"weights, shape \(2,\); got shape \(1,\)"),
        ([[0.0, 1.0]], [1, 2], {"weights": [1, 0]}, "weights above 0, got 1 others"),
        ([[0.0, 1.0]], [1, 2], {"level": 5}, "between 0 and 1, got 5"),
        ([[0.0, 1.0]], [1, 2], {"num_resamples": 18}, "at least 19 resamples for a level of 0.05, got 18"),
    ],
)
def test_bad_arguments_are_refused(scores, clusters, options, message):
    with pytest.raises(ValueError, match=message):
        compare_models(scores, clusters, **options)


def test_a_pair_refuses_a_level_that_is_none():
    with pytest.raises(ValueError, match="confidence level between 0 and 1, got 95"):
        compare_pair([1], [0], [1], confidence_level=95)


def test_figures_are_plain_numbers_once_listed():
    found = compare_models(*models_about_images(2, 10, seed=16))
    json.dumps({name: getattr(found, name).tolist() for name in FIGURES} | {"critical": found.critical})
    json.dumps(vars(compare_pair([1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 2, 3])))


def test_an_interval_is_hardly_wider_where_one_model_is_ahead_on_all_images():
    """315 images of five questions; the normal interval is the oracle."""
    rng = np.random.default_rng(17)
    images = np.repeat(np.arange(315), 5)
    found = compare_pair(rng.random(1575) < 0.98, rng.random(1575) < 0.18, images)
    assert 1 < (found.high - found.low) / (2 * 1.96 * found.standard_error) < 1.15


def test_further_models_can_hide_a_difference_and_copies_cannot():
    """By arithmetic: the largest of more statistics is larger, and that of a copy is there already."""
    rng = np.random.default_rng(5)
    difficulty = rng.normal(size=300)
    able = np.array([ability + 0.6 * rng.normal(size=300) > difficulty for ability in (0.75, 0.45, 0.4)], dtype=float)
    guessing, images = (rng.random((20, 300)) < 0.2).astype(float), np.arange(300)
    alone, crowded, copied = (
        compare_models(scores, images, max_resamples=9_999)
        for scores in (able, np.vstack([able, guessing]), np.vstack([able, np.repeat(able[1:2], 20, axis=0)]))
    )
    assert alone.is_better[0, 1] and copied.is_better[0, 1] and not crowded.is_better[0, 1]
    assert copied.critical == pytest.approx(alone.critical, abs=0.05)
    assert alone.pair_p[0, 1] == crowded.pair_p[0, 1] == copied.pair_p[0, 1]
