"""Scores a run again from the samples that the harness logged: no model, and mostly no data either.

What a run with ``--log_samples`` logs is enough by itself. A run with ``--predict_only`` logs no
items; its questions are then taken from the data source, and must be those of the log.
"""

from __future__ import annotations

import collections
import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog, definitions
from microbench_tasks.answers import LETTERS, lettered
from microbench_tasks.detection import DetectionFormat, PixelLimits
from microbench_tasks.results import microbench_cognition_process_results, microbench_process_results, score_boxes
from microbench_tasks.schema import DataError

if TYPE_CHECKING:
    import datasets

_SAMPLES_NAME = re.compile(r"(?P<run>.+)_samples_(?P<task>microbench_\w+)\.jsonl")
_OWN_SOURCE = "Set MICROBENCH_DATASET (or MICROBENCH_COGNITION) to the run's own data source."
# Scores closer than this are the same: the log holds them in full.
_SCORE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class LoggedRun:
    """The files of one run: its name, the samples file of each task, and the results file if there is one."""

    name: str
    samples: Mapping[str, Path]
    results: Path | None


@dataclass
class Rescored:
    """A run scored again.

    Attributes:
        scores: of each task and group, metric to value.
        num_samples: of each task.
        letters: of each task with options, how often each letter is right (``gold``), read by the
            paper's rule (``acc``) and by the strict one (``acc_strict``); None where none is read.
        changed: of each task, the numbers of documents whose logged score differs.
    """

    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    num_samples: dict[str, int] = field(default_factory=dict)
    letters: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    changed: dict[str, list[int]] = field(default_factory=dict)


def find_run(paths: Sequence[Path], run: str | None = None) -> LoggedRun:
    """The one run that the samples files among ``paths``, or in the folders among them, belong to.

    Args:
        paths: samples files (``<run>_samples_<task>.jsonl``) and folders that hold some.
        run: which one, where there are several.

    Raises:
        DataError: there is no run, or more than one.
    """
    runs: dict[tuple[Path, str], dict[str, Path]] = collections.defaultdict(dict)
    for file in _samples_files(paths):
        match = _SAMPLES_NAME.fullmatch(file.name)
        if match and match["task"] in catalog.TASKS and run in (None, match["run"]):
            runs[file.parent, match["run"]][match["task"]] = file
    listed = ", ".join(map(str, paths))
    if not runs:
        wanted = "" if run is None else f" of a run {run}"
        raise DataError(f"{listed}: no samples file{wanted} of a Micro-Bench task (…_samples_microbench_….jsonl). Run the harness with --log_samples and --output_path.")
    if len(runs) > 1:
        names = ", ".join(str(folder / name) for folder, name in sorted(runs))
        raise DataError(f"{listed}: samples of several runs: {names}. Name the folder or the files of one, or choose with --run.")
    [((folder, name), samples)] = runs.items()
    results = folder / f"{name}_results.json"
    return LoggedRun(name, {task: samples[task] for task in catalog.TASKS if task in samples}, results if results.is_file() else None)


def _samples_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*_samples_*.jsonl"))
        elif path.is_file():
            yield path
        else:
            raise DataError(f"{path}: no such file or folder.")


def rescore(run: LoggedRun) -> Rescored:
    """Score every sample of a run again and aggregate as the harness does.

    A group is scored if all of its tasks are there.

    Raises:
        DataError: a samples file is damaged or does not fit the data source; names file and line.
    """
    rescored = Rescored()
    aggregated: dict[str, dict[str, Any]] = {}
    for name, file in run.samples.items():
        task = catalog.TASKS[name]
        samples = list(_samples(file))
        score = functools.partial(_scored, task, file=file, run=run)
        items = [score(line, sample) for line, sample in samples]
        aggregated[name] = {metric: aggregate([item[metric] for item in items]) for metric, aggregate in definitions.aggregations(name).items()}
        rescored.num_samples[name] = len(items)
        rescored.changed[name] = [sample["doc_id"] for (_, sample), item in zip(samples, items) if _differs(sample, item)]
        if task.subject != "boxes":
            rescored.letters[name] = _letters(items)
    rescored.scores = aggregated | {group: _group_scores(group, aggregated) for group in catalog.GROUPS if set(catalog.tasks_named([group])) <= aggregated.keys()}
    return rescored


