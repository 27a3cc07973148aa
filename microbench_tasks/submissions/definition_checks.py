"""Check that a run asked the tasks as this package defines them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.submissions import run_arguments
from microbench_tasks.tasks import definition_records
from microbench_tasks.tasks.metric_table import ENTRIES


def find_definition_violations(run: LoggedRun) -> list[str]:
    """List tasks whose definition or documents are not recorded, or whose definition is not this package's own."""
    if run.results is None:
        return []
    definitions = {task: run.definition(task) for task in run.samples}
    missing = {
        "the definition of the task that ran (metadata.definition)": [
            task for task, definition in definitions.items() if definition is None
        ],
        "the digest of what was asked about (metadata.asked)": [
            task for task in run.samples if not _is_digest(run.metadata(task).asked)
        ],
    }
    violations = [
        f"{record}: not recorded for {', '.join(tasks)}. Run again with this version of the package."
        for record, tasks in missing.items()
        if tasks
    ]
    for task, definition in definitions.items():
        if definition is not None:
            violations += _redefinition_violations(run, task, definition)
            violations += _generation_violations(run, task, definition)
    return violations


def _is_digest(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("sha256"), str)
        and isinstance(value.get("num_documents"), int)
    )


def _redefinition_violations(run: LoggedRun, task: str, definition: Mapping[str, Any]) -> list[str]:
    """List the fields of a task's recorded definition that are not the package's own."""
    differs = dict(definition["differs"])
    if run.metadata(task).microbench_version == version("microbench-lmms"):
        differs = _differs_now(task, definition) | differs
    return [
        f"{task}: {definition_records.describe(field, values)} Run the benchmark's own definition: leave out "
        "--include_path, or what changes the task."
        for field, values in differs.items()
    ]


def _differs_now(task: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Compare a record with this package's definition, without fields that depend on the machine."""
    model, is_chat = definition.get("model"), definition_records.is_chat_record(definition)
    own = definition_records.expected_fields(
        task, model if isinstance(model, str) else None, is_chat=is_chat, with_data=False
    )
    recorded = {
        field: value for field, value in definition["fields"].items() if field not in definition_records.OF_MACHINE
    }
    return definition_records.differences(_with_new_metrics(recorded, own), own)


def _with_new_metrics(recorded: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add to a recorded list of metrics those that there were not yet when the run was made.

    Submissions compute all figures anew.
    """
    metrics = recorded.get("metric_list")
    older = [entry for entry in own["metric_list"] if not ENTRIES[entry["metric"]].metric.is_new]
    return {**recorded, "metric_list": own["metric_list"]} if metrics == older else recorded


def _generation_violations(run: LoggedRun, task: str, definition: Mapping[str, Any]) -> list[str]:
    """List the generation keys that were changed after the task was defined and that no submission may set."""
    config = run.record.configs.get(task)
    ran = None if config is None else config.generation_kwargs
    defined = definition["fields"].get("generation_kwargs")
    if ran is None or not isinstance(defined, Mapping):
        return [
            f"{task}: its generation settings (generation_kwargs) were not recorded. Run again with this version of "
            "the package."
        ]
    changed = {key: value for key, value in ran.items() if key not in defined or value != defined[key]}
    changed |= {key: "removed" for key in defined if key not in ran}
    return run_arguments.find_generation_violations(f"{task}, generation_kwargs", changed)
