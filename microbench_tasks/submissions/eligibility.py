"""Decide whether a run can be submitted: complete, in the paper's way, on one data source, with one version.

The checks are in `record_checks`, `definition_checks`, `option_checks`, `sample_checks` and `score_checks`. Each
returns the violations in words for the user; an empty list means that there are none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microbench_tasks import catalog
from microbench_tasks.runs import logged_samples, rescoring
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.runs.sample_records import SampleRecord
from microbench_tasks.submissions.data_kinds import classify_run
from microbench_tasks.submissions.definition_checks import find_definition_violations
from microbench_tasks.submissions.option_checks import find_option_violations
from microbench_tasks.submissions.record_checks import find_record_violations
from microbench_tasks.submissions.sample_checks import find_response_violations, find_sample_violations
from microbench_tasks.submissions.score_checks import find_count_violations, find_score_violations
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.progress import Progress, no_progress


@dataclass(frozen=True)
class EligibilityReport:
    """Whether a run can be submitted.

    Attributes:
        run: the run without the tasks that no submission contains.
        samples: for each task, its samples in the order of the documents.
        rescored: scores of the samples; None if they cannot be scored.
        violations: all reasons why the run cannot be submitted.
        notes: what is left out, and what is missing for a group.
    """

    run: LoggedRun
    samples: Mapping[str, Sequence[SampleRecord]]
    rescored: Rescored | None
    violations: tuple[str, ...]
    notes: tuple[str, ...]


def check_eligibility(
    run: LoggedRun, progress: Progress = no_progress, *, with_own_data: bool = True
) -> EligibilityReport:
    """Check a run in every respect, and report all violations at once.

    Args:
        run: the run.
        progress: reports the progress of long loops.
        with_own_data: whether the submission contains the tasks of own datasets.
    """
    notes = _note_other_tasks(run, with_own_data)
    run = run if with_own_data else _without_own_data(run)
    submitted = {task: file for task, file in run.samples.items() if catalog.is_submittable(task)}
    run = dataclasses.replace(run, samples=submitted)
    if not run.samples:
        violation = (
            f"the run asked variants of the benchmark's tasks{'' if with_own_data else ' or own data'} only. Ask a "
            "task or a group of the benchmark itself, such as microbench_vqa."
        )
        return EligibilityReport(run, {}, None, (violation,), tuple(notes))
    violations = find_record_violations(run) + find_definition_violations(run) + find_option_violations(run)
    logged: dict[str, list[SampleRecord]] = {}
    for task in progress(run.samples, "reading samples"):
        try:
            logged[task] = logged_samples.read_samples(run.samples[task], task)
        except DataError as error:
            violations.append(str(error))
    samples = {task: sorted(records, key=lambda sample: sample.doc_id) for task, records in logged.items()}
    for task, records in samples.items():
        violations += find_sample_violations(run, task, records) + find_response_violations(run, task, records)
    rescored, scoring_problems = _rescore(run, logged, progress)
    violations += scoring_problems
    if rescored is not None:
        violations += find_score_violations(run, samples, rescored)
        violations += find_count_violations(classify_run(run), rescored)
        notes += _note_incomplete_group(run)
    return EligibilityReport(run, samples, rescored, tuple(dict.fromkeys(violations)), tuple(notes))


def _without_own_data(run: LoggedRun) -> LoggedRun:
    """Return a run as if its own datasets had not been asked about."""
    samples = {task: file for task, file in run.samples.items() if not catalog.is_own(task)}
    configs = {task: config for task, config in run.record.configs.items() if not catalog.is_own(task)}
    return dataclasses.replace(run, samples=samples, record=run.record.model_copy(update={"configs": configs}))


def _note_other_tasks(run: LoggedRun, with_own_data: bool) -> list[str]:
    """Return notes on the tasks of a run that its submission does not contain."""
    notes = []
    if not with_own_data and (own := [task for task in run.samples if catalog.is_own(task)]):
        notes.append(f"left out, as they are about own data (--without-own-data): {', '.join(own)}")
    if variants := [task for task in run.samples if task in catalog.VARIANTS]:
        notes.append(f"left out, as they are variants of the benchmark's own tasks: {', '.join(variants)}")
    if run.other_tasks:
        others = ", ".join(sorted(set(run.other_tasks)))
        notes.append(f"left out, as these are not Micro-Bench's own tasks: {others}")
    return notes


def _rescore(
    run: LoggedRun, samples: Mapping[str, Sequence[SampleRecord]], progress: Progress
) -> tuple[Rescored | None, list[str]]:
    """Score a run again; if that fails, return the reason for each task instead."""
    is_complete = samples.keys() == run.samples.keys()
    if not is_complete or any(sample.item is None for records in samples.values() for sample in records):
        # Other checks report this.
        return None, []
    try:
        return rescoring.rescore(run, progress, samples), []
    except DataError:
        problems = []
        for task, file in run.samples.items():
            try:
                rescoring.rescore(dataclasses.replace(run, samples={task: file}), samples=samples)
            except DataError as error:
                problems.append(str(error))
        return None, problems


def _note_incomplete_group(run: LoggedRun) -> list[str]:
    """Name the group that is closest to complete, if none is complete."""
    missing_of_groups = {}
    for group in catalog.GROUPS:
        tasks = catalog.tasks_named([group])
        missing = [task for task in tasks if task not in run.samples]
        if not missing:
            return []
        if len(missing) < len(tasks):
            missing_of_groups[group] = missing
    if not missing_of_groups:
        return []
    group, missing = min(missing_of_groups.items(), key=lambda pair: len(pair[1]))
    return [
        f"no whole group was asked, so the submission has the scores of single tasks only; {group} lacks "
        f"{', '.join(missing)}"
    ]
