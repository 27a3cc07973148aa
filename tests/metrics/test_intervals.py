"""Confidence intervals against closed forms and against a plain reading of the published formulas."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from microbench_tasks.metrics.intervals import (
    Interval,
    accuracy_interval,
    difference_interval,
    macro_interval,
    score_interval,
    share_interval,
)

TAIL = 0.025


# The formulas of docs/statistics.md, one sum at a time.


def plain_limits(mean: float, effective: float, degrees: float) -> Interval:
    """Solve for the beta quantiles of Korn and Graubard (1998) by bisection of the cumulative distribution."""
    number = effective * (stats.norm.ppf(TAIL) / stats.t.ppf(TAIL, degrees)) ** 2
    right, wrong = mean * number, (1 - mean) * number

    def quantile(probability: float, a: float, b: float) -> float:
        return optimize.bisect(lambda x: stats.beta.cdf(x, a, b) - probability, 0, 1, xtol=1e-14)

    low = quantile(TAIL, right, wrong + 1) if right > 0 else 0.0
    high = quantile(1 - TAIL, right + 1, wrong) if wrong > 0 else 1.0
    return Interval(low, high)


def by_label(scores: Sequence[float], labels: Sequence[object]) -> list[list[float]]:
    lists = defaultdict(list)
    for score, label in zip(scores, labels, strict=False):
        lists[label].append(score)
    return list(lists.values())


def plain_effective_number(scores: Sequence[float], clusters: Sequence[object], prior: float) -> float:
    n, mean = len(scores), sum(scores) / len(scores)
    images = by_label(scores, clusters)
    kish = n**2 / sum(len(image) ** 2 for image in images)
    if mean in (0, 1):
        return kish
    # Linearized variance of a ratio of two sums, with the usual factor for few clusters.
    squares = sum((sum(image) - mean * len(image)) ** 2 for image in images)
    robust = squares / n**2 * len(images) / max(len(images) - 1, 1)
    independent = sum((score - mean) ** 2 for score in scores) / n**2
    typical = sum(len(image) ** 4 for image in images) / sum(len(image) ** 2 for image in images)
    with_right = sum(len(image) ** 2 for image in images if any(score > 0 for score in image)) / typical
    with_wrong = sum(len(image) ** 2 for image in images if any(score < 1 for score in image)) / typical
    told = min(with_right, with_wrong)
    variance = (told * max(robust, independent) + prior * mean * (1 - mean) / kish) / (told + prior)
    return mean * (1 - mean) / variance


def plain_mean_interval(scores: Sequence[float], clusters: Sequence[object], prior: float = 4) -> Interval:
    effective = plain_effective_number(scores, clusters, prior)
    return plain_limits(sum(scores) / len(scores), effective, len(set(clusters)) - 1)


def plain_macro_interval(scores: Sequence[float], groups: Sequence[object], clusters: Sequence[object]) -> Interval:
    names, images = list(dict.fromkeys(groups)), list(dict.fromkeys(clusters))
    rows = list(zip(scores, groups, clusters, strict=False))
    mean, error, size, residual = {}, {}, {}, {}
    center = 0.0
    for name in names:
        of_group = [score for score, group, _ in rows if group == name]
        of_images = [image for _, group, image in rows if group == name]
        mean[name] = sum(of_group) / len(of_group)
        effective = plain_effective_number(of_group, of_images, 4)
        q = (mean[name] * effective + 1) / (effective + 2)
        error[name], center = math.sqrt(q * (1 - q) / effective), center + q / len(names)
        size[name] = {image: of_images.count(image) for image in images}
        residual[name] = {
            image: sum(score - mean[name] for score, group, of in rows if (group, of) == (name, image))
            for image in images
        }

    def product(table: dict, first: object, second: object) -> float:
        return sum(table[first][image] * table[second][image] for image in images)

    def share(first: object, second: object) -> float:
        is_told = min(product(residual, name, name) for name in (first, second)) > 1e-12
        table = residual if is_told else size
        lengths = math.sqrt(product(table, first, first) * product(table, second, second))
        correlation = product(table, first, second) / lengths
        correlation = 1 if first == second else min(max(correlation, 0), 1)
        return correlation * error[first] * error[second] / len(names) ** 2

    contributions = {name: sum(share(name, other) for other in names) for name in names}
    variance = sum(contributions.values())
    uncertainty = sum(
        contributions[name] ** 2 / max(sum(size[name][image] > 0 for image in images) - 1, 1) for name in names
    )
    return plain_limits(sum(mean.values()) / len(names), center * (1 - center) / variance, variance**2 / uncertainty)


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def random_answers(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers of up to 5 tasks about up to 12 images of unlike difficulty, in any pattern."""
    rng = np.random.default_rng(seed)
    n, images = int(rng.integers(8, 40)), int(rng.integers(3, 12))
    clusters, groups = rng.integers(images, size=n), rng.integers(5, size=n)
    return (rng.random(n) < rng.random(images)[clusters]).astype(float), groups, clusters


