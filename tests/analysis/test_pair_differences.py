"""Claims about the differences of pairs of runs: scores, tests, intervals, and the pairs that are compared."""

from __future__ import annotations

import csv
import io
import itertools
import json

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from microbench_tasks.analysis import common_questions, comparison_text
from microbench_tasks.analysis.comparison import compare_runs
from microbench_tasks.leaderboard import records
from microbench_tasks.leaderboard.entries import entries_of
from microbench_tasks.leaderboard.ranking import Leaderboard, rank
from microbench_tasks.metrics.paired import compare_pair
from tests.support.compared_runs import (
    BOXES,
    COARSE,
    DOMAIN,
    MODALITY,
    SOURCE,
    answered,
    box_sample,
    compared,
    loaded,
    row_of,
    sample,
)


def test_with_one_question_per_image_p_is_that_of_mcnemars_exact_test(tmp_path):
    # 12 right in both, 7 right in the first alone, 1 right in the second alone, 4 wrong in both.
    comparison = compared(tmp_path, "A" * 12 + "A" * 7 + "B" + "B" * 4, "A" * 12 + "B" * 7 + "A" + "C" * 4)
    row = row_of(comparison)
    assert row.p == pytest.approx(mcnemar([[12, 7], [1, 4]], exact=True).pvalue)
    assert row.p_adjusted == row.p
    assert (row.reference_score, row.score) == (19 / 24, 13 / 24)
    assert row.difference == pytest.approx(-6 / 24)
    assert (row.num_worse, row.num_better, row.num_discordant) == (7, 1, 8)
    assert (row.num_questions, row.num_images, row.num_datasets) == (24, 24, 1)


def test_the_standard_error_and_the_correlation_are_those_of_paired_scores(tmp_path):
    first, second = "AAAABBABAB", "AABABBAAAA"
    row = row_of(compared(tmp_path, first, second))
    scores = np.array([[letter == "A" for letter in letters] for letters in (first, second)], dtype=float)
    assert row.standard_error == pytest.approx(np.std(scores[1] - scores[0], ddof=1) / np.sqrt(10))
    assert row.correlation == pytest.approx(np.corrcoef(scores)[0, 1])


def test_with_several_questions_per_image_the_signs_of_images_are_flipped(tmp_path):
    first, second = "AAABBBAAABAAABABAA", "ABBBABBBBBBABBBBAB"
    row = row_of(compared(tmp_path, first, second, questions_per_image=3))
    differences = [(two == "A") - (one == "A") for one, two in zip(first, second, strict=True)]
    sums = np.array(differences).reshape(6, 3).sum(axis=1)
    flipped = [abs(np.dot(signs, sums)) for signs in itertools.product((-1, 1), repeat=6)]
    assert row.p == pytest.approx(np.mean(np.array(flipped) >= abs(sums.sum())))
    assert row.num_images == 6 and row.num_discordant == np.count_nonzero(sums)


def test_groups_of_images_take_the_place_of_images(tmp_path, monkeypatch):
    """Answers about two images of one slide are one observation, as if both were the same image."""
    first, second = "AAABBBAAABAAABABAA", "ABBBABBBBBBABBBBAB"
    same_image = row_of(compared(tmp_path / "image", first, second, questions_per_image=2))
    answer_of = common_questions.answer_of
    monkeypatch.setattr(
        common_questions,
        "answer_of",
        lambda task, of: answer_of(task, of)._replace(cluster=f"slide {of.doc_id // 2}"),
    )
    comparison = compared(tmp_path / "slide", first, second)
    row = row_of(comparison)
    assert (row.num_images, row.num_clusters) == (18, 9) and same_image.num_clusters == same_image.num_images == 9
    assert (row.p, row.low, row.high, row.standard_error, row.num_discordant) == (
        *(same_image.p, same_image.low, same_image.high),
        *(same_image.standard_error, same_image.num_discordant),
    )
    said = comparison_text.as_terminal_text(comparison)
    assert "| groups |" in said and "paired test by group, of" in said and "for new groups of images of the" in said


