"""Find the files of a run, and read its record."""

from __future__ import annotations

import collections
import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.runs import model_labels
from microbench_tasks.runs.run_records import RunRecord, TaskMetadata
from microbench_tasks.tasks import definition_records, task_fields
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.suggestions import did_you_mean
from microbench_tasks.util.text_safety import printable_line

# Chooses the last of several runs.
LATEST = "latest"
_HOW_TO_CHOOSE = (
    f"Choose one with --run NAME, or the last with --run {LATEST} (in Python run=NAME); or name the folder or the "
    "files of one. Their names:"
)
_DATE = re.compile(r"\d{8}_\d{6}")
# Of the results file of a run.
RESULTS_SUFFIX = "_results.json"
_MOST_NAMED = 3
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
        return f"{self.name}{RESULTS_SUFFIX}" if self.results is None else self.results.name

    def is_named(self, typed: str) -> bool:
        """Tell whether `find_run` finds it by this name: its own, behind its folders', or its model's in a list."""
        folders = {file.parent for file in self.samples.values()}
        return typed == self.record.name_in_list or any(_ends_with(folder / self.name, typed) for folder in folders)

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
        paths: samples files (``<run>_samples_<task>.jsonl``), folders that contain some, and results files, which
            stand for the samples files beside them.
        run: which run to choose if there are several: its name, behind folders (``folder/name``) if others have the
            same, the name of its model in a list, or `LATEST`.

    Raises:
        DataError: there is no run, or more than one, or its results file is malformed.
    """
    places, other_tasks = _places_of(paths)
    there = ", ".join(map(str, paths))
    chosen = [place for place in places if run in (None, LATEST) or place.is_named(run)]
    if not chosen and places:
        names = sorted(set(_shown_names(places)))
        raise DataError(
            f"{there}: no run {printable_line(str(run))}. {did_you_mean(str(run), [*names, LATEST])}"
            f"There are runs {', '.join(names)}."
        )
    if not chosen:
        raise DataError(
            f"{there}: no samples file of a Micro-Bench task (…_samples_microbench_….jsonl). "
            "Run the harness with --log_samples and --output_path."
        )
    if run == LATEST:
        chosen = [max(chosen, key=_Place.order)]
    if len(chosen) > 1:
        raise DataError(f"{there}: samples of several runs. {_HOW_TO_CHOOSE}\n{_listing(chosen)}")
    return chosen[0].logged(other_tasks)


def run_names(paths: Sequence[Path]) -> list[str]:
    """Return what to type to choose each run whose samples files are among ``paths``, or in the folders among them.

    These are names, behind as many folders as tell runs of one name apart (``folder/name``).
    """
    return sorted(_typed_names(_places_of(paths)[0]))


def runs_of_list(path: Path) -> dict[str, LoggedRun]:
    """Return the last run of each model that ``microbench run`` has evaluated into a folder.

    Returns:
        By the name of the model in its list, in the order in which they ran; under an empty name the last run without
        one, if there are any.
    """
    places, other_tasks = _places_of([path])
    by_name = {place.record.name_in_list or "": place for place in sorted(places, key=_Place.order)}
    return {name: place.logged(other_tasks) for name, place in by_name.items()}


@dataclass(frozen=True)
class _Place:
    """One run as it lies on disk: its folder, the prefix of its files, and the samples file of each task."""

    folder: Path
    name: str
    samples: dict[str, Path] = field(default_factory=dict)

    @property
    def results(self) -> Path | None:
        results = self.folder / f"{self.name}{RESULTS_SUFFIX}"
        return results if os.path.lexists(results) else None

    def is_named(self, typed: str) -> bool:
        return _ends_with(self.folder / self.name, typed) or typed == self.record.name_in_list

    def logged(self, other_tasks: Sequence[str]) -> LoggedRun:
        """Return the run with its record; raise `DataError` if that is malformed."""
        return LoggedRun(
            self.name,
            {task: self.samples[task] for task in catalog.in_order(self.samples)},
            self.results,
            RunRecord() if self.results is None else RunRecord.from_results(self.results),
            tuple(other_tasks),
        )

    def order(self) -> tuple[str, float]:
        """Return the time of the run, then that of its files, as runs of one second differ in these alone."""
        return self.time(), max(file.stat().st_mtime for file in self.samples.values())

    def time(self) -> str:
        """Return when the run began, as its record or its name says, else when its samples were written."""
        if recorded := _DATE.search(self.record.date or "") or _DATE.search(self.name):
            return recorded[0]
        written = max(file.stat().st_mtime for file in self.samples.values())
        return datetime.fromtimestamp(written).strftime("%Y%m%d_%H%M%S")

    @functools.cached_property
    def record(self) -> RunRecord:
        """Return the run's record; an empty one if it cannot be read, which is reported if the run is chosen."""
        try:
            return RunRecord() if self.results is None else RunRecord.from_results(self.results)
        except DataError:
            return RunRecord()


