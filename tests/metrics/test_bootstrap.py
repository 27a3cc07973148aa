"""Claims about the intervals; scipy and closed forms are the oracles."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from microbench_tasks.metrics.bootstrap import bootstrap_interval
from microbench_tasks.metrics.intervals import Interval

TABLE1 = json.loads(
    (Path(__file__).parents[2] / "microbench_tasks" / "catalog" / "table1.json").read_text(encoding="utf-8")
)
# Standard deviation of a 2.5 % quantile of 9,999 normal draws, in units of their standard deviation:
# sqrt(q (1 - q) / B) / density at the quantile.
QUANTILE_NOISE = math.sqrt(0.025 * 0.975 / 9999) / stats.norm.pdf(1.959964)


def zero_one(n, k):
    return np.repeat([1.0, 0.0], [k, n - k])


def test_the_papers_half_width_at_the_papers_size():
    """Table 1: GPT-4o coarse, 79,716 questions, 62.68 % ± 0.35; the normal approximation gives 0.336."""
    n, accuracy = 79_716, 0.6268
    interval = bootstrap_interval(zero_one(n, round(n * accuracy)))
    closed_form = 1.959964 * math.sqrt(accuracy * (1 - accuracy) / n)
    assert interval.high - accuracy == pytest.approx(closed_form, rel=0.05)
    assert 100 * (interval.high - accuracy) == pytest.approx(0.35, abs=0.02)


@pytest.mark.parametrize("method", ["basic", "percentile"])
@pytest.mark.parametrize(("n", "k"), [(121, 75), (2_000, 400)])
def test_scipys_intervals_scatter_around_ours(n, k, method):
    scores = zero_one(n, k)
    ends = []
    for seed in range(12):
        found = stats.bootstrap(
            (scores,), np.mean, n_resamples=9999, method=method, rng=np.random.default_rng(seed)
        ).confidence_interval
        ends.append((found.low, found.high))
    ours = bootstrap_interval(scores, method=method)
    for end, scipys in zip((ours.low, ours.high), np.transpose(ends), strict=False):
        assert scipys.min() - 1 / n <= end <= scipys.max() + 1 / n


def test_draws_of_0_1_scores_have_the_distribution_of_index_resampling():
    """The quantiles of a binomial count, exactly, up to the noise of 200,000 draws (one count)."""
    n, k = 50, 20
    interval = bootstrap_interval(zero_one(n, k), method="percentile", num_resamples=200_000)
    assert interval.low * n == pytest.approx(stats.binom.ppf(0.025, n, k / n), abs=1)
    assert interval.high * n == pytest.approx(stats.binom.ppf(0.975, n, k / n), abs=1)


def test_scores_with_many_values_agree_with_the_normal_approximation():
    scores = np.random.default_rng(0).random(400)
    interval = bootstrap_interval(scores)
    half = 1.959964 * scores.std() / math.sqrt(400)
    assert interval.low == pytest.approx(scores.mean() - half, rel=0.02)
    assert interval.high == pytest.approx(scores.mean() + half, rel=0.02)


def test_two_values_other_than_0_and_1_are_a_shift_and_a_scale():
    scores = zero_one(40, 10)
    plain, moved = bootstrap_interval(scores), bootstrap_interval(3 + 2 * scores)
    assert moved.low == pytest.approx(3 + 2 * plain.low)
    assert moved.high == pytest.approx(3 + 2 * plain.high)


def test_basic_is_percentile_mirrored_at_the_mean():
    scores = zero_one(30, 6)
    basic, percentile = bootstrap_interval(scores), bootstrap_interval(scores, method="percentile")
    assert basic.low == pytest.approx(2 * 0.2 - percentile.high)
    assert basic.high == pytest.approx(2 * 0.2 - percentile.low)


@pytest.mark.parametrize(
    ("scores", "end"), [([0.0] * 9, 0.0), ([1.0] * 9, 1.0), ([1.0], 1.0), ([0.0], 0.0), ([0.3] * 7, 0.3)]
)
def test_equal_scores_have_an_interval_of_one_point(scores, end):
    assert bootstrap_interval(scores) == Interval(end, end)


def test_no_score_has_no_interval():
    interval = bootstrap_interval([])
    assert math.isnan(interval.low) and math.isnan(interval.high)


def test_the_seed_decides():
    scores = np.random.default_rng(1).random(50)
    assert bootstrap_interval(scores, seed=1) == bootstrap_interval(scores, seed=1)
    assert bootstrap_interval(scores, seed=1) != bootstrap_interval(scores, seed=2)


def test_order_of_scores_does_not_matter():
    scores = np.random.default_rng(2).random(60)
    assert bootstrap_interval(scores) == bootstrap_interval(scores[::-1])


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        ([0.0, math.nan], {}, "finite scores"),
        ([[0.0, 1.0]], {}, r"shape \(1, 2\)"),
        ([0.0], {"method": "bca"}, "got 'bca'"),
        ([0.0], {"confidence_level": 95}, "between 0 and 1, got 95"),
        ([0.0], {"num_resamples": 0}, "at least one resample"),
    ],
)
def test_bad_arguments_are_refused(scores, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(scores, **options)


def test_the_ends_are_plain_numbers_for_json():
    json.dumps(vars(bootstrap_interval([0.0, 1.0, 1.0])))


def test_drawing_by_index_and_by_count_agree():
    """Up to a millionth added makes every score distinct, and so drawn by its index."""
    scores = zero_one(1_000, 600)
    distinct = scores + 1e-6 * np.random.default_rng(9).random(scores.size)
    by_count, by_index = (bootstrap_interval(values) for values in (scores, distinct))
    tolerance = 4 * math.sqrt(2) * QUANTILE_NOISE * scores.std() / math.sqrt(scores.size) + 1 / scores.size
    assert (by_index.low, by_index.high) == pytest.approx((by_count.low, by_count.high), abs=tolerance)


# --- the paper's sizes ------------------------------------------------------------------


@pytest.mark.parametrize(("n", "accuracy", "seeds"), [(121, 0.62, 8), (16_130, 0.5173, 4)])
def test_ours_differs_from_scipys_mean_by_less_than_scipys_seeds_do(n, accuracy, seeds):
    scores = zero_one(n, round(n * accuracy))
    options = {"n_resamples": 9999, "method": "basic", "batch": max(1, 4_000_000 // n)}
    found = [
        stats.bootstrap((scores,), np.mean, rng=np.random.default_rng(seed), **options).confidence_interval
        for seed in range(seeds)
    ]
    ours = bootstrap_interval(scores)
    for end, scipys in ((ours.low, [ends.low for ends in found]), (ours.high, [ends.high for ends in found])):
        assert abs(end - np.mean(scipys)) <= max(scipys) - min(scipys) + 1e-12


def half_width(n, accuracy, seed=42):
    """As printed in Table 1: the high end's distance from the mean, in percent."""
    scores = zero_one(n, round(n * accuracy / 100))
    return 100 * (bootstrap_interval(scores, seed=seed).high - scores.mean())


