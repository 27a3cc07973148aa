"""Compare runs on the questions that they have in common: differences, tests, and the answers that changed.

The first run is the reference: differences are those of the other run minus the reference. Of three or more runs,
all pairs are compared, or each run with one that is named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microbench_tasks import catalog
from microbench_tasks.analysis import comparison_notes
from microbench_tasks.analysis.changes import Change, changes_of
from microbench_tasks.analysis.common_questions import Matcher
from microbench_tasks.analysis.loaded_runs import Run, with_unique_labels
from microbench_tasks.analysis.pair_differences import (
    COMPARED_METRICS,
    PairDifference,
    adjust_for_tasks,
    differences_of,
)
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.suggestions import did_you_mean


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
    runs_of_name = {name: found for name in _names(runs) if (found := _runs_of(name, matcher, is_against_one))}
    if not runs_of_name:
        raise DataError(
            "The runs have no answered question in common: "
            + "; ".join(f"{run.label} answered {', '.join(run.rescored.samples)}" for run in runs)
            + ". Compare runs of the same tasks."
        )
    rows = [
        row
        for name, numbers in runs_of_name.items()
        for row in _compare_name(name, numbers, runs, matcher, is_against_one)
    ]
    order = {metric: number for number, metric in enumerate(COMPARED_METRICS)}
    differences = sorted(adjust_for_tasks(rows), key=lambda row: order[row.metric])
    return RunComparison(
        labels=tuple(run.label for run in runs),
        run_names=tuple(run.name for run in runs),
        differences=tuple(differences),
        changes=tuple(_changes(runs_of_name, runs, matcher, is_against_one)),
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


def _compare_name(
    name: str, numbers: tuple[int, ...], runs: Sequence[Run], matcher: Matcher, is_against_one: bool
) -> list[PairDifference]:
    tasks = _tasks(name)
    return differences_of(
        name,
        [matcher.common(task, numbers) for task in tasks],
        [runs[number].label for number in numbers],
        is_redefined=any(runs[number].rescored.redefined.keys() & set(tasks) for number in numbers),
        is_against_one=is_against_one,
    )


def _changes(
    runs_of_name: Mapping[str, tuple[int, ...]], runs: Sequence[Run], matcher: Matcher, is_against_one: bool
) -> list[Change]:
    labels = [run.label for run in runs]
    return [
        change
        for name, numbers in runs_of_name.items()
        if name not in catalog.GROUPS
        for change in changes_of(matcher.common(name, numbers), labels)
        if not is_against_one or change.reference == labels[0]
    ]