@pytest.mark.parametrize("right, n", [(0, 1), (1, 1), (0, 12), (7, 12), (12, 12), (54, 121), (1_540, 1_549)])
def test_one_question_per_image_gets_the_clopper_pearson_interval(right: int, n: int) -> None:
    expected = stats.binomtest(right, n).proportion_ci(method="exact")
    interval = accuracy_interval([1] * right + [0] * (n - right), range(n))
    assert ends(interval) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_another_confidence_level_is_that_of_clopper_and_pearson() -> None:
    expected = stats.binomtest(7, 12).proportion_ci(0.8, method="exact")
    interval = accuracy_interval([1] * 7 + [0] * 5, range(12), confidence_level=0.8)
    assert ends(interval) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_all_right_about_ten_images_counts_as_ten_answers_and_not_as_fifty() -> None:
    # Ten clusters have 9 degrees of freedom. At all right the low end is 0.025 ** (1 / n).
    number = 10 * (stats.norm.ppf(TAIL) / stats.t.ppf(TAIL, 9)) ** 2
    interval = accuracy_interval([1] * 50, np.repeat(np.arange(10), 5))
    assert ends(interval) == pytest.approx((TAIL ** (1 / number), 1), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_clustered_accuracy_follows_the_formulas(seed: int) -> None:
    scores, _, clusters = random_answers(seed)
    expected = plain_mean_interval(scores.tolist(), clusters.tolist())
    assert ends(accuracy_interval(scores, clusters)) == pytest.approx(ends(expected), abs=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_continuous_scores_follow_the_formulas_also_with_one_score_per_image(seed: int) -> None:
    _, _, clusters = random_answers(seed)
    scores = np.random.default_rng(seed).beta(0.5, 2, len(clusters))
    for labels in (clusters, np.arange(len(clusters))):
        expected = plain_mean_interval(scores.tolist(), labels.tolist())
        assert ends(score_interval(scores, labels)) == pytest.approx(ends(expected), abs=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_differences_are_the_interval_of_half_of_one_plus_the_difference(seed: int) -> None:
    first, _, clusters = random_answers(seed)
    differences = first - np.random.default_rng(seed).integers(2, size=len(first))
    expected = plain_mean_interval(((1 + differences) / 2).tolist(), clusters.tolist(), prior=2)
    interval = difference_interval(differences, clusters)
    assert ends(interval) == pytest.approx((2 * expected.low - 1, 2 * expected.high - 1), abs=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_macro_mean_follows_the_formulas(seed: int) -> None:
    scores, groups, clusters = random_answers(seed)
    expected = plain_macro_interval(scores.tolist(), groups.tolist(), clusters.tolist())
    assert ends(macro_interval(scores, groups, clusters)) == pytest.approx(ends(expected), abs=1e-10)


def test_macro_mean_does_not_collapse_where_every_image_has_a_pattern_of_tasks_of_its_own() -> None:
    # 8 tasks ask about random halves of 60 images, about 30 each, all at 0.5. If the answers about an image are equal,
    # the mean has the variance of 60 answers at most: 0.25 / 60, a half width of 0.127; and of 240 at least: 0.063.
    rng = np.random.default_rng(0)
    clusters, groups = np.nonzero(rng.random((60, 8)) < 0.5)
    scores = (np.arange(60) % 2)[clusters]
    interval = macro_interval(scores, groups, clusters)
    assert 0.063 < (interval.high - interval.low) / 2 < 0.16


# --- slides, wells or patients as clusters -----------------------------------------------------


def answers_about_slides(seed: int, slides: int, images: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores of images of slides that differ in difficulty, and the slide of each image."""
    rng = np.random.default_rng(seed)
    rates = np.repeat(rng.beta(2, 1, slides), images)
    scores = rng.binomial(1, rates) if kind == "answers" else rng.beta(4 * rates, 4 * (1 - rates))
    return scores.astype(float), np.repeat(np.arange(slides), images)


def robust_variance(scores: np.ndarray, slides: np.ndarray) -> float:
    """Compute the cluster-robust variance of a mean with statsmodels: of the constant of a regression on it alone."""
    fit = sm.OLS(scores, np.ones(len(scores))).fit(cov_type="cluster", cov_kwds={"groups": slides})
    return float(fit.cov_params()[0, 0])


@pytest.mark.parametrize("interval_of, kind", [(accuracy_interval, "answers"), (score_interval, "scores")])
@pytest.mark.parametrize("slides, images", [(8, 5), (20, 50), (60, 20)])
def test_by_slide_the_interval_is_that_of_the_cluster_robust_variance_of_statsmodels(
    interval_of: Callable[..., Interval], kind: str, slides: int, images: int
) -> None:
    """All slides have equally many images, so that r is a number of slides, and Kish's number that of all."""
    scores, labels = answers_about_slides(3, slides, images, kind)
    of_slides = scores.reshape(slides, images).mean(axis=1)
    told = min((of_slides > 0).sum(), (of_slides < 1).sum())
    mean = scores.mean()
    largest = mean * (1 - mean) / slides
    variance = (told * robust_variance(scores, labels) + 4 * largest) / (told + 4)
    expected = plain_limits(mean, mean * (1 - mean) / variance, slides - 1)
    assert ends(interval_of(scores, labels)) == pytest.approx(ends(expected), abs=1e-10)


@pytest.mark.parametrize("interval_of, kind", [(accuracy_interval, "answers"), (score_interval, "scores")])
def test_with_very_many_slides_the_interval_is_the_usual_one_of_the_cluster_robust_standard_error(
    interval_of: Callable[..., Interval], kind: str
) -> None:
    scores, labels = answers_about_slides(4, 4_000, 3, kind)
    interval, half = interval_of(scores, labels), 1.96 * math.sqrt(robust_variance(scores, labels))
    assert ends(interval) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.02 * half)


# --- shares of boxes ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_a_share_of_boxes_has_the_interval_of_the_boxes_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    totals, clusters = rng.integers(0, 9, 30), rng.integers(0, 12, 30)
    parts = rng.binomial(totals, rng.random(30))
    boxes = np.concatenate(
        [np.repeat([1.0, 0.0], [part, total - part]) for part, total in zip(parts, totals, strict=True)]
    )
    expected = plain_mean_interval(boxes.tolist(), np.repeat(clusters, totals).tolist())
    assert ends(share_interval(parts, totals, clusters)) == pytest.approx(ends(expected), abs=1e-10)


def test_images_without_a_box_do_not_count_as_images_of_a_share() -> None:
    with_empty = share_interval([1, 0, 0, 2], [2, 0, 3, 2], ["a", "b", "c", "d"])
    assert ends(with_empty) == ends(share_interval([1, 0, 2], [2, 3, 2], ["a", "c", "d"]))


def test_one_box_in_each_image_gets_the_clopper_pearson_interval() -> None:
    expected = stats.binomtest(7, 12).proportion_ci(method="exact")
    interval = share_interval([1] * 7 + [0] * 5, [1] * 12, range(12))
    assert ends(interval) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_order_of_images_changes_the_interval_of_a_share_not_in_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    totals, clusters = rng.integers(0, 90, 900), rng.integers(0, 300, 900)
    parts, orders = rng.binomial(totals, 0.3), [rng.permutation(900) for _ in range(20)]
    assert len({share_interval(parts[order], totals[order], clusters[order]) for order in orders}) == 1


def test_without_a_score_both_ends_are_nan() -> None:
    empty: list[float] = []
    for interval in (
        accuracy_interval(empty, empty),
        score_interval(empty, empty),
        difference_interval(empty, empty),
        macro_interval(empty, empty, empty),
        share_interval(empty, empty, empty),
        share_interval([0, 0], [0, 0], ["a", "b"]),
    ):
        assert math.isnan(interval.low) and math.isnan(interval.high)


def test_one_image_tells_nothing_about_other_images() -> None:
    for interval in (
        accuracy_interval([1, 1, 0], ["a"] * 3),
        score_interval([0.7], ["a"]),
        macro_interval([1, 0], ["domain", "stain"], ["a", "a"]),
    ):
        assert ends(interval) == (0, 1)
    assert ends(difference_interval([0.0], ["a"])) == (-1, 1)


@pytest.mark.parametrize("right", [0, 1])
def test_all_wrong_and_all_right_touch_one_end_and_leave_a_width(right: int) -> None:
    clusters, groups = np.repeat(np.arange(6), 2), np.tile([0, 1], 6)
    scores = np.full(12, right)
    for interval in (
        accuracy_interval(scores, clusters),
        accuracy_interval(scores, range(12)),
        score_interval(scores, clusters),
        macro_interval(scores, groups, clusters),
    ):
        assert (interval.high if right else interval.low) == right
        assert 0.1 < interval.high - interval.low < 1


def test_equal_models_differ_by_0_with_an_uncertainty_that_shrinks_with_the_images() -> None:
    few, many = (difference_interval(np.zeros(n), range(n)) for n in (20, 200))
    assert few.low < many.low < 0 < many.high < few.high
    # Two images of +1 and -1 among 202: variance 2 / 202 each, 200 of them.
    assert many.high == pytest.approx(1.96 * math.sqrt(2 / 202 / 200), rel=0.05)


def test_copies_of_each_answer_about_the_same_images_tell_nothing_new() -> None:
    scores, _, clusters = random_answers(3)
    once, thrice = score_interval(scores, clusters), score_interval(np.tile(scores, 3), np.tile(clusters, 3))
    assert ends(once) == pytest.approx(ends(thrice), abs=1e-9)


def test_more_images_of_the_same_kind_narrow_the_interval() -> None:
    scores, groups, clusters = random_answers(5)
    for interval_of in (
        lambda times, labels: accuracy_interval(np.tile(scores, times), labels),
        lambda times, labels: difference_interval(np.tile(2 * scores - 1, times), labels),
        lambda times, labels: macro_interval(np.tile(scores, times), np.tile(groups, times), labels),
    ):
        widths = [
            interval.high - interval.low
            for times in (1, 4, 16)
            for interval in [interval_of(times, np.concatenate([clusters + 100 * copy for copy in range(times)]))]
        ]
        assert widths == sorted(widths, reverse=True)


def test_one_group_has_about_the_interval_of_its_accuracy() -> None:
    scores, _, clusters = random_answers(8)
    macro, plain = macro_interval(scores, ["task"] * len(scores), clusters), accuracy_interval(scores, clusters)
    assert macro.high - macro.low == pytest.approx(plain.high - plain.low, rel=0.1)


answers = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 7)), min_size=1, max_size=30)
INTERVALS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], Interval]] = {
    "accuracy": lambda scores, groups, clusters: accuracy_interval(scores, clusters),
    "score": lambda scores, groups, clusters: score_interval(scores, clusters),
    "difference": lambda scores, groups, clusters: difference_interval(2 * scores - 1, clusters),
    "macro": macro_interval,
}


