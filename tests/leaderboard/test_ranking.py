"""Claims about ranks, and about what is not ranked together."""

from __future__ import annotations

import csv
import dataclasses
import io
import re

import numpy as np
import pytest
from scipy import stats

from microbench_tasks.leaderboard.entries import Entry
from microbench_tasks.leaderboard.ranking import Leaderboard, rank, ranks_of
from microbench_tasks.leaderboard.records import pairs_as_csv
from microbench_tasks.metrics.intervals import accuracy_interval, macro_interval
from microbench_tasks.metrics.paired import compare_models
from microbench_tasks.util.errors import DataError
from tests.support.leaderboards import (
    COARSE,
    DEMO,
    OTHER_DEMO,
    RELEASE,
    answers,
    entry,
    intransitive,
)


def test_models_that_are_not_known_to_differ_share_a_rank(three):
    [ranking] = rank(three, ["good", "middling", "like it"])
    assert [(row.entry.model, row.place) for row in ranking.rows] == [
        ("good", "1"),
        ("middling", "2="),
        ("like it", "2="),
    ]
    assert [row.versus_next and row.versus_next.verdict for row in ranking.rows] == ["better", "tie", None]


def test_a_row_has_the_mean_its_interval_by_image_and_the_comparison_with_the_next(three):
    [ranking] = rank(three, ["good", "middling", "like it"])
    images = np.arange(200) // 2
    good, middling = three[1].scores, three[0].scores
    row = ranking.rows[0]
    assert row.entry.score == pytest.approx(good.mean())
    assert row.interval == accuracy_interval(good, images)
    assert row.versus_next.difference == pytest.approx(good.mean() - middling.mean())
    expected = compare_models([found.scores for found in three], images)
    assert (row.versus_next.low, row.versus_next.high, row.versus_next.p) == (
        expected.low[1, 0],
        expected.high[1, 0],
        expected.p[1, 0],
    )
    assert (ranking.num_questions, ranking.num_images) == (200, 100)


def test_a_rank_is_one_more_than_the_number_of_models_that_are_better():
    [ranking] = rank(intransitive("ABC"), list("ABC"))
    # McNemar's exact tests: A against B 2 / 2^14, A against C of 85 at least 50, B against C of 71 at least 36.
    assert ranking.comparison.pair_p[0, 1] == pytest.approx(2 / 2**14)
    assert ranking.comparison.pair_p[0, 2] == pytest.approx(stats.binomtest(50, 85).pvalue)
    assert [(row.entry.model, row.place) for row in ranking.rows] == [("A", "1="), ("B", "2"), ("C", "1=")]
    verdicts = [ranking.versus(*pair).verdict for pair in ((0, 1), (0, 2), (1, 2), (1, 0))]
    assert verdicts == ["better", "tie", "tie", "worse"]


def test_ranks_count_better_models():
    """Each model is right on 20 images more than the next: all are told apart but for the last two, which are alike."""
    scores = [np.arange(100) < number for number in (90, 70, 50, 50)]
    assert ranks_of(compare_models(scores, np.arange(100))) == [1, 2, 3, 3]


def test_equal_models_are_named_in_the_order_of_the_alphabet_and_tied():
    [ranking] = rank([entry("b", answers(0.5, 1)), entry("a", answers(0.5, 1))], ["a", "b"])
    assert [(row.entry.model, row.place) for row in ranking.rows] == [("a", "1="), ("b", "1=")]
    assert (ranking.rows[0].versus_next.difference, ranking.rows[0].versus_next.p) == (0, 1)


def test_a_model_alone_is_first_and_compared_with_no_one():
    [ranking] = rank([entry("alone", answers(0.5, 1))], ["alone"])
    assert [(row.place, row.versus_next) for row in ranking.rows] == [("1", None)]


def test_other_data_and_other_versions_are_ranked_apart_and_said():
    entries = [
        entry("a", answers(0.5, 1)),
        entry("b", answers(0.5, 2), data=OTHER_DEMO),
        entry("c", answers(0.5, 3), version=2.0),
        entry("d", answers(0.5, 4), data=RELEASE),
    ]
    rankings = rank(entries, ["a", "b", "c", "d", "e"])
    assert [[row.entry.model for row in ranking.rows] for ranking in rankings] == [["d"], ["a"], ["c"], ["b"]]
    assert rankings[1].absent == {
        "b": "other data: demo (fedcba98)",
        "c": "other version of the tasks: 2.0",
        "d": "other data: release (3f2c5b59)",
        "e": "did not answer all of microbench_coarse",
    }