def _group_scores(group: str, of_tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    tasks = [of_tasks[name] for name in catalog.tasks_named([group])]
    scores = {}
    for metric, aggregate in definitions.aggregations(group).items():
        figures = [figures[base] for figures in tasks if (base := getattr(aggregate, "derived_from", metric)) in figures]
        if figures:
            scores[metric] = aggregate(figures, [], False)
    return scores


def _letters(items: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    read = {
        "gold": [item["acc"]["gold"] for item in items],
        "acc": [item["acc"]["predicted"] for item in items],
        "acc_strict": [item["acc_strict"]["predicted"] for item in items],
    }
    return {name: {str(letter): count for letter, count in sorted(collections.Counter(letters).items(), key=str)} for name, letters in read.items()}


def _differs(sample: dict[str, Any], item: dict[str, Any]) -> bool:
    return "score" in sample and abs(sample["score"] - item["score"]) > _SCORE_TOLERANCE


# --- one sample ----------------------------------------------------------------------


def _samples(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """``(line number, sample)`` of each line; every document once."""
    seen: dict[int, int] = {}
    if not file.stat().st_size:
        raise DataError(f"{file}: holds no sample.")
    # Not splitlines, which also breaks at characters that a response may hold.
    for number, text in enumerate(file.read_text(encoding="utf-8").rstrip("\n").split("\n"), start=1):
        try:
            sample = json.loads(text)
            doc_id = sample["doc_id"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file}, line {number}: expected a sample of the harness as JSON, got {type(error).__name__}: {error}. If the run was killed while it wrote, run it again.") from error
        if doc_id in seen:
            raise DataError(f"{file}, line {number}: document {doc_id} is there already, on line {seen[doc_id]}.")
        seen[doc_id] = number
        yield number, sample


def _scored(task: catalog.Task, line: int, sample: dict[str, Any], *, file: Path, run: LoggedRun) -> dict[str, Any]:
    try:
        return _items(task, sample, run)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, DataError):
            raise DataError(f"{file}, line {line}: {error}") from error
        raise DataError(f"{file}, line {line}: not a sample of {task.name} as this version logs it ({type(error).__name__}: {error}).") from error


def _items(task: catalog.Task, sample: dict[str, Any], run: LoggedRun) -> dict[str, Any]:
    # The harness takes white space off a response before it is scored.
    response = (sample["filtered_resps"] or "").strip()
    if task.subject == "boxes":
        item = sample.get("grit")
        if item is not None:
            return score_boxes(item, response, item["convention"], item["model_input_size"])
        doc, detection_format = _document(task, sample, run), _logged_format(run, task.name)
        return score_boxes(doc, response, detection_format.convention, detection_format.model_input_size((doc["width"], doc["height"])))
    item = sample.get("acc")
    doc = _document(task, sample, run) if item is None else item | {"answer_idx": LETTERS.index(item["gold"])}
    process = microbench_cognition_process_results if task.subject == "cognition" else microbench_process_results
    return process(doc, [response])


def _document(task: catalog.Task, sample: dict[str, Any], run: LoggedRun) -> dict[str, Any]:
    """The sample's document in the data source, which must be the one that was asked about."""
    documents, label = _documents(task, run.results)
    if not 0 <= sample["doc_id"] < len(documents):
        raise DataError(f"{label} has {len(documents)} documents for {task.name}, but the log has number {sample['doc_id']}. {_OWN_SOURCE}")
    doc = documents[sample["doc_id"]]
    expected = [doc["expression"]] if task.subject == "boxes" else [doc["question"], *lettered(doc["options"])]
    missing = [text for text in expected if text not in sample["input"]]
    if missing:
        raise DataError(f"document {sample['doc_id']} of {label} is not what the log's prompt asked: {missing[0]!r} is not in it. {_OWN_SOURCE}")
    return doc


@functools.cache
def _documents(task: catalog.Task, results: Path | None) -> tuple[datasets.Dataset, str]:
    """The task's documents, without images, and the name of their source; that of the run, as far as it is on record."""
    from microbench_tasks import source
    from microbench_tasks.documents import TaskDocuments

    found = source.of_task(task)
    recorded = found.identity if results is None else _metadata(results)[task.name]["dataset"]
    differing = [name for name in recorded if name != "path" and recorded[name] != found.identity.get(name)]
    if differing:
        described = ", ".join(f"{name} {recorded[name]}" for name in differing)
        raise DataError(f"the log holds responses alone, so the questions are needed, and {found.label} is not the run's data source ({described}). {_OWN_SOURCE}")
    return TaskDocuments(task)(source.load(found), found.label).remove_columns("image"), found.label


@functools.cache
def _metadata(results: Path) -> dict[str, Any]:
    return {task: config.get("metadata") or {} for task, config in json.loads(results.read_text(encoding="utf-8"))["configs"].items()}


def _logged_format(run: LoggedRun, task: str) -> DetectionFormat:
    """How the model was asked for boxes, as the results file records it."""
    if run.results is None:
        raise DataError(f"the run's results file ({run.name}_results.json beside the samples) is missing; it records how boxes are to be read.")
    record = _metadata(run.results)[task]["boxes"]
    limits = None if record["limits"] is None else PixelLimits(*record["limits"])
    return DetectionFormat(record["convention"], record["prompt"], record["source"], limits)


# --- what is shown -------------------------------------------------------------------

_COLUMNS = {
    "acc": ("acc", "acc_ci_low", "acc_ci_high"),
    "by image": (None, "acc_image_ci_low", "acc_image_ci_high"),
    "acc_strict": ("acc_strict", None, None),
    "unparsed": ("unparsed", None, None),
    "acc_macro": ("acc_macro", "acc_macro_ci_low", "acc_macro_ci_high"),
    "acc_all": ("acc_all", "acc_all_ci_low", "acc_all_ci_high"),
    "grit": ("grit", "grit_ci_low", "grit_ci_high"),
    "boxes_unparsed": ("boxes_unparsed", None, None),
}


def as_table(rescored: Rescored) -> str:
    """The main scores as a Markdown table, with 95 % intervals in brackets; groups first."""
    names = [name for name in (*reversed(catalog.GROUPS), *catalog.TASKS) if name in rescored.scores]
    shown = {column: parts for column, parts in _COLUMNS.items() if any(part in rescored.scores[name] for name in names for part in parts if part)}
    header = ["name", "n", *shown]
    rows = [[name, str(_size(name, rescored)), *(_cell(rescored.scores[name], parts) for parts in shown.values())] for name in names]
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(text.ljust(width) for text, width in zip(line, widths)) + " |" for line in lines)


def _size(name: str, rescored: Rescored) -> int:
    return sum(rescored.num_samples[task] for task in catalog.tasks_named([name]))


def _cell(scores: Mapping[str, Any], parts: tuple[str | None, str | None, str | None]) -> str:
    value, low, high = (scores.get(part) for part in parts)
    shown = [] if value is None else [f"{value:.4f}"]
    if low is not None:
        shown.append(f"[{low:.4f}, {high:.4f}]")
    return " ".join(shown)
