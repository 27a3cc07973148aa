"""Load runs and submissions, and score them again."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbench_tasks.runs import found_runs, model_labels, rescoring
from microbench_tasks.runs.found_runs import FoundRuns
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.submissions import manifest_file, reading
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.progress import Progress, no_progress
from microbench_tasks.util.text_safety import printable_line

# Marks the label of a run with redefined tasks.
REDEFINED = " [REDEFINED TASKS]"


@dataclass(frozen=True)
class Run:
    """Hold one run, scored again.

    Attributes:
        label: name of its model in a few words, unique among the runs that are looked at together.
        name: of the run.
        rescored: its scores and samples.
        sources: for each task, the recorded identity of its data source; None if none was recorded.
        asked: for each task, the recorded digest of its documents, images included, if there is one.
        versions: for each task, the recorded version of prompts and scores, if there is one.
        model: type of the model with all of its arguments.
        arguments: of the model by name, without secrets and local folders.
    """

    label: str
    name: str
    rescored: Rescored
    sources: Mapping[str, Mapping[str, Any] | None]
    asked: Mapping[str, str] = dataclasses.field(default_factory=dict)
    versions: Mapping[str, float] = dataclasses.field(default_factory=dict)
    model: str = ""
    arguments: Mapping[str, str] = dataclasses.field(default_factory=dict)


def load_run(path: Path, name: str | None = None) -> Run:
    """Read a run or a submission, and score it again.

    Args:
        path: folder of a run, its results file (``…_results.json``), or folder of a submission.
        name: of the run, if the folder contains several; or ``latest``.

    Raises:
        DataError: there is no run, or more than one; or its samples are damaged.
    """
    names = () if name is None else (name,)
    [place] = _find([path], names, takes_lists=False)
    return _scored(place)


def load_runs(paths: Sequence[Path], names: Sequence[str] = (), progress: Progress = no_progress) -> list[Run]:
    """Read runs and submissions, and score them again; labels stay as each run has them.

    Args:
        paths: as in `load_run`.
        names: as in `load_distinct_runs`.
        progress: wraps the runs in a progress bar while they are scored.

    Raises:
        DataError: as in `load_run`; or a name fits no run.
    """
    return [_scored(place) for place in progress(_find(paths, names), "Scoring runs")]


def load_distinct_runs(paths: Sequence[Path], names: Sequence[str] = (), progress: Progress = no_progress) -> list[Run]:
    """Read runs and submissions as `load_runs` does, each only once.

    Args:
        paths: as in `load_run`.
        names: of the runs to read from folders that contain several, in this order.
        progress: as in `load_runs`.

    Raises:
        DataError: as in `load_runs`; or a run is named twice.
    """
    places = _find(paths, names)
    _check_different(places)
    return [_scored(place) for place in progress(places, "Scoring runs")]


def with_unique_labels(runs: Sequence[Run]) -> list[Run]:
    """Return the runs with labels that are unique, printable, and marked where tasks were redefined."""
    told_apart = model_labels.apart([run.label for run in runs], [run.arguments for run in runs])
    labels = unique_labels(
        printable_label(label) + (REDEFINED if run.rescored.redefined else "")
        for label, run in zip(told_apart, runs, strict=True)
    )
    return [dataclasses.replace(run, label=label) for label, run in zip(labels, runs, strict=True)]


def unique_labels(labels: Iterable[str]) -> list[str]:
    """Return the labels; repeated ones get a number.

    >>> unique_labels(["clip", "clip", "plip"])
    ['clip', 'clip (2)', 'plip']
    """
    counts: collections.Counter[str] = collections.Counter()
    unique: list[str] = []
    for label in labels:
        counts[label] += 1
        candidate = label if counts[label] == 1 else f"{label} ({counts[label]})"
        while candidate in unique:
            counts[label] += 1
            candidate = f"{label} ({counts[label]})"
        unique.append(candidate)
    return unique


def printable_label(text: str) -> str:
    """Replace characters that cannot be printed or encoded, such as unpaired surrogates."""
    return printable_line(text.encode("utf-8", "replace").decode("utf-8"))


# --- finding -------------------------------------------------------------------------


def is_submission(path: Path) -> bool:
    """Tell whether a path is the folder of a submission."""
    return (path / manifest_file.MANIFEST).is_file()


def _find(paths: Sequence[Path], names: Sequence[str], *, takes_lists: bool = True) -> list[LoggedRun | Path]:
    """Return the runs at all paths, as `_choose` does; a submission is its folder."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise DataError(f"{', '.join(missing)}: no such file or folder.")
    found = [path if is_submission(path) else found_runs.find_runs([path]) for path in paths]
    _check_names(found, names)
    places: list[LoggedRun | Path] = []
    for at_path in found:
        places += [at_path] if isinstance(at_path, Path) else _choose(at_path, names, takes_lists=takes_lists)
    return places