def _places_of(paths: Sequence[Path]) -> tuple[list[_Place], list[str]]:
    """Return the runs among ``paths``, sorted, and the names of logged tasks that are not this package's."""
    places: dict[tuple[Path, str], _Place] = {}
    other_tasks = []
    for file in _samples_files(paths):
        match = _SAMPLES_NAME.fullmatch(file.name)
        if match and not catalog.is_task(match["task"]):
            other_tasks.append(match["task"])
        elif match:
            place = places.setdefault((file.parent, match["run"]), _Place(file.parent, match["run"]))
            place.samples[match["task"]] = file
    return [places[key] for key in sorted(places)], other_tasks


def _typed_names(places: Sequence[_Place]) -> list[str]:
    """Return what to type to choose each of the runs: its name, behind those of folders if others have the same."""
    wholes = [(*place.folder.parts, place.name) for place in places]
    lengths = range(1, max(map(len, wholes), default=0) + 1)
    counts = collections.Counter(whole[-length:] for whole in wholes for length in lengths if length <= len(whole))
    return ["/".join(next((whole[-n:] for n in lengths if counts[whole[-n:]] == 1), whole)) for whole in wholes]


def _ends_with(path: Path, typed: str) -> bool:
    """Tell whether the last parts of a path are those that were typed."""
    parts = Path(typed).parts
    return bool(parts) and path.parts[-len(parts) :] == parts


def _shown_names(places: Sequence[_Place]) -> list[str]:
    """Return the names by which runs are chosen: those of their models in a list, else their own."""
    names = zip(places, _typed_names(places), strict=True)
    return [printable_line(place.record.name_in_list or typed) for place, typed in names]


def _listing(places: Sequence[_Place]) -> str:
    """Describe each run in a line: what to type, model, tasks, main score and time; the latest run first."""
    ordered = sorted(places, key=_Place.order, reverse=True)
    models = model_labels.apart(
        [model_labels.short_label(place.record, place.folder.name) for place in ordered],
        [model_labels.shown_arguments(place.record.config.model_args) for place in ordered],
    )
    lines = []
    for place, typed, model in zip(ordered, _typed_names(ordered), models, strict=True):
        when = f"{datetime.strptime(place.time(), '%Y%m%d_%H%M%S'):%Y-%m-%d %H:%M:%S}"
        described = [printable_line(model), _asked(place.samples), *_first_score(place.record), when]
        lines.append(f"  - {typed}: {', '.join(described)}")
    return "\n".join(lines)


def _first_score(record: RunRecord) -> Iterator[str]:
    """Yield the first main score that the results file has, in words."""
    for name in catalog.main_names(record.results):
        for metric in ("acc", "grit"):
            value = record.results[name].get(f"{metric},none")
            if isinstance(value, float):
                shown = f"{100 * value:.1f} %" if metric == "acc" else f"{value:.3f}"
                yield f"{catalog.short_name(name)} {metric} {shown}"
                return


def _asked(tasks: Iterable[str]) -> str:
    """Name the tasks of a run in a few words: groups that were asked whole, and the first of the others."""
    left, named = set(tasks), []
    for group in reversed(catalog.GROUPS):
        members = set(catalog.tasks_named([group]))
        if members <= left:
            named.append(group)
            left -= members
    named += catalog.in_order(left)
    return " ".join(named[:_MOST_NAMED]) + (f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else "")


def _samples_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            # Hidden files are none of ours: macOS leaves a ``._name`` for each file that it copies.
            yield from sorted(file for file in path.rglob("*_samples_*.jsonl") if not file.name.startswith("."))
        elif path.is_file() and path.name.endswith(RESULTS_SUFFIX):
            beginning = f"{path.name.removesuffix(RESULTS_SUFFIX)}_samples_"
            yield from sorted(file for file in path.parent.glob("*.jsonl") if file.name.startswith(beginning))
        elif path.is_file():
            yield path
        else:
            raise DataError(f"{path}: no such file or folder.")
