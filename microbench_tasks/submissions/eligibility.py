"""Decide whether a run can be submitted: complete, in the paper's way, on one data source, with one version.

The checks are in `record_checks`, `definition_checks`, `option_checks`, `sample_checks` and `score_checks`. Each
returns the violations in words for the user; an empty list means that there are none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microbench_tasks import catalog
from microbench_tasks.runs import logs, rescoring
from microbench_tasks.runs.logs import LoggedRun
from microbench_tasks.runs.records import SampleRecord
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.submissions.data_kinds import classify_run
from microbench_tasks.submissions.definition_checks import find_definition_violations
from microbench_tasks.submissions.option_checks import find_option_violations
from microbench_tasks.submissions.progress import Progress, no_progress
from microbench_tasks.submissions.record_checks import find_record_violations
from microbench_tasks.submissions.sample_checks import find_response_violations, find_sample_violations
from microbench_tasks.submissions.score_checks import find_count_violations, find_score_violations
from microbench_tasks.util.errors import DataError


@dataclass(frozen=True)
class EligibilityReport:
    """A run looked at as a submission.

    Attributes:
        run: without the tasks that no submission has.
        samples: of each task, in the documents' order.
        rescored: None where the samples cannot be scored.
        violations: why it cannot be a submission; all of them.
        notes: what is left out, or missing for a group.
    """

    run: LoggedRun
    samples: Mapping[str, Sequence[SampleRecord]]
    rescored: Rescored | None
    violations: tuple[str, ...]
    notes: tuple[str, ...]


def check_eligibility(run: LoggedRun, progress: Progress = no_progress) -> EligibilityReport:
    """Check a run in every respect."""
    variants = [task for task in run.samples if task in catalog.VARIANTS]
    notes = [f"left out, as they are variants of the benchmark's own tasks: {', '.join(variants)}"] if variants else []
    notes += (
        [f"left out, as these are not Micro-Bench's own tasks: {', '.join(sorted(set(run.other_tasks)))}"]
        if run.other_tasks
        else []
    )
    run = dataclasses.replace(run, samples={task: file for task, file in run.samples.items() if task in catalog.TASKS})
    if not run.samples:
        return EligibilityReport(
            run,
            {},
            None,
            (
                "the run asked variants of the benchmark's tasks only. Ask a task or a group of the benchmark itself, such as microbench_vqa.",
            ),
            tuple(notes),
        )
    reasons = find_record_violations(run) + find_definition_violations(run) + find_option_violations(run)
    logged: dict[str, list[SampleRecord]] = {}
    for task in progress(run.samples, "reading samples"):
        try:
            logged[task] = logs.read_samples(run.samples[task], task)
        except DataError as error:
            reasons.append(str(error))
    samples = {task: sorted(found, key=lambda sample: sample.doc_id) for task, found in logged.items()}
    reasons += [
        reason
        for task, found in samples.items()
        for reason in find_sample_violations(run, task, found) + find_response_violations(run, task, found)
    ]
    rescored, problems = _rescore(run, logged, progress)
    reasons += problems
    if rescored is not None:
        reasons += find_score_violations(run, samples, rescored) + find_count_violations(classify_run(run), rescored)
        notes += _missing_for_a_group(run)
    return EligibilityReport(run, samples, rescored, tuple(dict.fromkeys(reasons)), tuple(notes))


def _rescore(
    run: LoggedRun, samples: Mapping[str, Sequence[SampleRecord]], progress: Progress
) -> tuple[Rescored | None, list[str]]:
    """The run scored again; or each task's own reason why that cannot be."""
    if samples.keys() != run.samples.keys() or any(
        sample.item is None for found in samples.values() for sample in found
    ):
        return None, []
    try:
        return rescoring.rescore(run, lambda tasks: progress(tasks, "scoring samples"), samples), []
    except DataError:
        problems = []
        for task, file in run.samples.items():
            try:
                rescoring.rescore(dataclasses.replace(run, samples={task: file}), samples=samples)
            except DataError as error:
                problems.append(str(error))
        return None, problems


def _missing_for_a_group(run: LoggedRun) -> list[str]:
    groups = {
        group: [task for task in catalog.tasks_named([group]) if task not in run.samples] for group in catalog.GROUPS
    }
    if not all(groups.values()):
        return []
    begun = {group: missing for group, missing in groups.items() if len(missing) < len(catalog.tasks_named([group]))}
    group, missing = min(begun.items(), key=lambda pair: len(pair[1]))
    return (
        [
            f"no whole group was asked, so the submission has the scores of single tasks only; {group} lacks {', '.join(missing)}"
        ]
        if begun
        else []
    )
