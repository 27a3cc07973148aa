"""Claims about comparing models; scipy, closed forms and plain loops are the oracles."""

import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats

from microbench_tasks.metrics.paired import LEVEL, compare_models

# Five standard deviations of a p-value that 9,999 draws estimate, at most.
P_NOISE = 5 * math.sqrt(0.25 / 9999)


def noise(p):
    return 5 * math.sqrt(p * (1 - p) / 9999) + 2e-4


def discordant(only_first, only_second, both=20, neither=30):
    """0/1 answers of two models, by how many questions which of them answers rightly."""
    return [[1] * only_first + [0] * only_second + [1] * both + [0] * neither, [0] * only_first + [1] * only_second + [1] * both + [0] * neither]


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


@pytest.mark.parametrize(("only_first", "only_second"), [(30, 12), (9, 1), (25, 20), (5, 0), (400, 330)])
def test_two_models_on_independent_questions_have_the_exact_mcnemar_p(only_first, only_second):
    scores = discordant(only_first, only_second)
    exact = stats.binomtest(only_first, only_first + only_second).pvalue
    found = compare_models(scores, np.arange(len(scores[0])))
    assert found.p[0, 1] == pytest.approx(exact, abs=noise(exact))
    assert found.difference[0, 1] == pytest.approx((only_first - only_second) / len(scores[0]))


@pytest.mark.parametrize("values", ["0/1", "many"])
def test_two_models_about_images_have_the_p_of_scipys_paired_permutations(values):
    scores, images = models_about_images(2, 40, seed=1, rates=[0.0, 0.1], values=values)
    sums = by_image(scores, images)
    exact = stats.permutation_test(tuple(sums), lambda x, y, axis: np.sum(x - y, axis=axis), permutation_type="samples", n_resamples=40_000, vectorized=True, rng=np.random.default_rng(0)).pvalue
    assert 0.005 < exact < 0.5
    assert compare_models(scores, images).p[0, 1] == pytest.approx(exact, abs=1.5 * noise(exact))


def test_all_pairs_have_the_p_of_a_plain_loop_over_images():
    scores, images = models_about_images(4, 30, seed=2, rates=[0, 0.05, 0.12, 0.2])
    rng = np.random.default_rng(3)
    largest = plain_largest(scores, images, lambda number: (rng.choice([-1, 1], size=number), 0), 4000)
    found = compare_models(scores, images)
    for pair, expected in zip(*plain_p(scores, images, largest)):
        assert found.p[pair] == pytest.approx(expected, abs=2 * noise(expected))


def test_with_many_images_drawing_images_with_replacement_gives_the_same():
    scores, images = models_about_images(4, 400, seed=4, rates=[0, 0.02, 0.03, 0.06])
    rng = np.random.default_rng(5)

    def images_drawn(number):
        return np.bincount(rng.choice(number, size=number), minlength=number), 1

    found = compare_models(scores, images)
    pairs, expected = plain_p(scores, images, plain_largest(scores, images, images_drawn, 3000))
    assert min(expected) < LEVEL < 0.2 < max(expected)
    for pair, p in zip(pairs, expected):
        assert found.p[pair] == pytest.approx(p, abs=0.04)


@pytest.mark.parametrize("num_models", [2, 5, 12])
def test_of_independent_models_the_critical_value_is_tukeys(num_models):
    """All pairs of k independent normal means: the studentized range over sqrt(2); for two models 1.96."""
    scores = np.random.default_rng(6).random((num_models, 3000))
    tukey = stats.studentized_range.ppf(0.95, num_models, np.inf) / math.sqrt(2)
    assert compare_models(scores, np.arange(3000)).critical == pytest.approx(tukey, abs=0.07)