def test_a_model_without_a_group_is_not_in_its_ranking():
    both = [entry("a", answers(0.5, 1), group=group) for group in (COARSE, "microbench_fine")]
    coarse, fine = rank([*both, entry("b", answers(0.5, 2))], ["a", "b"])
    assert [row.entry.model for row in coarse.rows] != [] and coarse.absent == {}
    assert fine.absent == {"b": "did not answer all of microbench_fine"}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            entry("b", answers(0.5, 2, number=198)),
            "a has document 198 of microbench_coarse_domain about 'set/0099' with the right answer A, and b has not",
        ),
        (
            entry("b", answers(0.5, 2), right="B"),
            "One of them is incomplete or was changed. Check both with microbench verify",
        ),
    ],
)
def test_other_questions_on_the_same_data_are_refused(other, message):
    with pytest.raises(DataError, match=re.escape(message)):
        rank([entry("a", answers(0.9, 1)), other], ["a", "b"])


def test_the_same_questions_about_other_images_are_refused():
    """The digest of the documents covers their pixels; questions name images only."""
    entries = [
        dataclasses.replace(entry(model, answers(0.5, 1)), asked={"microbench_coarse_domain": digest * 64})
        for model, digest in (("a", "1"), ("b", "2"))
    ]
    differ = "but the digests of their documents of microbench_coarse_domain, images included, differ"
    with pytest.raises(DataError, match=differ):
        rank(entries, ["a", "b"])
    assert len(rank([entries[0], dataclasses.replace(entries[1], asked=entries[0].asked)], ["a", "b"])) == 1


def test_nothing_to_rank_is_an_error():
    with pytest.raises(DataError, match="nothing to rank"):
        rank([], ["a"])


def test_the_order_of_absent_models_is_the_alphabets():
    [ranking] = rank([entry("m", answers(0.5, 1))], ["z", "m", "b"])
    assert list(ranking.absent) == ["b", "z"]


def two_metrics(model, seed):
    """Answers to three tasks of 60, 30 and 10 questions about 50 images, and to 20 questions outside the total."""
    rng = np.random.default_rng(seed)
    sizes = {"domain": 60, "stain": 30, "modality": 10}
    numbers = [(task, number) for task, size in sizes.items() for number in range(size)]
    asked = [(f"{COARSE}_{task}", number, f"set{number % 2}/{number % 50:03d}", "A") for task, number in numbers]
    outside = tuple((f"{COARSE}_stain", number, f"set0/{number:03d}", "A") for number in range(100, 120))
    scores, strict, others = rng.random(100) < 0.6, rng.random(100) < 0.4, rng.random(20) < 0.5
    return Entry(
        model=model,
        group=COARSE,
        data=DEMO,
        version=1.0,
        questions=tuple(sorted(asked)),
        scores=scores.astype(float),
        figures={"acc_macro": 0.5, "acc_strict": strict.mean()},
        by_task={},
        strict=strict.astype(float),
        outside=outside,
        outside_scores=others.astype(float),
    )


def test_strict_and_macro_accuracies_are_compared_as_well():
    entries = [two_metrics(model, seed) for seed, model in enumerate("abc")]
    [ranking] = rank(entries, list("abc"))
    assert list(ranking.comparisons) == ["acc", "acc_strict", "acc_macro"]
    one, other = (row.entry for row in ranking.rows[:2])
    assert ranking.versus(0, 1, "acc_strict").difference == pytest.approx(one.strict.mean() - other.strict.mean())

    def macro(found):
        tasks = np.array([task for task, _, _, _ in found.questions + found.outside])
        scores = np.hstack([found.scores, found.outside_scores])
        return np.mean([scores[tasks == task].mean() for task in np.unique(tasks)])

    assert ranking.versus(0, 1, "acc_macro").difference == pytest.approx(macro(one) - macro(other))
    tasks, _, images, _ = zip(*one.questions + one.outside, strict=False)
    scores = np.hstack([one.scores, one.outside_scores])
    assert ranking.rows[0].intervals["acc_macro"] == macro_interval(scores, tasks, images)
    lines = csv.DictReader(io.StringIO(pairs_as_csv(Leaderboard((ranking,)), with_paper=False)))
    assert [line["metric"] for line in lines] == ["acc"] * 3 + ["acc_strict"] * 3 + ["acc_macro"] * 3


def test_ranks_go_by_the_main_metric_alone():
    scores = [entry("a", answers(0.9, 1)), entry("b", answers(0.5, 2))]
    swapped = [
        dataclasses.replace(found, strict=other.scores) for found, other in zip(scores, scores[::-1], strict=False)
    ]
    [ranking] = rank(swapped, ["a", "b"])
    assert [(row.entry.model, row.rank) for row in ranking.rows] == [("a", 1), ("b", 2)]
    assert ranking.versus(0, 1, "acc_strict").verdict == "worse"


def test_questions_outside_the_total_must_be_the_same_too():
    one, other = two_metrics("a", 1), two_metrics("b", 2)
    changed = dataclasses.replace(other, outside=(*other.outside[:-1], (f"{COARSE}_stain", 119, "set0/119", "B")))
    with pytest.raises(DataError, match="document 119 of microbench_coarse_stain"):
        rank([one, changed], ["a", "b"])
