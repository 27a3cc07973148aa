"""A run as the harness logged it: its samples files, and its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbench_tasks.runs.result_keys import RESULTS_SUFFIX
from microbench_tasks.runs.run_records import RunRecord, TaskMetadata
from microbench_tasks.tasks import definition_records, task_fields


@dataclass(frozen=True)
class LoggedRun:
    """One run of the harness, as it lies on disk, or the run that a submission was made of.

    Attributes:
        name: the prefix of the names of its files.
        samples: the samples file of each task, in the catalogue's order.
        results: the results file (of a submission: ``submission.json``); None if it is missing.
        record: what ``results`` says; empty if it is missing.
        other_tasks: names of logged tasks that are not this package's.
        is_submission: whether it was read from a submission, whose tasks were checked before it was written.
    """

    name: str
    samples: Mapping[str, Path]
    results: Path | None
    record: RunRecord = RunRecord()
    other_tasks: tuple[str, ...] = ()
    is_submission: bool = False

    @property
    def results_name(self) -> str:
        """Name of the results file, also if it is missing."""
        return f"{self.name}{RESULTS_SUFFIX}" if self.results is None else self.results.name

    def metadata(self, task: str) -> TaskMetadata:
        """Return what is recorded of a task's origin; all fields are None if nothing is."""
        return self.record.metadata(task)

    def definition(self, task: str) -> Mapping[str, Any] | None:
        """Return the recorded definition of a task as it ran (`tasks.definition_records`); None without a record."""
        return _definition(self.record, task)

    def redefined_fields(self) -> dict[str, list[str]]:
        """Return the tasks whose definition was not this package's own, each with the fields that differed."""
        return redefined_fields(self.record, self.samples)


def redefined_fields(record: RunRecord, tasks: Iterable[str]) -> dict[str, list[str]]:
    """Return those of the tasks whose definition was not this package's own, each with the fields that differed."""
    definitions = {task: _definition(record, task) for task in tasks}
    return {
        task: [task_fields.plain_name(field) for field in definition["differs"]]
        for task, definition in definitions.items()
        if definition is not None and definition["differs"]
    }


def _definition(record: RunRecord, task: str) -> Mapping[str, Any] | None:
    return definition_records.recorded_definition({"definition": record.metadata(task).definition})
