"""Describe what a reader of a comparison should know: what is left out or failed, and what each run notes."""

from __future__ import annotations

from collections.abc import Sequence

from microbench_tasks.analysis.common_questions import Matcher, has_unknown_data
from microbench_tasks.analysis.loaded_runs import Run


def notes_of(runs: Sequence[Run], matcher: Matcher) -> list[str]:
    """Return the notes of a comparison, the most important first."""
    return [
        *_failed(runs),
        *_not_compared(runs, matcher),
        *_left_out(runs, matcher),
        *_versions(runs, matcher),
        *_unknown_data(runs, matcher),
        *(f"{run.label}: {note}" for run in runs for note in run.rescored.notes),
    ]


def _failed(runs: Sequence[Run]) -> list[str]:
    return [
        f"{run.label}: requests that got no response count as wrong: "
        + ", ".join(f"{count} of {task}" for task, count in counts.items())
        for run in runs
        if (counts := failed_requests(run))
    ]


def failed_requests(run: Run) -> dict[str, int]:
    """Return the number of requests that got no response, of each task that has any."""
    counts = {task: int(run.rescored.scores[task].get("failed", 0)) for task in run.rescored.samples}
    return {task: count for task, count in counts.items() if count}


def _not_compared(runs: Sequence[Run], matcher: Matcher) -> list[str]:
    """Name the tasks that a single run answered, or of which the runs have no question in common."""
    of_one: dict[str, list[str]] = {}
    without_common = []
    for task, numbers in matcher.runs_of_task.items():
        if len(numbers) == 1:
            of_one.setdefault(runs[numbers[0]].label, []).append(task)
        elif numbers and not len(matcher.common(task, numbers)):
            without_common.append(task)
    notes = [f"not compared, since only {label} answered them: {', '.join(tasks)}" for label, tasks in of_one.items()]
    if without_common:
        notes.append(f"the runs have no question in common (--limit and --offset) of {', '.join(without_common)}")
    return notes


def _left_out(runs: Sequence[Run], matcher: Matcher) -> list[str]:
    """Count, for each run, the questions of compared tasks that another run was not asked."""
    left_out: dict[int, dict[str, int]] = {}
    for task, numbers in matcher.runs_of_task.items():
        if len(numbers) > 1 and len(matcher.common(task, numbers)):
            for number, count in matcher.left_out(task).items():
                left_out.setdefault(number, {})[task] = count
    return [
        f"{runs[number].label}: {sum(counts.values()):,} questions are left out, since another run was not asked them: "
        + ", ".join(f"{task} {count:,}" for task, count in counts.items() if count)
        for number, counts in sorted(left_out.items())
        if any(counts.values())
    ]


def _versions(runs: Sequence[Run], matcher: Matcher) -> list[str]:
    """Say if runs were asked by other versions of the tasks: answers are read alike, but prompts may differ."""
    versions = {
        run.label: sorted({run.versions[task] for task in matcher.runs_of_task if task in run.versions}) for run in runs
    }
    if len({version for of_run in versions.values() for version in of_run}) < 2:
        return []
    named = ", ".join(f"{label} by {' and '.join(map(str, of_run))}" for label, of_run in versions.items() if of_run)
    return [f"the runs were asked by different versions of the tasks ({named}): their prompts may differ"]


def _unknown_data(runs: Sequence[Run], matcher: Matcher) -> list[str]:
    notes = []
    for number, run in enumerate(runs):
        tasks = [
            task
            for task, numbers in matcher.runs_of_task.items()
            if len(numbers) > 1 and number in numbers and has_unknown_data(run, task)
        ]
        if tasks:
            notes.append(
                f"{run.label}: its data were not recorded for {', '.join(tasks)}; only images, options and right "
                "answers were compared"
            )
    return notes
