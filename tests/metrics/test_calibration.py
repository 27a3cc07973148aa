"""Calibration against arithmetic by hand, full enumeration, and loops that share no code with it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from microbench_tasks.metrics.calibration import (
    NUM_BINS,
    forecasts,
    is_usable,
    null_calibration_error,
    reliability,
)
from microbench_tasks.metrics.calibration_error import MIN_ANSWERS_PER_BIN, debiased_calibration_error


def loop_calibration_error(confidence, is_right, num_bins):
    """Equation 5 of Guo et al. 2017, answer by answer, bins by their inequality."""
    total = 0.0
    for number in range(1, num_bins + 1):
        lower, upper = (number - 1) / num_bins, number / num_bins
        inside = [i for i, value in enumerate(confidence) if lower < value <= upper or (number == 1 and value == 0)]
        if inside:
            accuracy = sum(is_right[index] for index in inside) / len(inside)
            mean = sum(confidence[index] for index in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


# --- reliability ---------------------------------------------------------------------


def test_the_calibration_error_of_four_answers_by_hand():
    # Bins of a half: {0.2, 0.4} one of two right, {0.6, 1.0} both right.
    # 2/4 * |0.5 - 0.3| + 2/4 * |1 - 0.8| = 0.1 + 0.1
    found = reliability([0.2, 0.4, 0.6, 1.0], [1, 0, 1, 1], num_bins=2)
    assert found.edges.tolist() == [0, 0.5, 1]
    assert found.counts.tolist() == [2, 2]
    assert found.confidence == pytest.approx([0.3, 0.8])
    assert found.accuracy == pytest.approx([0.5, 1.0])
    assert found.expected_calibration_error == pytest.approx(0.2)


@pytest.mark.parametrize("num_bins", [1, 2, 7, NUM_BINS, 100])
def test_the_calibration_error_is_that_of_a_plain_loop(num_bins):
    rng = np.random.default_rng(num_bins)
    confidence = np.concatenate([rng.random(400), [0.0, 1.0]])
    is_right = (rng.random(402) < confidence**2).astype(int)
    found = reliability(confidence, is_right, num_bins)
    expected = loop_calibration_error(confidence.tolist(), is_right.tolist(), num_bins)
    assert found.expected_calibration_error == pytest.approx(expected, abs=1e-12)
    assert found.counts.sum() == 402


def test_a_confidence_on_an_edge_belongs_to_the_bin_below_and_zero_to_the_first():
    assert reliability([0.0, 0.25, 0.5, 0.75, 1.0], [0, 0, 0, 0, 0], num_bins=4).counts.tolist() == [2, 1, 1, 1]


def test_answers_that_are_as_often_right_as_they_say_are_calibrated():
    assert reliability([0.75] * 8, [1, 1, 1, 0] * 2).expected_calibration_error == pytest.approx(0, abs=1e-12)


def test_an_empty_bin_has_no_mean_and_no_weight():
    found = reliability([0.9], [1], num_bins=2)
    assert found.counts.tolist() == [0, 1]
    assert math.isnan(found.accuracy[0]) and math.isnan(found.confidence[0])
    assert found.expected_calibration_error == pytest.approx(0.1)


# --- probabilities -------------------------------------------------------------------


def test_probabilities_are_divided_by_their_sum_which_is_kept():
    found = forecasts([[0.2, 0.1, 0.1], [0.9, 0.9], [1.0, 0.0]], [0, 1, 0])
    assert found.mass == pytest.approx([0.4, 1.8, 1.0])
    assert found.confidence == pytest.approx([0.5, 0.5, 1.0])
    assert found.num_options.tolist() == [3, 2, 2]


def test_the_brier_score_is_that_of_divided_probabilities():
    # (0.5, 0.25, 0.25) against the first: 0.25 + 0.0625 + 0.0625; (0.5, 0.5): 0.5.
    found = forecasts([[0.2, 0.1, 0.1], [0.9, 0.9]], [0, 1])
    assert found.brier == pytest.approx([0.375, 0.5])
    assert found.brier_score == pytest.approx(0.4375)


def test_the_first_of_equally_probable_options_is_the_answer():
    found = forecasts([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [0.4, 0.3, 0.3]], [0, 1, 1, 0])
    assert found.is_right.tolist() == [1, 0, 1, 1]
    assert found.is_tied.tolist() == [True, True, True, False]


def test_the_smallest_probabilities_keep_their_ratio():
    # Of subnormal numbers a sum has hardly a digit: 3e-323 is 6 of the smallest steps, 1e-323 is 2.
    found = forecasts([[3e-323, 1e-323]], [0])
    assert found.confidence[0] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.1], True),
        ([3.0, 1.0], True),
        ([0.0, 0.0], False),
        ([0.5, math.nan], False),
        ([math.inf, 0.5], False),
        ([0.5, -0.1], False),
        ([], False),
    ],
)
def test_probabilities_are_usable_if_they_can_be_divided_by_their_sum(values, expected):
    assert is_usable(values) is expected


@pytest.mark.parametrize("num_options", range(2, 9))
def test_equal_probabilities_have_no_skill_whatever_the_number_of_options(num_options):
    found = forecasts([[1 / num_options] * num_options] * 3, [0, 1, 1])
    assert found.brier_score == pytest.approx(1 - 1 / num_options)
    assert found.brier_skill == pytest.approx(0, abs=1e-12)


def test_the_brier_skill_goes_from_one_down_below_zero():
    assert forecasts([[1, 0], [0, 0, 1]], [0, 2]).brier_skill == 1
    # Certain and wrong: 2 and 2 against 1/2 and 2/3, so that 1 - 2 / (7/12).
    assert forecasts([[1, 0], [0, 0, 1]], [1, 0]).brier_skill == pytest.approx(1 - 2 / (7 / 12))


def test_honest_probabilities_have_the_best_brier_score():
    """A proper score: of all forecasts of an outcome that happens in 3 of 10 cases, 0.3 is the best."""
    outcomes = [0] * 3 + [1] * 7
    scores = {share: forecasts([[share / 10, 1 - share / 10]] * 10, outcomes).brier_score for share in range(11)}
    assert min(scores, key=scores.get) == 3


def test_without_an_answer_there_is_no_error_and_no_score():
    found = forecasts([], [])
    assert math.isnan(reliability([], []).expected_calibration_error)
    assert math.isnan(found.brier_score) and math.isnan(found.brier_skill)
    assert math.isnan(null_calibration_error([]).mean) and math.isnan(null_calibration_error([]).upper)
    assert math.isnan(debiased_calibration_error([], [], []).value)


# --- the null value ------------------------------------------------------------------


def test_the_null_value_is_the_mean_over_all_outcomes_weighted_by_their_chance():
    confidence = [0.2, 0.3, 0.35, 0.7, 0.9]
    errors, chances = [], []
    for outcome in itertools.product([0, 1], repeat=5):
        errors.append(loop_calibration_error(confidence, outcome, 2))
        chances.append(math.prod(p if right else 1 - p for p, right in zip(confidence, outcome, strict=False)))
    expected = np.average(errors, weights=chances)
    deviation = math.sqrt(np.average((np.array(errors) - expected) ** 2, weights=chances))
    found = null_calibration_error(confidence, 2, num_draws=20_000)
    assert found.mean == pytest.approx(expected, abs=4 * deviation / math.sqrt(20_000))
    # The 95 % point lies where the outcomes' chances, from the smallest error on, add up to 0.95.
    order = np.argsort(errors)
    reached = np.searchsorted(np.cumsum(np.array(chances)[order]), [0.93, 0.97])
    assert errors[order[reached[0]]] - 1e-6 <= found.upper <= errors[order[reached[1]]] + 1e-6


def test_the_null_value_of_one_bin_is_the_mean_deviation_of_a_binomial_share():
    from scipy import stats

    # 100 answers of confidence 0.3: E |X / 100 - 0.3| with X binomial.
    count = np.arange(101)
    expected = (np.abs(count / 100 - 0.3) * stats.binom.pmf(count, 100, 0.3)).sum()
    assert null_calibration_error([0.3] * 100, num_draws=20_000).mean == pytest.approx(expected, rel=0.02)


def test_the_null_value_is_the_same_in_any_order_and_with_the_same_seed():
    confidence = np.random.default_rng(0).random(300)
    assert null_calibration_error(confidence) == null_calibration_error(confidence[::-1])
    assert null_calibration_error(confidence) != null_calibration_error(confidence, seed=1)


# --- the debiased error --------------------------------------------------------------


def loop_square(confidence, is_right, clusters, bins):
    """The mean product of residuals over pairs of different images, bin by bin."""
    total = 0.0
    for number in sorted(set(bins)):
        inside = [index for index, value in enumerate(bins) if value == number]
        products = [
            (is_right[i] - confidence[i]) * (is_right[j] - confidence[j])
            for i in inside
            for j in inside
            if clusters[i] != clusters[j]
        ]
        total += len(inside) / len(bins) * sum(products) / len(products)
    return total


def test_the_debiased_square_is_the_mean_product_over_pairs_of_images():
    rng = np.random.default_rng(3)
    num = 3 * MIN_ANSWERS_PER_BIN
    confidence, is_right = np.sort(rng.random(num)), rng.integers(0, 2, num)
    clusters = rng.integers(0, 12, num)
    # 60 ascending answers without ties: the first, second and last twenty.
    expected = loop_square(confidence, is_right, clusters, np.repeat([0, 1, 2], MIN_ANSWERS_PER_BIN).tolist())
    found = debiased_calibration_error(confidence, is_right, clusters)
    assert found.num_bins == 3
    assert found.square == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("clusters", [[0, 1, 2, 3], [0, 0, 1, 2]], ids=["single answers", "an image with two"])
def test_over_all_outcomes_the_debiased_square_is_the_true_one(clusters):
    """Full enumeration: 4 answers of confidence 0.9, right with 0.6, those of one image together."""
    squares, chances = [], []
    for outcome in itertools.product([0, 1], repeat=len(set(clusters))):
        squares.append(debiased_calibration_error([0.9] * 4, [outcome[image] for image in clusters], clusters).square)
        chances.append(math.prod(0.6 if right else 0.4 for right in outcome))
    assert np.average(squares, weights=chances) == pytest.approx((0.6 - 0.9) ** 2, abs=1e-12)


def test_the_square_of_a_calibrated_model_is_zero_on_average():
    rng = np.random.default_rng(0)
    squares = []
    for _ in range(300):
        confidence = rng.uniform(0.2, 1, 120)
        squares.append(debiased_calibration_error(confidence, rng.random(120) < confidence, range(120)).square)
    assert abs(np.mean(squares)) < 4 * np.std(squares) / math.sqrt(300)
    assert min(squares) < 0


def test_equal_confidences_share_a_bin():
    found = debiased_calibration_error([0.4] * 50 + [0.6] * 50, [0, 1] * 50, range(100))
    # Residuals -0.4 and 0.6, then -0.6 and 0.4, 25 of each; in each bin (sum^2 - sum of squares) / (50 * 49).
    assert found.num_bins == 2
    assert found.square == pytest.approx(((50 * 0.1) ** 2 - 25 * (0.16 + 0.36)) / (50 * 49))


def test_the_interval_stays_in_its_range_and_holds_zero_where_nothing_contradicts_calibration():
    calibrated = debiased_calibration_error([0.5] * 100, [0, 1] * 50, range(100))
    assert calibrated.low == 0 < calibrated.high < 0.2
    assert calibrated.value == 0
    wrong = debiased_calibration_error([1.0] * 30, [0] * 30, range(30))
    assert wrong.value == 1 and 0.8 < wrong.low < wrong.high <= 1


def test_answers_that_are_all_right_do_not_have_an_interval_of_one_point():
    # 20 of 20 right at 0.9: calibrated answers are so in 0.9^20 = 12 of 100 cases.
    found = debiased_calibration_error([0.9] * 20, [1] * 20, range(20))
    assert found.low == 0 and found.high > 0.1


def test_copies_of_answers_about_the_same_images_do_not_narrow_the_interval():
    confidence, is_right = np.full(60, 0.7), np.array([0, 1] * 30)
    single = debiased_calibration_error(confidence, is_right, np.arange(60))
    copied = debiased_calibration_error(np.tile(confidence, 4), np.tile(is_right, 4), np.tile(np.arange(60), 4))
    assert copied.value == pytest.approx(single.value, abs=1e-12)
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high), abs=0.01)


def test_the_debiased_error_depends_on_neither_order_nor_names():
    rng = np.random.default_rng(2)
    confidence, is_right, image = rng.random(200), rng.integers(0, 2, 200), rng.integers(0, 50, 200)
    order = rng.permutation(200)
    names = np.array([f"image {number}" for number in rng.permutation(50)])
    found = debiased_calibration_error(confidence, is_right, image)
    assert debiased_calibration_error(confidence[order], is_right[order], names[image[order]]) == found


def test_one_image_has_no_debiased_error():
    found = debiased_calibration_error([0.5] * 4, [0, 1, 1, 1], ["a"] * 4)
    assert all(math.isnan(value) for value in (found.square, found.value, found.low, found.high))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reliability([0.5], [1, 0]), r"one shape \(n,\), got \(1,\) and \(2,\)"),
        (lambda: reliability([1.2], [1]), "confidence from 0 to 1"),
        (lambda: reliability([float("nan")], [1]), "confidence from 0 to 1"),
        (lambda: reliability([0.5], [0.5]), "0 or 1"),
        (lambda: reliability([0.5], [1], 0), "at least one bin"),
        (lambda: null_calibration_error([0.5], num_draws=0), "at least one draw"),
        (lambda: debiased_calibration_error([0.5], [1], []), "a label for each answer"),
        (lambda: debiased_calibration_error([0.5], [1], ["a"], num_bins=0), "at least one bin"),
        (lambda: forecasts([[0.5, 0.5]], []), "for each of 1 questions, got 0"),
        (lambda: forecasts([[0.0, 0.0]], [0]), "not all 0, in question 0"),
        (lambda: forecasts([[1, 0], [1.5, -0.5]], [0, 0]), "in question 1"),
        (lambda: forecasts([[0.5, 0.5]], [2]), "from 0 to 1 as the right one of question 0, got 2"),
    ],
)
def test_what_is_out_of_range_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
