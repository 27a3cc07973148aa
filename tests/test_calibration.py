"""Calibration against arithmetic by hand and a loop that shares no code with it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from microbench_tasks.metrics.calibration import NUM_BINS, brier_score, reliability, sum_to_one


def loop_calibration_error(confidence, is_right, num_bins):
    """Equation 5 of Guo et al. 2017, answer by answer, bins by their inequality."""
    total = 0.0
    for number in range(1, num_bins + 1):
        lower, upper = (number - 1) / num_bins, number / num_bins
        inside = [index for index, value in enumerate(confidence) if lower < value <= upper or (number == 1 and value == 0)]
        if inside:
            accuracy = sum(is_right[index] for index in inside) / len(inside)
            mean = sum(confidence[index] for index in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


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
    assert found.expected_calibration_error == pytest.approx(loop_calibration_error(confidence.tolist(), is_right.tolist(), num_bins), abs=1e-12)
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


def test_without_an_answer_there_is_no_error_and_no_score():
    assert math.isnan(reliability([], []).expected_calibration_error)
    assert math.isnan(brier_score([], []))


def test_the_brier_score_by_hand():
    # (0.7 - 1)^2 + 0.2^2 + 0.1^2 = 0.14 for one, 0.5^2 + 0.5^2 = 0.5 for the other: their mean.
    assert brier_score([[0.7, 0.2, 0.1], [0.5, 0.5]], [0, 1]) == pytest.approx((0.14 + 0.5) / 2)


def test_the_brier_score_goes_from_nothing_to_two():
    assert brier_score([[1, 0], [0, 0, 1]], [0, 2]) == 0
    assert brier_score([[1, 0], [0, 0, 1]], [1, 0]) == 2


def test_honest_probabilities_have_the_best_brier_score():
    """A proper score: of all forecasts of an outcome that happens in 3 of 10 cases, 0.3 is the best."""
    outcomes = [0] * 3 + [1] * 7
    scores = {share: brier_score([[share / 10, 1 - share / 10]] * 10, outcomes) for share in range(11)}
    assert min(scores, key=scores.get) == 3


@pytest.mark.parametrize(("values", "expected"), [([0.5, 0.5], True), ([0.333333, 0.333333, 0.333333], True), ([0.5, 0.4], False), ([1.0, 1.0], False)])
def test_probabilities_may_be_rounded_but_must_sum_to_one(values, expected):
    assert sum_to_one(values) is expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reliability([0.5], [1, 0]), r"one shape \(n,\), got \(1,\) and \(2,\)"),
        (lambda: reliability([1.2], [1]), "confidence from 0 to 1"),
        (lambda: reliability([float("nan")], [1]), "confidence from 0 to 1"),
        (lambda: reliability([0.5], [0.5]), "0 or 1"),
        (lambda: reliability([0.5], [1], 0), "at least one bin"),
        (lambda: brier_score([[0.5, 0.5]], []), "for each of 1 questions, got 0"),
        (lambda: brier_score([[0.5, 0.4]], [0]), "sum to 1 in question 0"),
        (lambda: brier_score([[1, 0], [1.5, -0.5]], [0, 0]), "in question 1"),
        (lambda: brier_score([[0.5, 0.5]], [2]), "from 0 to 1 as the right one of question 0, got 2"),
    ],
)
def test_what_is_out_of_range_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
