"""Claims about reports of runs with several answers to each question (--repeats)."""

from __future__ import annotations

import dataclasses

import pytest

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.report import about, score_section
from microbench_tasks.report.runs import answers_per_question
from tests.support.report_runs import TASKS

STAIN = "microbench_coarse_stain"


def with_answers(run: Run, number: int, task: str) -> Run:
    """Return the run as if it had several equal answers to each question of a task."""
    samples = [
        dataclasses.replace(sample, items=sample.items | {"acc": sample.items["acc"] | {"answers": [{}] * number}})
        for sample in run.rescored.samples[task]
    ]
    rescored = dataclasses.replace(run.rescored, samples=run.rescored.samples | {task: samples})
    return dataclasses.replace(run, rescored=rescored)


@pytest.fixture
def repeated(run):
    return with_answers(run, 3, STAIN)


def table_of_scores(run):
    return score_section.score_section([run]).parts[-1].parts[0]


def test_the_number_of_answers_stands_beside_the_number_of_questions(repeated):
    table = table_of_scores(repeated)
    column = list(table.header).index("answers to each")
    assert {row[0]: row[column].text for row in table.rows if row[0] in TASKS[:3]} == {
        TASKS[0]: "1",
        STAIN: "3",
        TASKS[2]: "1",
    }


def test_the_number_of_answers_stands_at_the_top_of_the_page(repeated):
    assert answers_per_question(repeated) == "1 / 3"
    assert about.facts_of([repeated], [])["Answers to each question"] == f"1 / 3 ({repeated.label})"


def test_with_one_answer_to_each_question_nothing_is_said_of_it(run):
    assert "answers to each" not in table_of_scores(run).header
    assert "Answers to each question" not in about.facts_of([run], [])