@pytest.mark.parametrize("name", INTERVALS)
@settings(max_examples=60, deadline=None)
@given(rows=answers, binary=st.booleans(), seed=st.integers(0, 100))
def test_range_order_names_and_mirror_image(
    name: str, rows: list[tuple[int, int, int]], binary: bool, seed: int
) -> None:
    scores, groups, clusters = (np.array(column) for column in zip(*rows, strict=False))
    scores = (scores > 2).astype(float) if binary else scores / 5
    interval_of = INTERVALS[name]
    interval = interval_of(scores, groups, clusters)
    lowest = -1 if name == "difference" else 0
    means = [scores[groups == group].mean() for group in np.unique(groups)] if name == "macro" else [scores.mean()]
    estimate = np.mean(means) * (1 - lowest) + lowest
    assert lowest <= interval.low <= estimate + 1e-9 and estimate - 1e-9 <= interval.high <= 1

    order = np.random.default_rng(seed).permutation(len(scores))
    names = np.array([f"image {9 - cluster}" for cluster in clusters])
    shuffled = interval_of(scores[order], 7 - groups[order], names[order])
    assert ends(shuffled) == pytest.approx(ends(interval), abs=1e-9)

    mirrored = interval_of(1 - scores, groups, clusters)
    total = 1 + lowest
    assert (total - mirrored.high, total - mirrored.low) == pytest.approx(ends(interval), abs=1e-9)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: accuracy_interval([[1, 0]], ["a"]), r"shape \(n,\), got shape \(1, 2\)"),
        (lambda: accuracy_interval([1, 2], ["a", "b"]), "from 0 to 1, got 1 others"),
        (lambda: score_interval([float("nan")], ["a"]), "from 0 to 1, got 1 others"),
        (lambda: difference_interval([-2], ["a"]), "from -1 to 1, got 1 others"),
        (lambda: accuracy_interval([1, 0], ["a"]), "in clusters, 2 in all; got 1"),
        (lambda: macro_interval([1, 0], ["x"], ["a", "b"]), "in groups, 2 in all; got 1"),
        (lambda: accuracy_interval([1], ["a"], confidence_level=1), "between 0 and 1, got 1"),
        (lambda: share_interval([1], [1, 2], ["a"]), r"one shape \(n,\), got \(1,\) and \(2,\)"),
        (lambda: share_interval([2, 1], [1, 1], ["a", "b"]), "whole numbers from 0 to their totals, got 1 pairs"),
        (lambda: share_interval([0.5], [1], ["a"]), "whole numbers from 0 to their totals, got 1 pairs"),
        (lambda: share_interval([1], [1], ["a", "b"]), "in clusters, 1 in all; got 2"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], Interval], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_of_differences_with_one_model_ahead_everywhere_93_in_100_intervals_hold_the_truth():
    """The number of images on which it is ahead is binomial, so that the coverage is a sum, not a simulation."""
    num_images, ahead = 300, np.arange(41)
    ends = [difference_interval(np.arange(num_images) < number, np.arange(num_images)) for number in ahead]
    lows, highs = (np.array([getattr(interval, end) for interval in ends]) for end in ("low", "high"))
    truths = np.arange(1, 20, 0.25) / num_images
    coverages = [
        stats.binom.pmf(ahead, num_images, truth)[(lows <= truth) & (truth <= highs)].sum() for truth in truths
    ]
    assert 0.93 < min(coverages) < 0.94


def test_the_order_of_questions_within_tasks_changes_a_macro_interval_not_in_the_last_bit():
    rng = np.random.default_rng(0)
    tasks, images, scores = rng.integers(5, size=9000), rng.integers(900, size=9000), rng.integers(2, size=9000)

    def interval(order):
        by_task = order[np.argsort(tasks[order], kind="stable")]
        return macro_interval(scores[by_task], tasks[by_task], images[by_task])

    assert len({interval(rng.permutation(9000)) for _ in range(20)}) == 1
