"""Claims about the calibration of logged probabilities."""

from __future__ import annotations

import json

import pytest

from microbench_tasks.report import (
    calibration,
    estimates,
    writing,
)
from tests.support import tiny_runs
from tests.support.independent import LETTERS
from tests.support.report_runs import (
    ALL_IN_ONE,
)


def test_calibration_is_that_of_the_logged_probabilities(run):
    items = estimates.questions(run, "coarse")
    found = calibration.measure_calibration(items)
    tasks = ("microbench_coarse_modality", "microbench_coarse_stain")
    responses = [sample.response for task in tasks for sample in run.rescored.samples[task]]
    stated = [response for response in responses if "probabilities" in response]
    assert calibration.count_probabilities(items) == calibration.ProbabilityCounts(answers=12, missing=6, unusable=0)
    assert found.n == len(stated) == len(responses) - 6 == 6
    # Documents 0, 2 and 4 of both tasks have probabilities: 4 alone is wrong, and all say 0.9.
    assert found.forecasts.is_right.mean() == pytest.approx(4 / 6)
    assert found.bins.expected_calibration_error == pytest.approx(0.9 - 4 / 6)
    # Four options: 0.1^2 + 3 * (0.1 / 3)^2 where right, 0.9^2 + (1 - 0.1 / 3)^2 + 2 * (0.1 / 3)^2 where wrong.
    rest = 0.1 / 3
    brier = (4 * (0.1**2 + 3 * rest**2) + 2 * (0.9**2 + (1 - rest) ** 2 + 2 * rest**2)) / 6
    assert found.forecasts.brier_score == pytest.approx(brier)
    # Equal probabilities of four options: 1 - 1/4.
    assert found.forecasts.brier_skill == pytest.approx(1 - brier / 0.75)


def item_with(*probabilities, gold="A", image="1"):
    stated = dict(zip(LETTERS, probabilities, strict=False)) if probabilities else None
    return {"probabilities": stated, "gold": gold, "image": image, "options": ["left", "right"]}


def test_all_answers_count_in_calibration_but_those_without_usable_probabilities():
    items = [item_with(0.5, 0.1), item_with(0.02, 0.18, image="2"), item_with(), item_with(0.0, 0.0)]
    found = calibration.measure_calibration(items)
    assert calibration.count_probabilities(items) == calibration.ProbabilityCounts(answers=4, missing=1, unusable=1)
    # 0.5 and 0.9 of their sums, of which the second is wrong.
    assert found.forecasts.confidence == pytest.approx([5 / 6, 0.9])
    assert found.forecasts.mass == pytest.approx([0.6, 0.2])
    assert found.forecasts.is_right.tolist() == [1, 0]
    assert calibration.measure_calibration(items[2:]) is None
    assert calibration.count_probabilities(items[2:]).reason() == (
        "1 of 2 answers have no probabilities, 1 have unusable ones (all 0 or not finite)"
    )


def test_an_option_whose_letter_a_server_did_not_list_counts_as_0_and_such_answers_are_counted():
    items = [item_with(0.5, 0.1), item_with(0.4, image="2"), {**item_with(), "probabilities": {"B": 0.8}, "image": "3"}]
    found = calibration.measure_calibration(items)
    assert calibration.count_probabilities(items) == calibration.ProbabilityCounts(3, 0, 0, partial=2)
    assert found.forecasts.mass == pytest.approx([0.6, 0.4, 0.8])
    assert found.forecasts.confidence == pytest.approx([5 / 6, 1, 1])
    # The right option of all three is A; the third gives it nothing.
    assert found.forecasts.is_right.tolist() == [1, 1, 0]


def test_each_of_several_answers_to_a_question_counts_in_calibration():
    answers = [{"probabilities": {"A": 0.8, "B": 0.2}}, {"probabilities": {"A": 0.1, "B": 0.3}}]
    repeated = item_with(0.8, 0.2) | {"answers": answers}
    found = calibration.measure_calibration([repeated])
    assert calibration.count_probabilities([repeated]).answers == 2
    assert found.forecasts.confidence == pytest.approx([0.8, 0.75])
    assert found.forecasts.is_right.tolist() == [1, 0]


def test_without_probabilities_there_is_no_calibration_and_the_report_says_why(data, tmp_path):
    task = "microbench_coarse_stain"
    silent = tiny_runs.write(tmp_path / "run", {task: tiny_runs.samples(task)})
    report = writing.write([silent], tmp_path / "out", 0, 0, ALL_IN_ONE)
    record = json.loads((report.folder / "report.json").read_text())
    titles = [section["title"] for section in record["chapters"]]
    assert "Calibration" not in titles
    [reason] = [text for text in report.left_out if "calibration" in text]
    assert reason.endswith("coarse questions: 6 of 6 answers have no probabilities.")
    assert reason in record["chapters"][titles.index("About this report")]["text"]