def test_of_many_questions_the_interval_is_the_normal_one():
    scores, images = models_about_images(2, 4000, seed=7, rates=[0, 0.05])
    found = compare_models(scores, images)
    sizes, apart = np.bincount(images), by_image(scores, images)[1] - by_image(scores, images)[0]
    difference = apart.sum() / sizes.sum()
    error = math.sqrt(np.sum((apart - difference * sizes) ** 2)) / sizes.sum()
    assert found.difference[1, 0] == pytest.approx(difference)
    assert (found.low[1, 0], found.high[1, 0]) == pytest.approx((difference - 1.96 * error, difference + 1.96 * error), abs=0.04 * error)


def test_an_end_of_an_interval_is_just_not_rejected():
    """Taken off one model's scores, a difference inside the interval is no difference, and one outside is."""
    scores, images = models_about_images(3, 60, seed=8, rates=[0, 0.15, 0.3])
    scores = 0.4 * scores + 0.3
    found = compare_models(scores, images)

    def statistic(one, other, removed):
        apart = by_image(scores, images)[one] - by_image(scores, images)[other] - removed * np.bincount(images)
        return abs(apart.sum()) / np.linalg.norm(apart)

    for one, other in itertools.permutations(range(3), 2):
        for end in (found.low[one, other], found.high[one, other]):
            assert statistic(one, other, end) == pytest.approx(found.critical)
        assert statistic(one, other, found.difference[one, other]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_interval_p_and_verdict_say_the_same(seed):
    found = compare_models(*models_about_images(6, 80, seed=seed, rates=[0, 0.03, 0.06, 0.1, 0.15, 0.2]))
    upper = np.triu_indices(6, 1)
    is_different = (found.is_better | found.is_better.T)[upper]
    assert is_different.any() and not is_different.all()
    assert (is_different == (found.p[upper] <= LEVEL)).all()
    assert (is_different == ((found.low[upper] > 1e-12) | (found.high[upper] < -1e-12))).all()
    assert (found.low <= found.difference).all() and (found.difference <= found.high).all()


def test_the_two_views_of_a_pair_agree():
    found = compare_models(*models_about_images(5, 50, seed=9, rates=[0, 0.1, 0.2, 0.3, 0.4]))
    assert (found.difference == -found.difference.T).all()
    assert (found.low == -found.high.T).all()
    assert (found.p == found.p.T).all()
    assert not (found.is_better & found.is_better.T).any()
    assert (found.difference[found.is_better] > 0).all()


# --- what must not happen --------------------------------------------------------------


def test_of_equal_models_any_two_are_called_different_in_5_of_100_data_sets_at_most():
    """Five models, cognition's 54 images: ten pairs. The best against the worst, as if chosen beforehand, are different far more often."""
    num_sets, adjusted, chosen = 250, 0, 0
    for seed in range(num_sets):
        scores, images = models_about_images(5, 54, seed=1000 + seed)
        adjusted += compare_models(scores, images, num_resamples=399, seed=seed).is_better.any()
        order = np.argsort(scores.sum(axis=1))
        chosen += compare_models(scores[order[[0, -1]]], images, num_resamples=399, seed=seed).is_better.any()
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


@pytest.mark.parametrize("num_images", [1, 2, 4])
def test_a_handful_of_images_proves_nothing(num_images):
    """With m images in a model's favour half of the 2^m signs are as extreme on each side: p = 2 / 2^m, 0.125 of four."""
    found = compare_models([[1.0] * num_images, [0.0] * num_images], np.arange(num_images))
    assert found.p[0, 1] == pytest.approx(2 / 2**num_images, abs=P_NOISE)
    assert (found.low[0, 1], found.high[0, 1]) == (-1, 1)
    assert not found.is_better.any()


def test_the_smallest_p_is_one_over_all_draws_and_the_observed():
    found = compare_models([[1.0] * 100, [0.0] * 100], np.arange(100), num_resamples=999)
    assert found.p[0, 1] == 1 / 1000
    assert found.is_better[0, 1] and not found.is_better[1, 0]


def test_a_single_model_has_no_one_to_compare_with():
    found = compare_models([[0.0, 1.0]], [1, 2])
    assert found.p.shape == (1, 1) and not found.is_better.any()


# --- what must not matter --------------------------------------------------------------


def same(found, expected):
    return all(np.array_equal(getattr(found, name), getattr(expected, name)) for name in ("difference", "low", "high", "p", "is_better", "critical"))


@pytest.mark.parametrize("values", ["0/1", "many"])
def test_order_of_models_and_questions_changes_nothing_to_the_last_bit(values):
    scores, images = models_about_images(6, 70, seed=11, rates=[0, 0, 0.05, 0.1, 0.1, 0.2], values=values)
    scores[1] = scores[0]
    expected = compare_models(scores, images)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        models, questions = rng.permutation(6), rng.permutation(images.size)
        found = compare_models(scores[models][:, questions], images[questions])
        for name in ("difference", "low", "high", "p", "is_better"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)[np.ix_(models, models)]), name
        assert found.critical == expected.critical


