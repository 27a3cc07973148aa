"""Claims about precision, recall, F1 and errors of counts; scikit-learn and plain loops are the oracles."""

import math

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from microbench_tasks.metrics import detection
from microbench_tasks.metrics.grit import match_boxes
from tests.support.plain_boxes import plain_matches, random_boxes

GOLD = [0.0, 0.0, 10.0, 10.0]


def true_positives(predicted, gold):
    return detection.count_true_positives(match_boxes(predicted, gold).ious)


# --- true positives --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "iou", "expected"),
    [
        ([0, 0, 10, 10], "1", 1),
        # 60 of 100, 50 of 100, 49 of 100.
        ([0, 0, 10, 6], "0.6", 1),
        ([0, 0, 10, 5], "0.5", 1),
        ([0, 0, 10, 4.9], "0.49", 0),
        # 100 of 200 and 100 of 201: the gold box lies inside.
        ([0, 0, 20, 10], "0.5", 1),
        ([0, 0, 20.1, 10], "0.4975", 0),
        # Area 0, and another place.
        ([3, 3, 3, 3], "0", 0),
        ([20, 20, 30, 30], "0", 0),
    ],
)
def test_a_box_of_half_the_area_is_found_and_one_of_less_is_not(box, iou, expected):
    assert true_positives([box], [GOLD]) == expected


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_an_iou_of_exactly_one_half_counts_for_boxes_of_any_size_from_a_pixel_on(size):
    """GRIT adds 1e-6 to the union, so that its IoU of these is below 0.5."""
    assert true_positives([[0, 0, size, size]], [[0, 0, 2 * size, size]]) == 1


def test_random_cases_have_the_pairs_of_a_plain_double_loop():
    """Each side is shifted by fractions of a pixel, so that no two assignments of unlike pairs have one total."""
    rng = np.random.default_rng(0)
    for _ in range(2_000):
        predicted, gold = (random_boxes(rng, rng.integers(0, 5)) + rng.random((1, 4)) * [1, 1, 2, 2] for _ in range(2))
        expected = sum(iou >= 0.5 for iou in plain_matches(predicted, gold))
        assert true_positives(predicted, gold) == expected


def test_the_assignment_is_that_of_the_largest_sum_of_ious():
    """IoUs 1 and 22 / 110 (sum 1.2) win against 60 / 106 twice (sum 1.13), which would be two true positives."""
    predicted = [GOLD, [4, 0, 10, 11]]
    gold = [GOLD, [0, 0, 6, 11]]
    assert 1 + 22 / 110 > 2 * 60 / 106 and 60 / 106 > 0.5 > 22 / 110
    assert true_positives(predicted, gold) == 1


def test_a_gold_box_is_found_once_however_often_it_is_predicted():
    assert true_positives([GOLD, GOLD, GOLD], [GOLD]) == 1


# --- shares ----------------------------------------------------------------------------


def random_numbers(seed):
    rng = np.random.default_rng(seed)
    matched = rng.integers(0, 6, 40)
    return matched, matched + rng.integers(0, 4, 40), matched + rng.integers(0, 4, 40)


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_those_of_scikit_learn_over_the_boxes_of_all_images(seed):
    """A true positive is found and there, a false positive is found and not there, a missed box is there alone."""
    matched, predicted, gold = random_numbers(seed)
    found, surplus, missed = matched.sum(), (predicted - matched).sum(), (gold - matched).sum()
    is_there, is_found = np.repeat([[1, 1], [0, 1], [1, 0]], [found, surplus, missed], axis=0).T
    expected = precision_recall_fscore_support(is_there, is_found, average="binary")[:3]
    shares = (
        detection.precision(matched, predicted),
        detection.recall(matched, gold),
        detection.f1_score(matched, predicted, gold),
    )
    assert shares == pytest.approx(expected, abs=1e-12)


def test_images_of_many_boxes_count_more_than_images_of_few():
    """1 of 1 and 1 of 9 boxes: 2 of 10, and not the mean of 1 and 1/9."""
    assert detection.precision([1, 1], [1, 9]) == detection.recall([1, 1], [1, 9]) == 0.2


def test_no_box_gives_no_precision_and_a_recall_of_0():
    assert math.isnan(detection.precision([0, 0], [0, 0]))
    assert detection.recall([0, 0], [1, 2]) == detection.f1_score([0, 0], [0, 0], [1, 2]) == 0
    assert math.isnan(detection.recall([], [])) and math.isnan(detection.f1_score([], [], []))


@pytest.mark.parametrize(
    ("matched", "predicted"),
    [([2], [1]), ([-1], [1]), ([1, 1], [1]), ([1], [[1]])],
    ids=["more", "below 0", "n", "2-d"],
)
def test_numbers_that_cannot_be_are_refused(matched, predicted):
    with pytest.raises(ValueError, match="from 0 to the number of boxes"):
        detection.precision(matched, predicted)


# --- numbers of boxes ------------------------------------------------------------------


def test_errors_of_counts_are_means_over_pairs_of_image_and_class():
    """Errors -2, +1 and 0: 3 / 3 and -1 / 3."""
    predicted, gold = [1, 5, 4], [3, 4, 4]
    assert detection.count_error(predicted, gold) == 1
    assert detection.count_bias(predicted, gold) == pytest.approx(-1 / 3)
    assert math.isnan(detection.count_error([], [])) and math.isnan(detection.count_bias([], []))


def test_counts_of_unlike_numbers_of_images_are_refused():
    with pytest.raises(ValueError, match=r"of one shape, got \(2,\) and \(1,\)"):
        detection.count_error([1, 2], [1])
