"""Reduce the scored samples of a run to questions, which are the same for equal data, and the scores of the answers."""

from __future__ import annotations

import json
from typing import NamedTuple

from microbench_tasks.runs.rescoring import ScoredSample
from microbench_tasks.tasks import item_intervals

# Task, document number, image, and gold answer with options. These are equal for equal data.
Question = tuple[str, int, str, str]


class Answer(NamedTuple):
    """Hold a question, and the scores of its answer.

    Attributes:
        question: what was asked.
        score: from 0 to 1: by the paper's rule, or GRIT; the mean of several answers.
        strict: score by the strict rule; None for boxes.
        in_total: whether it counts in the group's total.
        cluster: what answers depend on each other by: the image, or for own data its group.
    """

    question: Question
    score: float
    strict: float | None
    in_total: bool
    cluster: str


def answer_of(task: str, sample: ScoredSample) -> Answer:
    """Return the question of a sample, and the scores of its answer."""
    if "grit" in sample.items:
        item = sample.items["grit"]
        question = (task, sample.doc_id, item["image"], json.dumps([item["expression"], item["boxes"]]))
        return Answer(question, item["score"], None, True, item_intervals.unit_of(item))
    item = sample.items["acc"]
    question = (task, sample.doc_id, item["image"], json.dumps([item["gold"], *item["options"]]))
    strict = sample.items["acc_strict"]["score"]
    return Answer(question, item["score"], strict, item["in_total"], item_intervals.unit_of(item))
