"""Find runs by their samples files, and choose among them by name."""

from __future__ import annotations

import collections
import functools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from microbench_tasks import catalog
from microbench_tasks.runs import model_labels
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.result_keys import RESULTS_SUFFIX
from microbench_tasks.runs.run_records import RunRecord
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
_MOST_NAMED = 3
_SAMPLES_NAME = re.compile(r"(?P<run>.+)_samples_(?P<task>\w+)\.jsonl")


def find_run(paths: Sequence[Path], run: str | None = None) -> LoggedRun:
    """Find the one run whose samples files are among ``paths``, or in the folders among them, and read its record.

    Args:
        paths: as in `find_runs`.
        run: as in `FoundRuns.choose`.

    Raises:
        DataError: as in `find_runs` and in `FoundRuns.choose`.
    """
    return find_runs(paths).choose(run)


def find_runs(paths: Sequence[Path]) -> FoundRuns:
    """Find all runs whose samples files are among ``paths``, or in the folders among them.

    Args:
        paths: samples files (``<run>_samples_<task>.jsonl``), folders that contain some, and results files, which
            stand for the samples files beside them.

    Raises:
        DataError: there is no run.
    """
    runs: dict[tuple[Path, str], _FoundRun] = {}
    other_tasks = []
    for file in _samples_files(paths):
        match = _SAMPLES_NAME.fullmatch(file.name)
        if match and not catalog.is_task(match["task"]):
            other_tasks.append(match["task"])
        elif match:
            # A folder may be among the paths twice: relative and absolute.
            key = (file.parent.absolute(), match["run"])
            run = runs.setdefault(key, _FoundRun(file.parent, match["run"]))
            run.samples[match["task"]] = file
    where = ", ".join(map(str, paths))
    if not runs:
        raise DataError(
            f"{where}: no samples file of a Micro-Bench task (…_samples_microbench_….jsonl). "
            "Run the harness with --log_samples and --output_path."
        )
    return FoundRuns(where, tuple(runs[key] for key in sorted(runs)), tuple(other_tasks))


def unknown_name(where: str, typed: str, known: Iterable[str]) -> DataError:
    """Return the error for a name that fits no run.

    Args:
        where: the paths at which it was sought.
        typed: the name.
        known: names of the runs there.
    """
    names = sorted(set(known))
    return DataError(
        f"{where}: no run {printable_line(typed)}. {did_you_mean(typed, [*names, LATEST])}"
        f"There are runs {', '.join(names)}."
    )


@dataclass(frozen=True)
class FoundRuns:
    """The runs at some paths, one at least, with what is typed to choose each.

    Attributes:
        where: the paths, for messages.
        runs: sorted by folder and name.
        other_tasks: names of logged tasks that are not this package's.
    """

    where: str
    runs: tuple[_FoundRun, ...]
    other_tasks: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Names by which the runs are chosen: of their models in a list, else what `typed_names` gives."""
        names = zip(self.runs, typed_names([run.path for run in self.runs]), strict=True)
        return [printable_line(run.record.name_in_list or typed) for run, typed in names]

    def fits(self, typed: str) -> bool:
        """Tell whether a name that was typed fits at least one of the runs."""
        return typed == LATEST or any(run.is_named(typed) for run in self.runs)

    def choose(self, typed: str | None = None) -> LoggedRun:
        """Choose one run, and read its record.

        Args:
            typed: the run's name, ``folder/name`` (with as many folders as tell it apart), the name of its model in a
                list, or `LATEST`; None if there is only one run.

        Raises:
            DataError: the name fits no run, or more than one; or the run's results file is malformed.
        """
        fitting = [run for run in self.runs if typed in (None, LATEST) or run.is_named(typed)]
        if not fitting:
            raise unknown_name(self.where, str(typed), self.names)
        if typed == LATEST:
            fitting = [max(fitting, key=_FoundRun.order)]
        if typed and len(fitting) > 1:
            # A path as it was typed may be the end of another run's path, too.
            fitting = [run for run in fitting if run.path == Path(typed).absolute()] or fitting
        if len(fitting) > 1:
            raise DataError(f"{self.where}: samples of several runs. {_HOW_TO_CHOOSE}\n{_listing(fitting)}")
        return fitting[0].logged(self.other_tasks)

    def last_of_list(self) -> dict[str, LoggedRun]:
        """Return the last run of each model that ``microbench run`` has evaluated.

        Returns:
            By the name of the model in its list, in the order in which they ran; under an empty name the last run
            without one, if there are any.
        """
        ordered = sorted(self.runs, key=_FoundRun.order)
        by_name = {run.record.name_in_list or "": run for run in ordered}
        return {name: run.logged(self.other_tasks) for name, run in by_name.items()}


@dataclass(frozen=True)
class _FoundRun:
    """A run whose record is not checked yet: its folder, the prefix of its files, and the samples file of each task."""

    folder: Path
    name: str
    samples: dict[str, Path] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Absolute path of its files, without what follows the run's name."""
        return self.folder.absolute() / self.name

    @property
    def results(self) -> Path | None:
        results = self.folder / f"{self.name}{RESULTS_SUFFIX}"
        return results if os.path.lexists(results) else None

    def is_named(self, typed: str) -> bool:
        """Tell whether ``typed`` is the run's name, ``folder/name``, or the model's name in a list of models."""
        parts = Path(typed).parts
        return (bool(parts) and self.path.parts[-len(parts) :] == parts) or typed == self.record.name_in_list

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


def typed_names(runs: Sequence[Path]) -> list[str]:
    """Return what to type to choose each of the runs: its name, behind those of folders if others have the same.

    Args:
        runs: absolute paths of folder and name, all different.

    >>> typed_names([Path("/a/m/first"), Path("/b/m/first"), Path("/b/m/second")])
    ['a/m/first', 'b/m/first', 'second']
    """
    lengths = range(1, max(len(run.parts) for run in runs) + 1)
    counts = collections.Counter(run.parts[-n:] for run in runs for n in lengths if n <= len(run.parts))
    ends = [next(run.parts[-n:] for n in lengths if counts[run.parts[-n:]] == 1) for run in runs]
    return [Path(*end).as_posix() for end in ends]


def _listing(runs: Sequence[_FoundRun]) -> str:
    """Describe each run in a line: what to type, model, tasks, main score and time; the latest run first."""
    ordered = sorted(runs, key=_FoundRun.order, reverse=True)
    models = model_labels.apart(
        [model_labels.short_label(run.record, run.folder.name) for run in ordered],
        [model_labels.shown_arguments(run.record.config.model_args) for run in ordered],
    )
    lines = []
    for run, typed, model in zip(ordered, typed_names([run.path for run in ordered]), models, strict=True):
        when = f"{datetime.strptime(run.time(), '%Y%m%d_%H%M%S'):%Y-%m-%d %H:%M:%S}"
        described = [printable_line(model), _asked(run.samples), *_first_score(run.record), when]
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
