"""Claims about the localization score; a plain double loop with brute force or scipy is the oracle."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest

from microbench_tasks.metrics.grit import grit_score, match_boxes
from tests.support.plain_boxes import best_assignment, plain_matches, random_boxes

UNIT = [0.0, 0.0, 10.0, 10.0]


def plain_score(predicted, gold):
    if len(predicted) == len(gold) == 0:
        return 1.0
    if len(predicted) == 0 or len(gold) == 0:
        return 0.0
    matched = plain_matches(predicted, gold)
    return matched.sum() / (len(predicted) + len(gold) - len(matched))


def scattered(rng, num_boxes, size=10):
    start = rng.random((num_boxes, 2)) * 1000
    return np.hstack([start, start + size * (0.5 + rng.random((num_boxes, 2)))])


def test_ten_thousand_random_cases_agree_with_the_oracle():
    rng = np.random.default_rng(0)
    for _ in range(10_000):
        most = 4 if rng.random() < 0.9 else 9
        predicted, gold = (random_boxes(rng, rng.integers(0, most + 1)) for _ in range(2))
        if rng.random() < 0.1:
            # Sides that share boxes, in fractions of a pixel.
            gold = np.vstack([gold, predicted[:2]]) + 0.125
        match = match_boxes(predicted, gold)
        assert match.grit == grit_score(predicted, gold) == pytest.approx(plain_score(predicted, gold), abs=1e-9)
        # Of equal totals the one with more pairs counts, and the oracle takes any.
        ious = plain_matches(predicted, gold)
        assert sum(match.ious) == pytest.approx(sum(ious), abs=1e-9) and len(match.ious) >= len(ious)


@pytest.mark.parametrize(
    ("num_predicted", "num_gold", "size"), [(600, 500, 8), (500, 600, 20), (520, 520, 60), (510, 510, 900)]
)
def test_the_assignment_of_many_boxes_is_exact(num_predicted, num_gold, size):
    """From scattered, over connected, to all overlapping; scipy solves the whole matrix."""
    rng = np.random.default_rng(1)
    predicted, gold = scattered(rng, num_predicted, size), scattered(rng, num_gold, size)
    low, high = np.maximum(predicted[:, None, :2], gold[:, :2]), np.minimum(predicted[:, None, 2:], gold[:, 2:])
    intersection = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (predicted, gold)]
    matched = best_assignment(intersection / (areas[0][:, None] + areas[1] - intersection + 1e-6))
    expected = matched.sum() / (num_predicted + num_gold - len(matched))
    assert grit_score(predicted, gold) == pytest.approx(expected, abs=1e-9)


def test_a_perfect_prediction_scores_1_up_to_the_constant_in_the_union():
    """Area 100: IoU 100 / (100 + 1e-6) for each of the pairs, whatever their order."""
    gold = np.array([[20.0 * i, 0, 20 * i + 10, 10] for i in range(7)])
    assert grit_score(gold[::-1], gold) == pytest.approx(100 / (100 + 1e-6), abs=1e-15)
    assert grit_score(gold * 1e6, gold * 1e6) == 1


def test_disjoint_boxes_score_0():
    assert grit_score([UNIT, [20, 0, 30, 10]], [[50, 50, 60, 60]]) == 0
    # Touching edges share no area.
    assert grit_score([UNIT], [[10, 0, 20, 10]]) == 0


def test_one_half_overlap_is_arithmetic():
    """Intersection 50, union 100, one of each."""
    assert grit_score([[0, 0, 10, 5]], [UNIT]) == pytest.approx(0.5, abs=1e-8)


@pytest.mark.parametrize(
    ("predicted", "gold", "score"),
    [
        ([], [], 1),
        ([UNIT], [], 0),
        ([], [UNIT], 0),
        (np.empty((0, 4)), np.empty((0, 4)), 1),
        # A prediction without area is a prediction.
        ([[5, 5, 5, 5]], [], 0),
        ([[5, 5, 5, 5]], [UNIT], 0),
    ],
)
def test_empty_sides(predicted, gold, score):
    assert grit_score(predicted, gold) == score


def test_every_surplus_prediction_and_every_missed_gold_box_is_in_the_denominator():
    far = [50, 50, 60, 60]
    assert grit_score([UNIT, UNIT, UNIT], [UNIT]) == pytest.approx(1 / 3)
    assert grit_score([UNIT], [UNIT, far]) == pytest.approx(1 / 2)
    # The assignment pairs the two strangers, yet both count: 1 / (2 predicted + 1 unmatched).
    assert grit_score([UNIT, [80, 80, 90, 90]], [UNIT, far]) == pytest.approx(1 / 3)


def test_the_best_total_wins_over_the_best_single_pair():
    """IoUs 0.9 0.8 / 0.8 0 in lengths: 0.8 + 0.8 beats 0.9 + 0."""
    predicted = [[0, 0, 90, 1], [20, 0, 100, 1]]
    gold = [[0, 0, 100, 1], [0, 0, 72, 1]]
    ious = [[90 / 100, 72 / 90], [80 / 100, 52 / 100]]
    assert ious[0][1] + ious[1][0] > ious[0][0] + ious[1][1]
    assert grit_score(predicted, gold) == pytest.approx((0.8 + 0.8) / 2, abs=1e-7)


def test_of_equal_totals_the_one_with_more_pairs_counts_in_any_order():
    """Lengths in units of 2**20: one pair of IoU 1/2 and a missed gold box, or two pairs of IoU 1/4.

    Areas of 2**40 and more swallow the 1e-6, so the totals tie exactly: 1/2 over 2 + 1 or over 2.
    """
    unit = 2.0**20
    predicted = np.array([[0, 0, 4, 1], [4, 0, 6, 1]]) * unit
    gold = np.array([[0, 0, 8, 1], [0, 0, 1, 1]]) * unit
    for first, second in itertools.product((1, -1), repeat=2):
        assert grit_score(predicted[::first], gold[::second]) == pytest.approx((1 / 4 + 1 / 4) / 2, abs=1e-12)


def test_the_order_of_boxes_does_not_matter():
    rng = np.random.default_rng(2)
    for _ in range(300):
        predicted, gold = (random_boxes(rng, rng.integers(1, 12)) for _ in range(2))
        shuffled = grit_score(rng.permutation(predicted), rng.permutation(gold))
        assert shuffled == pytest.approx(grit_score(predicted, gold), abs=1e-14)


@pytest.mark.parametrize(
    "bad",
    [
        [math.nan] * 4,
        [0, 0, math.nan, 10],
        [0, 0, math.inf, 10],
        [-math.inf, 0, 10, 10],
        [-math.inf, -math.inf, math.inf, math.inf],
        [math.inf] * 4,
        [0, 0, 1e300, 1e300],
        [-1e308, 0, 1e308, 10],
        [10, 10, 0, 0],
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_prediction_that_cannot_match_still_counts(bad):
    assert grit_score([bad], [UNIT]) == 0
    assert grit_score([bad, UNIT], [UNIT]) == pytest.approx(1 / 2)
    assert grit_score([bad], []) == 0


@pytest.mark.filterwarnings("error")
def test_areas_at_the_edge_of_floating_point_overlap():
    """Areas of 1e308 each: their sum is beyond floating point, and so is the union."""
    huge = [0, 0, 1e154, 1e154]
    assert grit_score([huge, huge], [huge, UNIT]) == 0


def test_predictions_without_a_box_count():
    assert grit_score([UNIT], [UNIT], num_extra=3) == pytest.approx(1 / 4)
    assert grit_score([], [], num_extra=1) == 0
    assert grit_score([], [UNIT], num_extra=1) == 0


@pytest.mark.parametrize(
    ("predicted", "gold", "options", "message"),
    [
        ([[1, 2, 3]], [UNIT], {}, r"predicted boxes of shape \(N, 4\), got \(1, 3\)"),
        (np.empty((3, 0)), [UNIT], {}, r"got \(3, 0\)"),
        ([UNIT], UNIT, {}, r"gold boxes of shape \(N, 4\), got \(4,\)"),
        ([UNIT], [UNIT, [0, 0, math.nan, 1]], {}, "finite gold boxes.*nan.*row 1"),
        ([UNIT], [[0, 0, math.inf, 0]], {}, "finite gold boxes"),
        ([UNIT], [[0, 0, 1e200, 1e200]], {}, "finite gold boxes of finite area"),
        ([UNIT], [UNIT], {"num_extra": -1}, "at least 0, got -1"),
    ],
)
def test_bad_arguments_are_refused(predicted, gold, options, message):
    with pytest.raises(ValueError, match=message):
        grit_score(predicted, gold, **options)


def test_arguments_are_left_as_they_were():
    predicted, gold = np.array([UNIT, UNIT]), np.array([UNIT])
    grit_score(predicted, gold)
    assert (predicted == UNIT).all() and (gold == UNIT).all()


def test_the_score_is_a_plain_number():
    assert all(type(grit_score(predicted, [UNIT])) is float for predicted in ([], [UNIT], [UNIT, UNIT]))


@pytest.mark.parametrize("kind", ["scattered", "one box repeated", "connected"])
def test_thousands_of_boxes_need_little_more_memory_than_one_matrix_of_all_pairs(kind):
    """Of the 9 million pairs the matrix takes 72 MB."""
    rng = np.random.default_rng(3)
    num_boxes = 3_000
    gold = scattered(rng, num_boxes, size=20 if kind == "connected" else 2)
    predicted = np.repeat(gold[:1], num_boxes, axis=0) if kind == "one box repeated" else rng.permutation(gold)
    tracemalloc.start()
    score = grit_score(predicted, gold)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    expected = {"one box repeated": 1 / (num_boxes + num_boxes - 1)}.get(kind, 1)
    assert score == pytest.approx(expected, rel=1e-5)
    assert peak < 1.2 * 8 * num_boxes**2