def entries(part):
    return [pytest.param(*map(float, printed), id=model) for model, printed in TABLE1[part].items()]


def rounding_and_noise(n, accuracy):
    """Return the largest difference to expect between a width printed with two digits and ours.

    It is half a digit and 3 standard deviations of the noise of an end.
    """
    return 0.005 + 3 * QUANTILE_NOISE * math.sqrt(accuracy * (100 - accuracy) / n)


@pytest.mark.parametrize(("accuracy", "printed"), entries("coarse"))
def test_the_papers_coarse_half_widths(accuracy, printed):
    assert half_width(79_716, accuracy) == pytest.approx(printed, abs=rounding_and_noise(79_716, accuracy))


@pytest.mark.parametrize(("accuracy", "printed"), entries("fine"))
def test_the_papers_fine_half_widths_are_those_of_16130_questions_but_gpt_4os_of_14644(accuracy, printed):
    fitting = [n for n in (14_644, 16_130) if abs(half_width(n, accuracy) - printed) <= rounding_and_noise(n, accuracy)]
    if accuracy == 51.73:
        assert fitting == [14_644]
    else:
        assert 16_130 in fitting


@pytest.mark.parametrize(("accuracy", "printed"), entries("cognition"))
def test_the_papers_cognition_half_widths_rounded_up(accuracy, printed):
    """A width of 121 questions has steps of 0.83: rounded up to a percent, that of some seed is the printed one."""
    if (accuracy, printed) == (38.33, 8.33):
        # 46 and 10 of 120 questions, not rounded up.
        assert 8.33 in {round(half_width(120, accuracy, seed), 2) for seed in range(20)}
    else:
        assert printed in {math.ceil(half_width(121, accuracy, seed) - 1e-9) for seed in range(20)}
