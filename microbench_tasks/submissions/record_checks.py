"""Check the versions, settings and data sources that a run recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.data.source_identity import without_path
from microbench_tasks.metrics.bootstrap import METHODS
from microbench_tasks.runs import mismatches
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.run_records import TaskMetadata
from microbench_tasks.tasks import box_format_records
from microbench_tasks.tasks.interval_settings import INTERVAL_SETTING, interval_settings
from microbench_tasks.util.argument_text import parse_arguments


def find_record_violations(run: LoggedRun) -> list[str]:
    """List records of versions, intervals, data and boxes that are missing, mixed, or not this package's."""
    if run.results is None:
        return [
            f"the results file {run.results_name} is missing beside the samples: version, data source and settings of "
            "the run are unknown."
        ]
    tasks = list(run.samples)
    boxes = [task for task in tasks if catalog.task_of(task).subject == "boxes"]
    records: dict[str, tuple[list[str], Callable[[TaskMetadata], Any]]] = {
        "task version (metadata.version)": (tasks, lambda metadata: metadata.version),
        "version of this package (metadata.microbench_version)": (tasks, lambda metadata: metadata.microbench_version),
        "interval settings (metadata.interval)": (tasks, lambda metadata: metadata.interval),
        **{_source_record(same[0]): (same, _identity) for same in catalog.by_source(tasks)},
        "prompt for boxes (metadata.boxes)": (boxes, lambda metadata: metadata.boxes),
    }
    violations = [
        f"{record}: {problem}"
        for record, (with_record, read) in records.items()
        for problem in _uniformity_violations(_group_by_value(run, with_record, read))
    ]
    violations += _document_count_violations(run) + _box_violations(run)
    return violations + _version_violations(run, tasks) + _interval_violations(run, tasks)


def _source_record(task: str) -> str:
    source = catalog.task_of(task).source
    of_part = "" if source == catalog.MICROGRAPHS else f" of {source}"
    return f"data source{of_part} (metadata.dataset)"


def _identity(metadata: TaskMetadata) -> dict[str, Any] | None:
    return without_path(metadata.dataset or {}) or None


def _group_by_value(
    run: LoggedRun, tasks: Iterable[str], read: Callable[[TaskMetadata], Any]
) -> list[tuple[Any, list[str]]]:
    """Return each value that ``read`` gives, with the tasks that have it."""
    values: list[tuple[Any, list[str]]] = []
    for task in tasks:
        value = read(run.metadata(task))
        same = next((named for known, named in values if known == value), None)
        values.append((value, [task])) if same is None else same.append(task)
    return values


def _uniformity_violations(values: Sequence[tuple[Any, Sequence[str]]]) -> list[str]:
    """Report tasks without a value, and more than one value; ``values`` pairs each value with its tasks."""
    problems = [f"not recorded for {', '.join(tasks)}." for value, tasks in values if value is None]
    known = [(value, tasks) for value, tasks in values if value is not None]
    if len(known) > 1:
        problems.append(
            "mixed: "
            + "; ".join(
                f"{value} for {tasks[0]}" + (f" and {len(tasks) - 1} more" if len(tasks) > 1 else "")
                for value, tasks in known
            )
            + ". Run all tasks in one go."
        )
    return problems


def _version_violations(run: LoggedRun, tasks: Iterable[str]) -> list[str]:
    others = sorted(
        {str(version) for task in tasks if (version := run.metadata(task).version) not in (None, catalog.TASK_VERSION)}
    )
    if not others:
        return []
    return [
        f"task version {', '.join(others)}: this package asks and scores as version {catalog.TASK_VERSION}. Use the "
        "version of the package that made the run, or run again."
    ]


def _interval_violations(run: LoggedRun, tasks: Iterable[str]) -> list[str]:
    computed = interval_settings()
    others = [settings for task in tasks if (settings := run.metadata(task).interval) not in (None, computed)]
    if not others or others[0] is None:
        return []
    recorded = others[0]
    if mismatches.is_older_interval_record(recorded):
        return [
            f"interval settings (metadata.interval): {recorded} is the record of an earlier version, whose intervals "
            "were all bootstrap intervals. Run again with this version of the package."
        ]
    for method in METHODS:
        if recorded == computed | {"paper": computed["paper"] | {"method": method}}:
            return [
                f"acc_ci_* are {method} bootstrap intervals in the run and "
                f"{computed['paper']['method']} ones here. Set {INTERVAL_SETTING}={method}."
            ]
    return [f"interval settings (metadata.interval): expected {computed}, got {recorded}. Run again with this version."]


def _document_count_violations(run: LoggedRun) -> list[str]:
    """List the tasks whose recorded digest covers another number of documents than the run has."""
    reasons = []
    for task in run.samples:
        recorded = (run.metadata(task).asked or {}).get("num_documents")
        counts = run.record.num_documents.get(task)
        if recorded is not None and counts is not None and counts.original != recorded:
            reasons.append(
                f"{task}: metadata.asked says {recorded} documents, but n-samples says {counts.original}. "
                "Submit the unchanged files of the run."
            )
    return reasons


def _box_violations(run: LoggedRun) -> list[str]:
    """List where the recorded prompt for boxes does not follow from the run's model and settings."""
    model, arguments = run.record.config.model, parse_arguments(run.record.config.model_args)
    architecture = (run.record.loaded_model or {}).get("architecture")
    model_type = architecture.get("model_type") if isinstance(architecture, Mapping) else None
    records = [run.metadata(task).boxes for task in run.samples if catalog.task_of(task).subject == "boxes"]
    problems = (
        problem
        for record in records
        if record
        for problem in box_format_records.record_problems(record, model, arguments, model_type)
    )
    return [f"prompt for boxes (metadata.boxes): {problem}." for problem in dict.fromkeys(problems)]
