"""Find the files of a run, and read its record and its samples."""

from __future__ import annotations

import collections
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from microbench_tasks import catalog
from microbench_tasks.runs.records import RunRecord, SampleRecord, TaskMetadata, sample_model
from microbench_tasks.tasks import definition_records, task_fields
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.validation import field_problems

# Of the samples of one task; a compressed file may contain a thousand times its size.
_MAX_BYTES = untrusted.MAX_FILE_BYTES
_SAMPLES_NAME = re.compile(r"(?P<run>.+)_samples_(?P<task>\w+)\.jsonl")


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
        return f"{self.name}_results.json" if self.results is None else self.results.name

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


def find_run(paths: Sequence[Path], run: str | None = None) -> LoggedRun:
    """Find the one run whose samples files are among ``paths``, or in the folders among them, and read its record.

    Args:
        paths: samples files (``<run>_samples_<task>.jsonl``), and folders that contain some.
        run: name of the run to choose if there are several.

    Raises:
        DataError: there is no run, or more than one, or its results file is malformed.
    """
    samples_of_runs: dict[tuple[Path, str], dict[str, Path]] = collections.defaultdict(dict)
    other_tasks = []
    for file in _samples_files(paths):
        match = _SAMPLES_NAME.fullmatch(file.name)
        if match and not catalog.is_task(match["task"]):
            other_tasks.append(match["task"])
        elif match and run in (None, match["run"]):
            samples_of_runs[file.parent, match["run"]][match["task"]] = file
    places = ", ".join(map(str, paths))
    if not samples_of_runs:
        wanted = "" if run is None else f" of a run {run}"
        raise DataError(
            f"{places}: no samples file{wanted} of a Micro-Bench task (…_samples_microbench_….jsonl). "
            "Run the harness with --log_samples and --output_path."
        )
    if len(samples_of_runs) > 1:
        names = ", ".join(str(folder / name) for folder, name in sorted(samples_of_runs))
        raise DataError(
            f"{places}: samples of several runs: {names}. Name the folder or the files of one, or choose one by name "
            "(--run NAME; in Python run=NAME)."
        )
    [((folder, name), samples)] = samples_of_runs.items()
    results = folder / f"{name}_results.json"
    has_results = os.path.lexists(results)
    return LoggedRun(
        name,
        {task: samples[task] for task in catalog.in_order(samples)},
        results if has_results else None,
        RunRecord.from_results(results) if has_results else RunRecord(),
        tuple(other_tasks),
    )


def run_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of the runs whose samples files are among ``paths``, or in the folders among them, sorted."""
    matches = (_SAMPLES_NAME.fullmatch(file.name) for file in _samples_files(paths))
    return sorted({match["run"] for match in matches if match and catalog.is_task(match["task"])})


def _samples_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*_samples_*.jsonl"))
        elif path.is_file():
            yield path
        else:
            raise DataError(f"{path}: no such file or folder.")


def read_samples(file: Path, task: str) -> list[SampleRecord]:
    """Read the samples of a task, one for each line of a samples file, which may be compressed (``.gz``).

    Raises:
        DataError: the file is missing or empty, a line is not a sample of the task, or a document occurs twice. The
            message names the file, the line and the field.
    """
    model, lines = sample_model(task), _lines(file)
    if lines == [b""]:
        raise DataError(f"{file}: contains no samples.")
    line_of_document: dict[int, int] = {}
    samples: list[SampleRecord] = []
    for line, text in enumerate(lines, start=1):
        try:
            sample = _parse_sample(model, text)
        except DataError as error:
            raise DataError(
                f"{file}, line {line}: not a sample of {task} as this version logs it ({error})."
            ) from error
        if sample.doc_id in line_of_document:
            first = line_of_document[sample.doc_id]
            raise DataError(f"{file}, line {line}: document {sample.doc_id} is there already, on line {first}.")
        line_of_document[sample.doc_id] = line
        samples.append(sample)
    return samples


def _parse_sample(model: type[SampleRecord], text: bytes) -> SampleRecord:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        # Python also accepts unpaired surrogates, which it writes, and its errors are clearer.
        return _parse_unusual_sample(model, text)


def _parse_unusual_sample(model: type[SampleRecord], text: bytes) -> SampleRecord:
    try:
        return model.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise DataError("no whole JSON; if the run was killed while it wrote, run it again") from error
    except ValidationError as error:
        raise DataError(field_problems(error)[0]) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{type(error).__name__}: {error}") from error


def read_json_lines(file: Path) -> list[dict[str, Any]]:
    """Return the lines of a samples file with all of their fields; `read_samples` has checked it before."""
    return [json.loads(text) for text in _lines(file)]


def _lines(file: Path) -> list[bytes]:
    # Not splitlines, which also breaks at characters that a response may contain.
    return _samples_content(file).rstrip(b"\n").split(b"\n")


def _samples_content(file: Path) -> bytes:
    """Read a samples file, decompressed if its name ends with ``.gz``; raise `DataError` if that is not possible."""
    content = untrusted.read_regular_file(file)
    if file.suffix != ".gz":
        return content
    try:
        return untrusted.decompress_gzip(content, _MAX_BYTES)
    except ValueError as error:
        raise DataError(f"{file}: cannot be decompressed ({error}). Copy it again.") from error
