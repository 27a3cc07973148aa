"""Compare runs on the questions that they have in common: differences, tests, and the answers that changed.

The statistics are those of the leaderboard (`microbench_tasks.metrics.measure`, `microbench_tasks.metrics.paired`).
The first run is the reference: differences are those of the other run minus the reference. Of three or more runs,
all pairs are compared, or each run with one that is named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.analysis import comparison_notes, pair_statistics
from microbench_tasks.analysis.answers import Answer
from microbench_tasks.analysis.changes import Change, changes_of
from microbench_tasks.analysis.common_questions import CommonQuestions, Matcher
from microbench_tasks.analysis.loaded_runs import Run, with_unique_labels
from microbench_tasks.metrics.intervals import accuracy_interval, score_interval
from microbench_tasks.metrics.measure import Measure
from microbench_tasks.metrics.paired import LEVEL
from microbench_tasks.metrics.permutation import holm_over_families
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.suggestions import did_you_mean

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


@dataclass(frozen=True)
class RunComparison:
    """Hold the comparison of two or more runs.

    Attributes:
        labels: of the runs, the reference first; marked where tasks were redefined or requests failed.
        run_names: of the runs, in the same order.
        differences: by metric, task or group, and pair.
        changes: the questions with another answer or score, by pair and task.
        notes: what a reader of the figures should know.
        is_against_one: whether three or more runs were compared with the reference alone, instead of all pairs.
    """

    labels: tuple[str, ...]
    run_names: tuple[str, ...]
    differences: tuple[PairDifference, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    is_against_one: bool = False

    def metrics(self) -> list[str]:
        """Return the metrics that were compared, in the order of tables."""
        present = {difference.metric for difference in self.differences}
        return [metric for metric in COMPARED_METRICS if metric in present]

    def of_metric(self, metric: str) -> list[PairDifference]:
        """Return the differences in one metric."""
        return [difference for difference in self.differences if difference.metric == metric]


def compare_runs(runs: Sequence[Run], against: str = "") -> RunComparison:
    """Compare runs, question by question; the first is the reference.

    Args:
        runs: at least two, on the same data.
        against: label or name of the one run with which each of the others is compared; it becomes the reference. By
            default, all pairs are compared.

    Raises:
        DataError: there are fewer than two runs; none is named ``against``; two runs were asked about other data; or no
            two runs answered the same task.
    """
    if len(runs) < 2:
        raise DataError(
            f"Expected two or more runs to compare, got {len(runs)}. Name more folders, or several runs of one folder "
            "(--run NAME; in Python api.load(folder, run=NAME))."
        )
    runs = with_unique_labels(runs)
    if against:
        reference = _named(runs, against)
        runs = [reference, *(run for run in runs if run is not reference)]
    runs = [_marked(run) for run in runs]
    matcher, is_against_one = Matcher(runs), bool(against) and len(runs) > 2
    names = [name for name in _names(runs) if _runs_of(name, matcher, is_against_one)]
    if not names:
        raise DataError(
            "The runs have no answered question in common: "
            + "; ".join(f"{run.label} answered {', '.join(run.rescored.samples)}" for run in runs)
            + ". Compare runs of the same tasks."
        )
    rows = [row for name in names for row in _compare_name(name, runs, matcher, is_against_one)]
    order = {metric: number for number, metric in enumerate(COMPARED_METRICS)}
    differences = sorted(_adjust_for_tasks(rows), key=lambda row: order[row.metric])
    return RunComparison(
        labels=tuple(run.label for run in runs),
        run_names=tuple(run.name for run in runs),
        differences=tuple(differences),
        changes=tuple(_changes(names, runs, matcher, is_against_one)),
        notes=tuple(comparison_notes.notes_of(runs, matcher)),
        is_against_one=is_against_one,
    )


def _named(runs: Sequence[Run], name: str) -> Run:
    """Return the run with this label, or else with this name; raise `DataError` unless there is one."""
    of_name = [run for run in runs if run.label == name] or [run for run in runs if run.name == name]
    if len(of_name) != 1:
        labels = [run.label for run in runs]
        raise DataError(
            f"--against {name}: {'several runs have this name' if of_name else 'no such run'}. "
            f"{did_you_mean(name, labels)}There are {', '.join(labels)}."
        )
    return of_name[0]


def _marked(run: Run) -> Run:
    """Mark the label of a run in which requests failed: they count as wrong, and the model may be better than it."""
    failed = sum(comparison_notes.failed_requests(run).values())
    return dataclasses.replace(run, label=f"{run.label} [{failed} FAILED REQUESTS]") if failed else run


def _names(runs: Sequence[Run]) -> list[str]:
    """Return the groups and tasks of all runs, in the order in which they are shown."""
    return catalog.in_order({name for run in runs for name in run.rescored.scores})


def _tasks(name: str) -> tuple[str, ...]:
    return catalog.tasks_named([name])


def _runs_of(name: str, matcher: Matcher, is_against_one: bool) -> tuple[int, ...]:
    """Return the positions of the runs that answered all of a task or group; empty if no pair of them is compared."""
    having = [set(matcher.runs_of_task.get(task, ())) for task in _tasks(name)]
    numbers = tuple(sorted(set.intersection(*having)))
    if len(numbers) < 2 or (is_against_one and 0 not in numbers):
        return ()
    return numbers if all(len(matcher.common(task, numbers)) for task in _tasks(name)) else ()


def _changes(names: Sequence[str], runs: Sequence[Run], matcher: Matcher, is_against_one: bool) -> list[Change]:
    labels = [run.label for run in runs]
    return [
        change
        for name in names
        if name not in catalog.GROUPS
        for change in changes_of(matcher.common(name, _runs_of(name, matcher, is_against_one)), labels)
        if not is_against_one or change.reference == labels[0]
    ]


# --- one task or group -----------------------------------------------------------------


def _compare_name(name: str, runs: Sequence[Run], matcher: Matcher, is_against_one: bool) -> list[PairDifference]:
    numbers = _runs_of(name, matcher, is_against_one)
    common = [matcher.common(task, numbers) for task in _tasks(name)]
    labels = [runs[number].label for number in numbers]
    is_redefined = any(runs[number].rescored.redefined.keys() & set(_tasks(name)) for number in numbers)
    return [
        row
        for metric, measured in _measured(name, common).items()
        for row in _pairs(name, metric, measured, labels, is_redefined, is_against_one)
    ]


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
    compared = pair_statistics.against_first(measure) if is_against_one else pair_statistics.of_all_pairs(measure)
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


def _adjust_for_tasks(rows: Sequence[PairDifference]) -> list[PairDifference]:
    """Adjust the p-values of the main metric of tasks for the number of tasks that are compared."""
    of_tasks = [row for row in rows if row.name not in catalog.GROUPS and row.metric in ("acc", "grit")]
    adjusted = holm_over_families([row.p_adjusted for row in of_tasks], [row.name for row in of_tasks])
    by_row = {id(row): float(p) for row, p in zip(of_tasks, adjusted, strict=True)}
    return [dataclasses.replace(row, p_all_tasks=by_row[id(row)]) if id(row) in by_row else row for row in rows]
