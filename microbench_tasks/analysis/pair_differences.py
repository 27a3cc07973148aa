"""Compute the differences of pairs of runs in the metrics of one task or group.

The statistics are those of the leaderboard (`microbench_tasks.metrics.measure`, `microbench_tasks.metrics.paired`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.analysis.answers import Answer
from microbench_tasks.analysis.common_questions import CommonQuestions
from microbench_tasks.metrics import pairs
from microbench_tasks.metrics.intervals import accuracy_interval, score_interval
from microbench_tasks.metrics.measure import Measure
from microbench_tasks.metrics.paired import LEVEL
from microbench_tasks.metrics.permutation import holm_over_families

Verdict = Literal["better", "worse", "tie"]
# In the order of tables.
COMPARED_METRICS = ("acc", "acc_strict", "acc_macro", "grit")


@dataclass(frozen=True)
class PairDifference:
    """Hold the difference of two runs in one metric of a task or group.

    Scores and differences are fractions. All figures are about the questions that the compared runs have in common.

    Attributes:
        name: of the task or group.
        metric: one of `COMPARED_METRICS`.
        reference, run: labels of the two runs.
        num_questions, num_images, num_datasets: how many are compared.
        num_clusters: number of units whose answers may depend on each other: the images, or for own data their groups.
        reference_score, score: of the two runs, from 0 to 1.
        difference: ``score`` minus ``reference_score``.
        low, high: 95 % interval of the difference, simultaneous for all pairs that are tested, within -1 to 1.
        p: exact p-value of this pair alone, for a comparison that was planned before.
        p_adjusted: p-value adjusted for all pairs that are tested; of two runs, the same as ``p``.
        p_all_tasks: p-value adjusted for these pairs and for all tasks of the comparison; None for groups, and for
            other metrics than the main one (``acc``, ``grit``).
        standard_error: of the difference, paired and clustered; None for a single cluster.
        correlation: of the two runs' scores over questions; None if one of them is constant.
        num_discordant: number of clusters on which the two differ.
        smallest_difference: the smallest true difference that is found with a chance of 80 %.
        num_worse, num_better: number of questions with a lower and with a higher score than the reference. With one
            answer to each question, the reference alone was right on the first, and the other run alone on the second.
        is_redefined: whether a task was not the benchmark's own in one of the runs.
    """

    name: str
    metric: str
    reference: str
    run: str
    num_questions: int
    num_images: int
    num_datasets: int
    num_clusters: int
    reference_score: float
    score: float
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    p_all_tasks: float | None
    standard_error: float | None
    correlation: float | None
    num_discordant: int
    smallest_difference: float
    num_worse: int
    num_better: int
    is_redefined: bool = False

    @property
    def verdict(self) -> Verdict:
        """Return whether the run is better or worse than the reference at 5 %, or neither is known.

        For tasks, p is adjusted for all tasks, since somebody will look at the largest difference.
        """
        p = self.p_adjusted if self.p_all_tasks is None else self.p_all_tasks
        if p > LEVEL or self.difference == 0:
            return "tie"
        return "better" if self.difference > 0 else "worse"


def differences_of(
    name: str, common: Sequence[CommonQuestions], labels: Sequence[str], *, is_redefined: bool, is_against_one: bool
) -> list[PairDifference]:
    """Return the differences in each metric of a task or group, for each pair of runs.

    Args:
        name: of the task or group.
        common: the questions of each of its tasks that all of the runs answered, at least one of each.
        labels: of these runs, in the order of their answers.
        is_redefined: whether a task was not the benchmark's own in one of the runs.
        is_against_one: whether each run is compared with the first alone, instead of all pairs.
    """
    return [
        row
        for metric, measured in _measured(name, common).items()
        for row in _pairs(name, metric, measured, labels, is_redefined, is_against_one)
    ]


def adjust_for_tasks(rows: Sequence[PairDifference]) -> list[PairDifference]:
    """Adjust the p-values of the main metric of tasks for the number of tasks that are compared."""
    of_tasks = [row for row in rows if row.name not in catalog.GROUPS and row.metric in ("acc", "grit")]
    adjusted = holm_over_families([row.p_adjusted for row in of_tasks], [row.name for row in of_tasks])
    by_row = {id(row): float(p) for row, p in zip(of_tasks, adjusted, strict=True)}
    return [dataclasses.replace(row, p_all_tasks=by_row[id(row)]) if id(row) in by_row else row for row in rows]


@dataclass(frozen=True)
class _Measured:
    """Hold the scores of some answers by one metric, and the answers of the first run, which name the questions."""

    measure: Measure
    answers: Sequence[Answer]


def _measured(name: str, common: Sequence[CommonQuestions]) -> dict[str, _Measured]:
    """Return the metrics of a task or group; totals of groups leave questions out, the scores of tasks do not."""
    boxes = [of_task for of_task in common if of_task.answers[0][0].strict is None]
    questions = [of_task for of_task in common if of_task.answers[0][0].strict is not None]
    is_group = name in catalog.GROUPS
    measured = {}
    if counted := _answers(questions, only_in_total=is_group):
        measured["acc"] = _measure("acc", counted)
        measured["acc_strict"] = _measure("acc_strict", counted)
    if is_group and questions:
        measured["acc_macro"] = _measure("acc_macro", _answers(questions, only_in_total=False))
    if boxes:
        measured["grit"] = _measure("grit", _answers(boxes, only_in_total=False))
    return measured


def _answers(common: Sequence[CommonQuestions], *, only_in_total: bool) -> list[tuple[Answer, ...]]:
    """Return, for each question of some tasks, the answers of all runs."""
    return [
        answers
        for of_task in common
        for answers in zip(*of_task.answers, strict=True)
        if answers[0].in_total or not only_in_total
    ]


def _measure(metric: str, answers: Sequence[tuple[Answer, ...]]) -> _Measured:
    first = [of_runs[0] for of_runs in answers]
    images, tasks = (
        np.unique(labels, return_inverse=True)[1].ravel()
        for labels in ([answer.cluster for answer in first], [answer.question[0] for answer in first])
    )
    scores = np.array(
        [[answer.strict if metric == "acc_strict" else answer.score for answer in of_runs] for of_runs in answers],
        dtype=np.float64,
    ).T
    interval_of = {"acc_macro": None, "grit": score_interval}.get(metric, accuracy_interval)
    return _Measured(Measure(scores, images, tasks, interval_of), first)


def _pairs(
    name: str, metric: str, measured: _Measured, labels: Sequence[str], is_redefined: bool, is_against_one: bool
) -> list[PairDifference]:
    measure = measured.measure
    compared = pairs.against_first(measure) if is_against_one else pairs.of_all_pairs(measure)
    means, images = measure.means(), {answer.question[2] for answer in measured.answers}
    counts = {
        "num_questions": len(measured.answers),
        "num_images": len(images),
        "num_datasets": len({image.partition("/")[0] for image in images}),
        "num_clusters": len(np.unique(measure.images)),
    }
    return [
        PairDifference(
            name=name,
            metric=metric,
            reference=labels[one],
            run=labels[other],
            reference_score=float(means[one]),
            score=float(means[other]),
            num_worse=int(np.count_nonzero(measure.scores[other] < measure.scores[one])),
            num_better=int(np.count_nonzero(measure.scores[other] > measure.scores[one])),
            is_redefined=is_redefined,
            **counts,
            **statistics,
        )
        for (one, other), statistics in compared.items()
    ]
