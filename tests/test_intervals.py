"""Confidence intervals against closed forms and against a plain reading of the published formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from microbench_tasks.metrics.intervals import accuracy_interval, difference_interval, macro_interval, score_interval


@pytest.mark.parametrize("right, n", [(0, 1), (1, 1), (0, 12), (7, 12), (12, 12), (54, 121), (1_540, 1_549)])
def test_one_question_per_image_gets_the_clopper_pearson_interval(right: int, n: int) -> None:
    expected = stats.binomtest(right, n).proportion_ci(method="exact")
    interval = accuracy_interval([1] * right + [0] * (n - right), range(n))
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_a_score_both_ends_are_nan() -> None:
    empty: list[float] = []
    for interval in (
        accuracy_interval(empty, empty),
        score_interval(empty, empty),
        difference_interval(empty, empty),
        macro_interval(empty, empty, empty),
    ):
        assert math.isnan(interval.low) and math.isnan(interval.high)


def test_one_image_tells_nothing_about_other_images() -> None:
    for interval in (accuracy_interval([1, 1, 0], ["a"] * 3), score_interval([0.7], ["a"])):
        assert (interval.low, interval.high) == (0, 1)
    assert vars(difference_interval([0.0], ["a"])) == {"low": -1, "high": 1}


def test_equal_models_differ_by_0_with_an_uncertainty_that_shrinks_with_the_images() -> None:
    few, many = (difference_interval(np.zeros(n), range(n)) for n in (20, 200))
    assert few.low < many.low < 0 < many.high < few.high