def test_images_may_have_any_names_in_the_same_order():
    scores, images = models_about_images(3, 50, seed=12, rates=[0, 0.1, 0.2])
    names = np.array([f"image {image:03d}" for image in images])
    assert same(compare_models(scores, names), compare_models(scores, images))


def test_asking_each_question_twice_about_the_same_image_adds_nothing():
    scores, images = models_about_images(3, 50, seed=13, rates=[0, 0.1, 0.2])
    once, twice = compare_models(scores, images), compare_models(np.hstack([scores, scores]), np.hstack([images, images]))
    assert (once.p == twice.p).all()
    for name in ("difference", "low", "high"):
        assert getattr(twice, name) == pytest.approx(getattr(once, name))


def test_the_seed_decides():
    scores, images = models_about_images(3, 50, seed=14, rates=[0, 0.05, 0.1])
    assert same(compare_models(scores, images, seed=1), compare_models(scores, images, seed=1))
    assert not same(compare_models(scores, images, seed=1), compare_models(scores, images, seed=2))


def test_blocks_of_draws_are_all_used(monkeypatch):
    """In small blocks other signs are drawn: the p-values agree within their noise, and so none is left out or drawn twice."""
    scores, images = models_about_images(3, 50, seed=15, rates=[0, 0.05, 0.1])
    expected = compare_models(scores, images)
    monkeypatch.setattr("microbench_tasks.metrics.paired._BLOCK_NUMBERS", 50 * 7)
    found = compare_models(scores, images)
    assert found.p == pytest.approx(expected.p, abs=2 * P_NOISE)
    assert (found.difference == expected.difference).all()


@pytest.mark.parametrize(
    ("scores", "clusters", "options", "message"),
    [
        ([0.0, 1.0], [1, 2], {}, r"shape \(models, questions\), at least one of each; got shape \(2,\)"),
        ([[], []], [], {}, r"at least one of each; got shape \(2, 0\)"),
        ([[0.0, math.nan]], [1, 2], {}, "scores from 0 to 1, got 1 others"),
        ([[0.0, 1.5]], [1, 2], {}, "scores from 0 to 1, got 1 others"),
        ([[0.0, 1.0]], [1], {}, r"clusters, shape \(2,\); got shape \(1,\)"),
        ([[0.0, 1.0]], [1, 2], {"level": 5}, "between 0 and 1, got 5"),
        ([[0.0, 1.0]], [1, 2], {"num_resamples": 18}, "at least 19 resamples for a level of 0.05, got 18"),
    ],
)
def test_bad_arguments_are_refused(scores, clusters, options, message):
    with pytest.raises(ValueError, match=message):
        compare_models(scores, clusters, **options)


def test_nineteen_resamples_are_enough_for_a_level_of_one_in_twenty():
    found = compare_models([[1.0] * 50, [0.0] * 50], np.arange(50), num_resamples=19)
    assert found.is_better[0, 1] and found.p[0, 1] == 1 / 20


def test_figures_are_plain_numbers_once_listed():
    found = compare_models(*models_about_images(2, 10, seed=16))
    json.dumps({name: getattr(found, name).tolist() for name in ("difference", "low", "high", "p", "is_better")} | {"critical": found.critical})