def coarse_runs(tmp_path, number_of_runs):
    rng = np.random.default_rng(5)
    runs = []
    for number in range(number_of_runs):
        letters = {
            task: rng.choice(["A", "B"], size=30, p=[0.8 - 0.25 * number, 0.2 + 0.25 * number]) for task in COARSE
        }
        samples = {task: answered(map(str, of_task), task) for task, of_task in letters.items()}
        # The strict rule reads this answer, and the paper's does not.
        samples[MODALITY][0] = sample(0, "The answer is A")
        runs.append(loaded(tmp_path / str(number), samples, f"model {number}"))
    return runs


@pytest.mark.parametrize("number_of_runs", [2, 3])
def test_the_figures_of_groups_are_those_of_the_leaderboards_pairs(tmp_path, number_of_runs):
    runs = coarse_runs(tmp_path, number_of_runs)
    sources = dict.fromkeys(COARSE, SOURCE)
    entries = [entry for run in runs for entry in entries_of(run.label, run.rescored, sources, 2.0)]
    board = Leaderboard(tuple(rank(entries, [run.label for run in runs])))
    pairs = list(csv.DictReader(io.StringIO(records.pairs_as_csv(board, with_paper=False))))
    comparison = compare_runs(runs)
    rows = {
        (row.metric, row.reference, row.run): row for row in comparison.differences if row.name == "microbench_coarse"
    }
    assert len(pairs) == len(rows) == 3 * number_of_runs * (number_of_runs - 1) // 2
    for pair in pairs:
        # The leaderboard subtracts the second model, and orders models by their score.
        row = rows.get((pair["metric"], pair["against"], pair["model"]))
        sign = 1 if row else -1
        row = row or rows[pair["metric"], pair["model"], pair["against"]]
        ends = sorted(sign * float(pair[f"difference_{end}"]) for end in ("low", "high"))
        assert row.difference == sign * float(pair["difference"])
        assert [row.low, row.high] == ends
        assert row.p == float(pair["p"]) and row.p_adjusted == float(pair["p_adjusted"])
        assert row.standard_error == float(pair["standard_error"])
        assert row.correlation == float(pair["correlation"])
        assert row.num_discordant == int(pair["discordant_images"])
        assert row.smallest_difference == float(pair["smallest_difference"])
        opposite = {"better": "worse", "worse": "better", "tie": "tie"}
        assert row.verdict == (pair["verdict"] if sign == 1 else opposite[pair["verdict"]])


def test_a_macro_mean_weighs_each_task_alike(tmp_path):
    samples = [
        {task: answered(letters, task) for task, letters in zip(COARSE, answers, strict=True)}
        for answers in (["AAAA", "AA", "AA", "AA", "AA"], ["AABB", "AA", "AA", "AA", "BA"])
    ]
    comparison = compare_runs([loaded(tmp_path / str(number), found) for number, found in enumerate(samples)])
    # Losses of a half in two of five tasks.
    assert row_of(comparison, "microbench_coarse", "acc_macro").difference == pytest.approx(-(0.5 + 0.5) / 5)
    assert row_of(comparison, "microbench_coarse", "acc").difference == pytest.approx(-3 / 12)


def test_a_task_is_judged_by_p_adjusted_for_all_tasks_and_a_group_is_not(tmp_path):
    # McNemar with 6 of 6 images: 2 / 2^6 = 0.03125 in one task; no difference in the four others.
    worse = {task: answered("B" * 6 + "A" * 6, task) if task == DOMAIN else answered("A" * 12, task) for task in COARSE}
    runs = [
        loaded(tmp_path / "0", {task: answered("A" * 12, task) for task in COARSE}),
        loaded(tmp_path / "1", worse),
    ]
    comparison = compare_runs(runs)
    task, group = row_of(comparison, DOMAIN), row_of(comparison, "microbench_coarse")
    assert (task.p, task.p_all_tasks) == (pytest.approx(0.03125), pytest.approx(5 * 0.03125))
    assert task.verdict == "tie"
    # Of the same 12 images, six differ by 1.
    assert (group.p, group.p_all_tasks, group.verdict) == (pytest.approx(0.03125), None, "worse")


