"""Describe what a reader of rescored figures should know: differences from the run, limits, and redefined tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from microbench_tasks.catalog import TASK_VERSION
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.logged_samples import read_json_lines
from microbench_tasks.runs.mismatches import TOLERANCE, differing_figures, is_older_interval_record
from microbench_tasks.runs.sample_records import SampleRecord
from microbench_tasks.runs.scoring import Items
from microbench_tasks.tasks.answer_warnings import removed_text
from microbench_tasks.tasks.interval_settings import INTERVAL_SETTING, interval_settings
from microbench_tasks.tasks.reading_changes import changes


def definition_notes(run: LoggedRun) -> list[str]:
    """Describe tasks that were left out, redefined, or whose definition is not on record."""
    left_out = run.record.left_out
    notes = [f"left out, as the model cannot answer them: {', '.join(left_out)}"] if left_out is not None else []
    notes += [
        f"{task} is NOT the benchmark's own task: its definition differs in {', '.join(fields)}"
        for task, fields in run.redefined_fields().items()
    ]
    if run.results is None or run.is_submission:
        return notes
    unknown = [task for task in run.samples if run.definition(task) is None]
    if unknown:
        notes.append(
            "whether the tasks were the benchmark's own was not recorded (metadata.definition) "
            f"for {', '.join(unknown)}"
        )
    return notes


def sample_notes(run: LoggedRun, task: str, samples: Sequence[SampleRecord], items: Sequence[Items]) -> list[str]:
    """Describe what differs between the logged samples of a task and their ``items`` now, and how many were asked."""
    notes = []
    version = run.metadata(task).version
    is_older = version not in (None, TASK_VERSION)
    if is_older:
        # Other metrics than the score, which records of samples do not have.
        logged = read_json_lines(run.samples[task])
        moved = ", ".join(f"{metric} {count}" for metric, count in changes(logged, items).items())
        notes.append(
            f"{task}: scored by version {version} in the run, by version {TASK_VERSION} now; "
            f"samples whose score changed: {moved or 'none'}"
        )
    removed = removed_text([item["failed"] for item in items])
    if removed:
        notes.append(f"{task}: removed before the answer was read: {removed}")
    changed = [
        sample.doc_id
        for sample, item in zip(samples, items, strict=True)
        if sample.score is not None and abs(sample.score - item["score"]) > TOLERANCE
    ]
    if changed and not is_older:
        notes.append(f"{task}: the logged score of {len(changed)} sample(s) differs, such as document {changed[0]}")
    counts = run.record.num_documents.get(task)
    if counts is not None and counts.original != len(items):
        notes.append(f"{task}: {len(items)} of its {counts.original} documents were asked (--limit or --offset)")
    return notes


def repeat_notes(num_answers: Mapping[str, int]) -> list[str]:
    """Describe repeated questions; ``num_answers`` is how many answers each task has to a question."""
    tasks_of_numbers: dict[int, list[str]] = {}
    for task, number in num_answers.items():
        tasks_of_numbers.setdefault(number, []).append(task)
    return [
        f"{', '.join(tasks)}: {number} answers to each question (--repeats). Scores are means over all of them; "
        "letters, options and probabilities are those of the first"
        for number, tasks in tasks_of_numbers.items()
        if number > 1
    ]


def figure_notes(run: LoggedRun, scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Describe how the figures of the record differ: by another kind of interval, by an edit, or by another version."""
    computed = interval_settings()
    recorded = next((interval for task in run.samples if (interval := run.metadata(task).interval)), computed)
    is_older = is_older_interval_record(recorded)
    # An older version had one setting for all intervals.
    paper, quoted = (recorded, None) if is_older else (recorded.get("paper"), recorded.get("quoted"))
    notes = []
    if paper != computed["paper"]:
        notes.append(
            f"acc_ci is computed as {computed['paper']}, that of the run as {paper}: "
            f"set {INTERVAL_SETTING} to compute it alike"
        )
    if is_older:
        notes.append(
            "the run is of an earlier version, whose intervals were all bootstrap intervals: "
            f"every interval but acc_ci is computed anew ({computed['quoted']})"
        )
    elif quoted != computed["quoted"]:
        notes.append(f"intervals other than acc_ci are computed as {computed['quoted']}, those of the run as {quoted}")
    comparable = {
        name: {
            metric: value
            for metric, value in figures.items()
            if "_ci_" not in metric
            or (paper == computed["paper"] if metric.startswith("acc_ci_") else quoted == computed["quoted"])
        }
        for name, figures in scores.items()
    }
    differing = differing_figures(run, comparable)
    if differing:
        notes.append(f"{len(differing)} figure(s) differ from the results file, such as {differing[0]}")
    return notes