def _check_names(found: Sequence[FoundRuns | Path], names: Sequence[str]) -> None:
    """Raise `DataError` if a name fits no run at any path."""

    def is_known(name: str) -> bool:
        return any(
            name in (found_runs.LATEST, place.resolve().name) if isinstance(place, Path) else place.fits(name)
            for place in found
        )

    unknown = [name for name in names if found and not is_known(name)]
    if unknown:
        where = ", ".join(str(place) if isinstance(place, Path) else place.where for place in found)
        known = [[place.resolve().name] if isinstance(place, Path) else place.names for place in found]
        raise found_runs.unknown_name(where, unknown[0], map(printable_label, itertools.chain(*known)))


def _choose(found: FoundRuns, names: Sequence[str], *, takes_lists: bool) -> list[LoggedRun]:
    """Choose among the runs at one path.

    Of several runs, these are the ones that ``names`` fit; of a list's model, the last one. If no name fits, they are
    the last runs of all models of a list, if ``microbench run`` wrote all runs there and ``takes_lists`` is True.
    """
    if len(found.runs) > 1:
        of_list = found.last_of_list()
        # Which of the others is meant, nobody can tell.
        has_others = of_list.pop("", None) is not None
        if fitting := [name for name in names if found.fits(name)]:
            return [of_list.get(name) or found.choose(name) for name in fitting]
        if of_list and takes_lists and not has_others:
            return [*of_list.values()]
    return [found.choose()]


def _check_different(places: Sequence[LoggedRun | Path]) -> None:
    """Raise `DataError` if a run occurs twice."""
    keys = [str(place.resolve()) if isinstance(place, Path) else _key(place) for place in places]
    twice = next((place for place, key in zip(places, keys, strict=True) if keys.count(key) > 1), None)
    if twice is not None:
        raise DataError(f"{twice if isinstance(twice, Path) else twice.name}: named twice. Name each run once.")


def _key(run: LoggedRun) -> str:
    return "\n".join(str(file.resolve()) for file in run.samples.values())


def _scored(place: LoggedRun | Path) -> Run:
    if isinstance(place, Path):
        return _submitted(place)
    metadata = {task: place.metadata(task) for task in place.samples}
    return Run(
        model_labels.short_label(place.record, place.name),
        place.name,
        rescoring.rescore(place),
        {task: of_task.dataset for task, of_task in metadata.items()},
        {task: digest for task, of_task in metadata.items() if (digest := _digest(of_task.asked))},
        {task: of_task.version for task, of_task in metadata.items() if of_task.version is not None},
        printable_label(model_labels.full_label(place.record, place.name)),
        model_labels.shown_arguments(place.record.config.model_args),
    )


def _digest(asked: Mapping[str, Any] | None) -> str:
    digest = (asked or {}).get("sha256")
    return digest if isinstance(digest, str) else ""


def _submitted(path: Path) -> Run:
    submitted = reading.load(path)
    manifest, tasks = submitted.manifest, submitted.rescored.samples
    sources = manifest.data.sources.identities()
    arguments = model_labels.shown_arguments(manifest.model.model_args)
    return Run(
        manifest.model.name,
        path.resolve().name,
        submitted.rescored,
        {task: sources.get(task) for task in tasks},
        {task: record.sha256 for task, record in manifest.data.asked.items()},
        dict.fromkeys(tasks, manifest.versions.task),
        printable_label(model_labels.with_arguments(manifest.model.harness_model, arguments)),
        arguments,
    )