def test_a_difference_is_that_of_the_other_run_minus_the_reference_for_all_pairs(tmp_path):
    comparison = compared(tmp_path, "AAAA", "AAAB", "ABBB")
    differences = {(row.reference, row.run): row.difference for row in comparison.of_metric("acc")}
    assert differences == {
        ("model 0", "model 1"): -0.25,
        ("model 0", "model 2"): -0.75,
        ("model 1", "model 2"): -0.5,
    }
    assert comparison.labels == ("model 0", "model 1", "model 2")


def test_against_one_run_p_is_adjusted_by_holm_and_intervals_by_bonferroni_for_its_pairs_alone(tmp_path):
    letters = ("A" * 12, "A" * 6 + "B" * 6, "A" * 5 + "B" * 7, "A" * 11 + "B")
    runs = [
        loaded(tmp_path / str(number), {DOMAIN: answered(of, DOMAIN)}, f"m{number}")
        for number, of in enumerate(letters)
    ]
    comparison = compare_runs([*runs[1:], runs[0]], against="m0")
    rows = {row.run: row for row in comparison.of_metric("acc")}
    assert comparison.labels == ("m0", "m1", "m2", "m3") and {row.reference for row in rows.values()} == {"m0"}
    # McNemar: 2 / 2^6, 2 / 2^7 and 1. Holm: the smallest three times, the next twice.
    assert [rows[run].p for run in ("m1", "m2", "m3")] == pytest.approx([2 / 64, 2 / 128, 1])
    assert [rows[run].p_adjusted for run in ("m1", "m2", "m3")] == pytest.approx([2 * 2 / 64, 3 * 2 / 128, 1])
    right = [[float(letter == "A") for letter in of] for of in letters]
    alone = compare_pair(right[1], right[0], range(12), confidence_level=1 - 0.05 / 3)
    assert (rows["m1"].low, rows["m1"].high) == pytest.approx((alone.low, alone.high))
    assert {change.reference for change in comparison.changes} == {"m0"} and len(comparison.changes) == 6 + 7 + 1


def test_boxes_are_compared_by_grit(tmp_path):
    right, none = json.dumps([{"bbox_2d": [100, 100, 200, 300]}]), "[]"
    runs = [
        loaded(tmp_path / str(number), {BOXES: [box_sample(image, response) for image, response in enumerate(found)]})
        for number, found in enumerate(([right, right, right, none], [right, none, none, none]))
    ]
    comparison = compare_runs(runs)
    assert comparison.metrics() == ["grit"]
    row = row_of(comparison, BOXES, "grit")
    scores = [[sample.items["grit"]["score"] for sample in run.rescored.samples[BOXES]] for run in runs]
    assert row.difference == pytest.approx(np.mean(scores[1]) - np.mean(scores[0])) and row.difference < 0
    assert (row.num_worse, row.num_better) == (2, 0)
    assert {(change.gold, change.reference_answer, change.answer) for change in comparison.changes} == {("1", "1", "0")}


def test_several_answers_to_a_question_take_part_with_their_mean(tmp_path):
    first = {MODALITY: [sample(number, ["A", "B"]) for number in range(4)]}
    second = {MODALITY: [sample(number, ["A", "A"]) for number in range(4)]}
    row = row_of(compare_runs([loaded(tmp_path / "0", first), loaded(tmp_path / "1", second)]))
    assert (row.reference_score, row.score, row.difference) == (0.5, 1.0, 0.5)
    assert (row.num_worse, row.num_better) == (0, 4)


def test_a_run_against_itself_has_no_difference_and_an_interval_that_is_no_point(tmp_path):
    row = row_of(compared(tmp_path, "AABB", "AABB"))
    assert (row.difference, row.p, row.verdict, row.num_discordant) == (0, 1, "tie", 0)
    assert row.low < 0 < row.high
