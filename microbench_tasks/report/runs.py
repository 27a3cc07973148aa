"""Read what a report is about: runs of the harness, submissions, and sweeps along alpha."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.analysis import loaded_runs
from microbench_tasks.analysis.loaded_runs import REDEFINED, Run, printable_label
from microbench_tasks.runs import found_runs, mismatches, new_datasets, rescoring, result_keys
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.rescoring import ScoredSample
from microbench_tasks.runs.run_records import RunRecord
from microbench_tasks.submissions import data_kinds
from microbench_tasks.tasks.items import num_answers
from microbench_tasks.util import untrusted
from microbench_tasks.util.argument_text import parse_arguments
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.progress import Progress

# Identifies the folder of a sweep.
_SWEEP_FILE = "sweep.json"


@dataclass(frozen=True)
class Sweep:
    """Hold runs along the line between two checkpoints, as ``microbench sweep`` wrote them.

    Attributes:
        label: name of its folder.
        alphas: weights of the fine-tuned checkpoint, ascending.
        figures: for each alpha, the accuracies of each group (or task, if there is no group).
        logs: for each alpha, its run; None if it logged no samples.
        merged: what was merged, in words.
        source: the recorded identity of the data; None if none was recorded.
        chance: of groups and tasks; empty if no samples were logged.
    """

    label: str
    alphas: tuple[float, ...]
    figures: tuple[Mapping[str, Mapping[str, float]], ...]
    logs: tuple[LoggedRun | None, ...]
    merged: str = "merged checkpoints"
    source: Mapping[str, Any] | None = None
    chance: Mapping[str, float] = field(default_factory=dict)


def read(paths: Sequence[Path], progress: Progress, names: Sequence[str] = ()) -> tuple[list[Run], list[Sweep]]:
    """Read and score every run, and read every sweep.

    Args:
        paths: folders of runs, submissions and sweeps; or the results file (``…_results.json``) of a run, if its
            folder contains several.
        progress: wraps the runs in a progress bar.
        names: of the runs to read from folders that contain several.

    Raises:
        DataError: a path is none of these, or its samples cannot be scored.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise DataError(f"{', '.join(missing)}: no such file or folder.")
    sweeps = [_sweep(path) for path in paths if _is_sweep(path)]
    runs = loaded_runs.load_runs([path for path in paths if not _is_sweep(path)], names, progress)
    for run in runs:
        run.rescored.new_datasets = new_datasets.dataset_intervals(run.rescored)
    # The label marks redefined tasks in every table and plot: their scores are not comparable.
    return loaded_runs.with_unique_labels(runs), sweeps


# --- sweeps --------------------------------------------------------------------------


def _is_sweep(path: Path) -> bool:
    return (path / _SWEEP_FILE).is_file()


def _sweep(folder: Path) -> Sweep:
    file = folder / _SWEEP_FILE
    try:
        rows = sorted(json.loads(untrusted.read_regular_file(file)), key=lambda row: row["alpha"])
        names = rows[0]["groups"] or list(rows[0]["figures"])
        figures = tuple({name: _accuracies(row["figures"][name]) for name in names} for row in rows)
        logs = tuple(_log_of(folder / row["results"]) for row in rows)
        if any(map(_is_older, [folder / row["results"] for row in rows])):
            raise DataError(
                f"{file}: the sweep is of an earlier version, whose intervals were all bootstrap intervals. "
                "Run microbench sweep again."
            )
        mark = REDEFINED if any(log.redefined_fields() for log in logs if log is not None) else ""
        first = folder / rows[0]["results"]
        record = RunRecord.from_results(first) if first.exists() else RunRecord()
        sources = [record.metadata(task).dataset for task in data_kinds.main_tasks(record.configs)[:1]]
        return Sweep(
            printable_label(folder.resolve().name) + mark,
            tuple(float(row["alpha"]) for row in rows),
            figures,
            logs,
            _merged(record),
            sources[0] if sources else None,
            rescoring.rescore(logs[0]).chance if logs[0] is not None else {},
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{file}: expected what microbench sweep writes, got {type(error).__name__}: {error}. Run the sweep again."
        ) from error


def _merged(record: RunRecord) -> str:
    """Say in words what was merged, by the arguments of a run; paths without their folders."""
    arguments = dict(parse_arguments(record.config.model_args))
    base = str(arguments.pop("merge_with", "a base that was not recorded"))
    model = arguments.get("model") or arguments.get("pretrained") or record.config.model or "a model"
    way = str(arguments.get("merge", "linear"))
    names = [Path(name).name if name.startswith(("/", ".", "~")) else name for name in (str(model), base)]
    return printable_label(f"{names[0]} merged with {names[1]} ({way})")


def _accuracies(figures: Mapping[str, Any]) -> dict[str, float]:
    return {metric: float(value) for metric, value in figures.items() if metric.startswith("acc")}


def _is_older(results: Path) -> bool:
    """Tell whether a results file records the intervals of an earlier version; they reach beyond 100 %."""
    record = RunRecord.from_results(results) if results.exists() else RunRecord()
    return any(mismatches.is_older_interval_record(record.metadata(task).interval or {}) for task in record.configs)


def _log_of(results: Path) -> LoggedRun | None:
    name = results.name.removesuffix(result_keys.RESULTS_SUFFIX)
    logged = any(results.parent.glob(f"{name}_samples_*.jsonl"))
    return found_runs.find_run([results.parent], name) if logged else None


def tasks_of(run: Run, *subjects: str) -> list[str]:
    """Return the run's tasks of some subjects that have any answer, in the benchmark's order, without variants."""
    scored = run.rescored.samples.keys() - set(run.rescored.unanswered)
    asked = [task for task in catalog.in_order(scored) if task not in catalog.VARIANTS]
    return [task for task in asked if catalog.task_of(task).subject in subjects]


def main_item(sample: ScoredSample) -> dict[str, Any]:
    """Return the item with the question of a sample: ``acc``, or ``grit`` if it asks for boxes."""
    return sample.items["acc"] if "acc" in sample.items else sample.items["grit"]


def image_of(sample: ScoredSample) -> str:
    """Return the image of a sample, ``dataset/image_id``."""
    return main_item(sample)["image"]


def answers_per_question(run: Run, names: Sequence[str] | None = None) -> str:
    """Return how many answers the run has to each question; different numbers are separated by slashes.

    Args:
        run: one run of the report.
        names: of tasks and groups; by default all tasks of the run.
    """
    tasks = run.rescored.samples if names is None else catalog.tasks_named(names)
    samples = [run.rescored.samples[task] for task in tasks if run.rescored.samples.get(task)]
    return " / ".join(map(str, sorted({num_answers(of_task[0].items) for of_task in samples}))) or "1"
