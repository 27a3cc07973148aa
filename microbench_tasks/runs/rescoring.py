"""Scores a run again from the samples that the harness logged: no model, and mostly no data either.

What a run with ``--log_samples`` logs is enough by itself. A run with ``--predict_only`` logs no
items; its questions are then taken from the data source, and must be those of the log.
"""

from __future__ import annotations

import collections
import functools
import json
import math
import operator
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.catalog import TASK_VERSION
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.data import source, source_identity, task_sources
from microbench_tasks.data.source_identity import without_path
from microbench_tasks.metrics.majority import majority_accuracy
from microbench_tasks.parsing.letters.paper_rule import lettered_options
from microbench_tasks.runs import result_keys, robustness, unanswered_tasks
from microbench_tasks.tasks import definitions, provenance, task_fields
from microbench_tasks.tasks.answer_warnings import log_warnings, removed_text
from microbench_tasks.tasks.detection import DetectionFormat, PixelLimits
from microbench_tasks.tasks.interval_settings import INTERVAL_SETTING, interval_settings
from microbench_tasks.tasks.items import num_answers
from microbench_tasks.tasks.reading_changes import changes
from microbench_tasks.tasks.results import microbench_process_results, score_boxes
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.untrusted import reject_duplicate_keys

if TYPE_CHECKING:
    import datasets

_SAMPLES_NAME = re.compile(r"(?P<run>.+)_samples_(?P<task>\w+)\.jsonl")
_OWN_SOURCE = "Set MICROBENCH_DATASET (or MICROBENCH_COGNITION) to the run's own data source."
# Of the samples of one task, in bytes; a compressed file may hold a thousand times its size.
_LARGEST = 2**30
# Scores closer than this are the same: the log holds them in full.
_SCORE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class LoggedRun:
    """The files of one run: its name, the samples file of each task, the results file if there is one, and names of other tasks.

    ``record`` stands for what is in ``results``, where that file has a form of its own.
    """

    name: str
    samples: Mapping[str, Path]
    results: Path | None
    others: tuple[str, ...] = ()
    record: Mapping[str, Any] | None = None

    def recorded(self) -> Mapping[str, Any]:
        """The run's results file; nothing if there is none."""
        if self.record is not None:
            return self.record
        return {} if self.results is None else _read_results(self.results)

    def metadata(self, task: str) -> dict[str, Any]:
        """What the results file records of a task's origin; nothing if there is none."""
        return self.recorded().get("configs", {}).get(task, {}).get("metadata") or {}


@dataclass(frozen=True)
class ScoredSample:
    """One sample of a log, scored again: its document's number, what was asked (empty if not logged) and answered, and the item of each metric (`microbench_tasks.tasks.results`)."""

    doc_id: int
    prompt: str
    response: str
    items: dict[str, Any]


@dataclass
class Rescored:
    """A run scored again.

    Attributes:
        scores: of each task and group, metric to value.
        num_samples: of each task.
        num_in_total: of each task, how many of them the totals of groups count.
        chance: of each task and group that asks questions, the mean of 1 / number of options, over
            the questions that ``acc`` counts.
        majority: of the same, the accuracy of the best constant answer to each kind of question of a task, over the
            same questions (`microbench_tasks.metrics.majority`).
        new_datasets: of each task and group, intervals by dataset; empty unless asked for (`new_datasets.intervals`).
        letters: of each task with options, how often each letter is right (``gold``) and read by the
            strict rule (``acc_strict``; None where none is).
        version: of prompts and scores by which the responses were read now.
        robustness: variants against each other, see `robustness.report`; empty without any.
        unanswered: the tasks without any answer, which have no scores.
        redefined: of each task whose definition was not the package's own, the fields that differed.
        notes: what a reader of the scores should know, such as samples whose logged score differs.
        samples: of each task, in the documents' order.
    """

    version: float = TASK_VERSION
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    num_samples: dict[str, int] = field(default_factory=dict)
    num_in_total: dict[str, int] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    majority: dict[str, float] = field(default_factory=dict)
    new_datasets: dict[str, dict[str, float]] = field(default_factory=dict)
    letters: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    robustness: dict[str, Any] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    redefined: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    samples: dict[str, list[ScoredSample]] = field(default_factory=dict, repr=False)

    def summary(self) -> dict[str, Any]:
        """All but the samples, as JSON values."""
        return {name: value for name, value in vars(self).items() if name != "samples"}


def find_run(paths: Sequence[Path], run: str | None = None) -> LoggedRun:
    """The one run that the samples files among ``paths``, or in the folders among them, belong to.

    Args:
        paths: samples files (``<run>_samples_<task>.jsonl``) and folders that hold some.
        run: which one, where there are several.

    Raises:
        DataError: there is no run, or more than one.
    """
    runs: dict[tuple[Path, str], dict[str, Path]] = collections.defaultdict(dict)
    others = []
    for file in _samples_files(paths):
        match = _SAMPLES_NAME.fullmatch(file.name)
        if match and match["task"] not in catalog.ALL_TASKS:
            others.append(match["task"])
        elif match and run in (None, match["run"]):
            runs[file.parent, match["run"]][match["task"]] = file
    listed = ", ".join(map(str, paths))
    if not runs:
        wanted = "" if run is None else f" of a run {run}"
        raise DataError(
            f"{listed}: no samples file{wanted} of a Micro-Bench task (…_samples_microbench_….jsonl). Run the harness with --log_samples and --output_path."
        )
    if len(runs) > 1:
        names = ", ".join(str(folder / name) for folder, name in sorted(runs))
        raise DataError(
            f"{listed}: samples of several runs: {names}. Name the folder or the files of one, or choose with --run."
        )
    [((folder, name), samples)] = runs.items()
    results = folder / f"{name}_results.json"
    return LoggedRun(
        name,
        {task: samples[task] for task in catalog.ALL_TASKS if task in samples},
        results if os.path.lexists(results) else None,
        tuple(others),
    )


def _samples_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*_samples_*.jsonl"))
        elif path.is_file():
            yield path
        else:
            raise DataError(f"{path}: no such file or folder.")


def rescore(run: LoggedRun, progress: Callable[[Iterable[str]], Iterable[str]] = iter) -> Rescored:
    """Score every sample of a run again and aggregate as the harness does.

    A group is scored if all of its tasks are there. ``progress`` wraps the names of the tasks.

    Raises:
        DataError: a samples file is damaged, incomplete or does not fit its task, the results file
            or the data source; names file and line.
    """
    rescored = Rescored(redefined=redefined(run), notes=_notes_on_definitions(run))
    aggregated: dict[str, dict[str, Any]] = {}
    answers: dict[str, list[dict[str, Any]]] = {}
    for name in progress(run.samples):
        samples, items = _task_items(run, name)
        aggregated[name] = _aggregated(name, items)
        log_warnings(aggregated[name])
        rescored.num_samples[name] = len(items)
        answers[name] = [item["acc"] for item in items if "acc" in item]
        rescored.num_in_total[name] = sum(answer["in_total"] for answer in answers[name])
        rescored.notes += _notes_on_samples(run, name, samples, items)
        rescored.samples[name] = sorted(
            (
                ScoredSample(sample["doc_id"], sample.get("input", ""), _responses(sample)[0], item)
                for sample, item in zip(samples, items)
            ),
            key=lambda sample: sample.doc_id,
        )
        if catalog.ALL_TASKS[name].subject != "boxes":
            rescored.letters[name] = _letters(items)
    groups = [group for group in catalog.GROUPS if set(catalog.tasks_named([group])) <= aggregated.keys()]
    rescored.scores = aggregated | {group: _group_scores(group, aggregated) for group in groups}
    _drop_scores_without_answers(rescored)
    rescored.robustness = robustness.report(
        {
            name: [sample.items for sample in samples]
            for name, samples in rescored.samples.items()
            if catalog.ALL_TASKS[name].subject != "boxes" and name not in rescored.unanswered
        }
    )
    rescored.chance, rescored.majority = _without_sight(answers, groups)
    rescored.notes += [*_notes_on_repeats(rescored.samples), *_notes_on_figures(run, rescored.scores)]
    return rescored


def _drop_scores_without_answers(rescored: Rescored) -> None:
    """Take the scores of tasks without any answer, and of groups with such a task, out of ``rescored``."""
    for name, samples in rescored.samples.items():
        if samples and rescored.scores[name]["failed"] == len(samples) * num_answers(samples[0].items):
            rescored.unanswered.append(name)
    for name in rescored.scores:
        if set(catalog.tasks_named([name])) & set(rescored.unanswered):
            rescored.scores[name] = unanswered_tasks.without_scores(rescored.scores[name])
    if rescored.unanswered:
        named = ", ".join(rescored.unanswered)
        rescored.notes.append(f"not one answer to {named}; no score is given for them and their groups")


def _aggregated(name: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures of a task. Some metrics are only there if questions were asked several times."""
    found = {metric: [item[metric] for item in items if metric in item] for metric in definitions.aggregations(name)}
    return {metric: definitions.aggregations(name)[metric](values) for metric, values in found.items() if values}


def _without_sight(
    answers: Mapping[str, Sequence[Mapping[str, Any]]], groups: Iterable[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Compute chance and majority accuracy of each task and group with questions from the ``acc`` items of each task."""
    counted = {task: [(task, answer) for answer in found] for task, found in answers.items()}
    counted |= {
        group: [pair for task in catalog.tasks_named([group]) for pair in counted[task] if pair[1]["in_total"]]
        for group in groups
    }
    asked = {name: found for name, found in counted.items() if found}
    chance = {
        name: math.fsum(1 / len(answer["options"]) for _, answer in found) / len(found) for name, found in asked.items()
    }
    majority = {}
    for name, found in asked.items():
        kinds = [(task, answer["kind"]) for task, answer in found]
        options, right = [answer["options"] for _, answer in found], [_right_option(answer) for _, answer in found]
        majority[name] = majority_accuracy(kinds, options, right)
    return chance, majority


def _right_option(answer: Mapping[str, Any]) -> str:
    """Return the text of the option that is right, of an ``acc`` item."""
    return answer["options"][LETTERS.index(answer["gold"])]


def document_items(run: LoggedRun, task: str) -> dict[int, dict[str, Any]]:
    """Return the items of each document of one task of a run, computed from its response; raise as `rescore` does."""
    samples, items = _task_items(run, task)
    return {sample["doc_id"]: item for sample, item in zip(samples, items)}


def _task_items(run: LoggedRun, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The samples of one task, and what scoring them again gives."""
    file, task = run.samples[name], catalog.ALL_TASKS[name]
    numbered = list(logged_samples(file))
    asked = _num_asked(run, name)
    if asked is not None and len(numbered) != asked:
        raise DataError(
            f"{file}: holds {len(numbered)} samples, but the run asked {asked} documents ({run.results.name}). The file is not whole: copy it again, or run again."
        )
    items = [_scored(task, line, sample, file=file, run=run) for line, sample in numbered]
    for (line, _), item in zip(numbered, items):
        if num_answers(item) != num_answers(items[0]):
            raise DataError(
                f"{file}, line {line}: expected {num_answers(items[0])} answer(s) as on the first line, "
                f"got {num_answers(item)}. The file is not as the harness wrote it: copy it again."
            )
    return [sample for _, sample in numbered], items


def _num_asked(run: LoggedRun, name: str) -> int | None:
    """How many documents the run asked, None if that is not on record."""
    recorded = run.recorded()
    # The harness's number does not know of an offset.
    if name not in recorded.get("n-samples", {}) or recorded.get("config", {}).get("offset"):
        return None
    return int(recorded["n-samples"][name]["effective"])


def redefined(run: LoggedRun) -> dict[str, list[str]]:
    """Return the tasks of a run whose definition was not the package's own, each with the fields that differed."""
    records = {task: provenance.recorded(run.metadata(task)) for task in run.samples}
    return {
        task: [task_fields.plain_name(field) for field in found["differs"]]
        for task, found in records.items()
        if found and found["differs"]
    }


def _notes_on_definitions(run: LoggedRun) -> list[str]:
    left_out = run.recorded().get(result_keys.LEFT_OUT)
    notes = [f"left out, as the model cannot answer them: {', '.join(left_out)}"] if isinstance(left_out, dict) else []
    notes += [
        f"{task} is NOT the benchmark's own task: its definition differs in {', '.join(fields)}"
        for task, fields in redefined(run).items()
    ]
    # A submission was checked before it was written.
    unknown = (
        [task for task in run.samples if provenance.recorded(run.metadata(task)) is None]
        if run.results is not None and run.record is None
        else []
    )
    return notes + (
        [f"whether the tasks were the benchmark's own is not on record (metadata.definition) for {', '.join(unknown)}"]
        if unknown
        else []
    )


def _notes_on_samples(
    run: LoggedRun, name: str, samples: list[dict[str, Any]], items: list[dict[str, Any]]
) -> list[str]:
    notes = []
    version = run.metadata(name).get("version")
    is_older = version not in (None, TASK_VERSION)
    if is_older:
        moved = ", ".join(f"{metric} {count}" for metric, count in changes(samples, items).items())
        notes.append(
            f"{name}: scored by version {version} in the run, by version {TASK_VERSION} now; samples whose score changed: {moved or 'none'}"
        )
    beside = removed_text([item["failed"] for item in items])
    if beside:
        notes.append(f"{name}: removed before the answer was read: {beside}")
    changed = [
        sample["doc_id"]
        for sample, item in zip(samples, items)
        if "score" in sample and abs(sample["score"] - item["score"]) > _SCORE_TOLERANCE
    ]
    if changed and not is_older:
        notes.append(f"{name}: the logged score of {len(changed)} sample(s) differs, such as document {changed[0]}")
    whole = run.recorded().get("n-samples", {}).get(name, {}).get("original")
    if whole is not None and whole != len(items):
        notes.append(f"{name}: {len(items)} of its {whole} documents were asked (--limit or --offset)")
    return notes


def _notes_on_repeats(samples: Mapping[str, Sequence[ScoredSample]]) -> list[str]:
    numbers: dict[int, list[str]] = {}
    for task, found in samples.items():
        numbers.setdefault(num_answers(found[0].items), []).append(task)
    return [
        f"{', '.join(tasks)}: {number} answers to each question (--repeats). Scores are means over all of them; "
        "letters, options and probabilities are those of the first"
        for number, tasks in numbers.items()
        if number > 1
    ]


def _notes_on_figures(run: LoggedRun, scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where the results file says otherwise: by another kind of interval, by an edit, or by another version."""
    computed = interval_settings()
    recorded = next((found for task in run.samples if (found := run.metadata(task).get("interval"))), computed)
    is_older = is_older_record(recorded)
    paper, quoted = (recorded, None) if is_older else (recorded.get("paper"), recorded.get("quoted"))
    notes = []
    if paper != computed["paper"]:
        how = f"acc_ci is computed as {computed['paper']}, that of the run as {paper}"
        notes.append(f"{how}: set {INTERVAL_SETTING} to compute it alike")
    if is_older:
        notes.append(
            "the run is of an earlier version, whose intervals were all bootstrap intervals: "
            f"every interval but acc_ci is computed anew ({computed['quoted']})"
        )
    elif quoted != computed["quoted"]:
        notes.append(f"intervals other than acc_ci are computed as {computed['quoted']}, those of the run as {quoted}")
    incomparable = [] if paper == computed["paper"] else ["acc_ci_low", "acc_ci_high"]
    if quoted != computed["quoted"]:
        metrics = {metric for figures in scores.values() for metric in figures}
        incomparable += [metric for metric in metrics if "_ci_" in metric and not metric.startswith("acc_ci_")]
    comparable = {
        name: {metric: value for metric, value in figures.items() if metric not in incomparable}
        for name, figures in scores.items()
    }
    differing = differing_figures(run, comparable)
    if differing:
        notes.append(f"{len(differing)} figure(s) differ from the results file, such as {differing[0]}")
    return notes


def is_older_record(recorded: Mapping[str, Any]) -> bool:
    """Tell whether a record of `interval_settings` is of a version in which every interval was a bootstrap interval."""
    return "method" in recorded


def differing_figures(run: LoggedRun, scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Each figure of the results file that is not as in ``scores``, with both values; those that it does not have are passed over."""
    logged = run.recorded().get("results", {})
    pairs = (
        (name, metric, logged[name].get(f"{metric},none"), value)
        for name, figures in scores.items()
        if name in logged
        for metric, value in figures.items()
    )
    return [
        f"{name} {metric} ({before} in {run.results.name}, {value} now)"
        for name, metric, before, value in pairs
        if before is not None and not are_equal(before, value)
    ]


def are_equal(before: Any, value: Any) -> bool:
    """Whether two figures are the same, numbers but for rounding."""
    if isinstance(before, float) and isinstance(value, float):
        return math.isclose(before, value, rel_tol=0, abs_tol=_SCORE_TOLERANCE) or (
            math.isnan(before) and math.isnan(value)
        )
    return before == value


def _group_scores(group: str, of_tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    tasks = [of_tasks[name] for name in catalog.tasks_named([group])]
    scores = {}
    for metric, aggregate in definitions.aggregations(group).items():
        figures = [
            figures[base] for figures in tasks if (base := getattr(aggregate, "derived_from", metric)) in figures
        ]
        if figures:
            scores[metric] = aggregate(figures, [], False)
    return scores


def _letters(items: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    read = {
        "gold": [item["acc"]["gold"] for item in items],
        "acc_strict": [item["acc_strict"]["predicted"] for item in items],
    }
    return {
        name: {str(letter): count for letter, count in sorted(collections.Counter(letters).items(), key=str)}
        for name, letters in read.items()
    }


# --- one sample ----------------------------------------------------------------------


def logged_samples(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """``(line number, sample)`` of each line of a samples file, which may be compressed (``.gz``); every document once.

    Raises:
        DataError: there is none, or a line is no sample; names file and line.
    """
    seen: dict[int, int] = {}
    content = _content(file)
    if not content:
        raise DataError(f"{file}: contains no samples.")
    # Not splitlines, which also breaks at characters that a response may hold.
    for number, text in enumerate(content.rstrip(b"\n").split(b"\n"), start=1):
        try:
            sample = json.loads(text, object_pairs_hook=reject_duplicate_keys)
            doc_id = _number_of_document(sample["doc_id"])
            if "score" in sample:
                sample["score"] = float(sample["score"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            fault = (
                "no whole JSON; if the run was killed while it wrote, run it again"
                if isinstance(error, json.JSONDecodeError)
                else f"{type(error).__name__}: {error}"
            )
            raise DataError(
                f"{file}, line {number}: expected a sample of the harness with a number as doc_id, got {fault}."
            ) from error
        if doc_id in seen:
            raise DataError(f"{file}, line {number}: document {doc_id} is there already, on line {seen[doc_id]}.")
        seen[doc_id] = number
        yield number, sample


def _number_of_document(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError(f"doc_id is {value}")
    return operator.index(value)


def _content(file: Path) -> bytes:
    content = untrusted.read_regular_file(file)
    if file.suffix != ".gz":
        return content
    try:
        return untrusted.decompress_gzip(content, _LARGEST)
    except ValueError as error:
        raise DataError(f"{file}: cannot be decompressed ({error}). Copy it again.") from error


def _scored(task: catalog.Task, line: int, sample: dict[str, Any], *, file: Path, run: LoggedRun) -> dict[str, Any]:
    try:
        return _items(task, sample, run)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        if isinstance(error, DataError):
            raise DataError(f"{file}, line {line}: {error}") from error
        reason = _wrong_field(task, sample) or f"{type(error).__name__}: {error}"
        raise DataError(
            f"{file}, line {line}: not a sample of {task.name} as this version logs it ({reason})."
        ) from error


# What the item that a sample is scored by holds, and how the harness logs the sample itself.
_FIELDS_OF_SAMPLE = {"target": str, "filtered_resps": (str, list), "input": str}
_FIELDS_OF_ITEM = {"image_id": str, "dataset": str, "kind": str}
_FIELDS_OF_ANSWER = _FIELDS_OF_ITEM | {"options": list, "gold": str}
_FIELDS_OF_BOXES = _FIELDS_OF_ITEM | {
    "expression": str,
    "width": int,
    "height": int,
    "boxes": list,
    "convention": str,
    "model_input_size": list,
}


def _wrong_field(task: catalog.Task, sample: dict[str, Any]) -> str | None:
    """Which field of a sample that cannot be scored is missing or not what it should be; None if that is not the reason."""
    name, fields = ("grit", _FIELDS_OF_BOXES) if task.subject == "boxes" else ("acc", _FIELDS_OF_ANSWER)
    item = sample.get(name)
    if item is not None and not isinstance(item, dict):
        return f"{name}: expected an object, got {item!r}"
    found = [(field, sample.get(field), kind) for field, kind in _FIELDS_OF_SAMPLE.items()]
    found += [(f"{name}.{field}", item.get(field), kind) for field, kind in fields.items()] if item is not None else []
    for place, value, kind in found:
        if not isinstance(value, kind):
            expected = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
            return f"{place}: expected {expected}, got {value!r}"
    if name == "acc" and item is not None and item["gold"] not in list(LETTERS[: len(item["options"])]):
        return f"acc.gold: expected a letter of {len(item['options'])} options, got {item['gold']!r}"
    return None


def _items(task: catalog.Task, sample: dict[str, Any], run: LoggedRun) -> dict[str, Any]:
    responses, prompt = _responses(sample), sample.get("input", "")
    response = responses if len(responses) > 1 else responses[0]
    if not isinstance(prompt, str):
        raise TypeError("input")
    item = sample.get("grit" if task.subject == "boxes" else "acc")
    if item is not None and item["dataset"] not in task.datasets:
        raise DataError(f"the sample is of the dataset {item['dataset']}, which {task.name} does not ask about.")
    if task.subject == "boxes":
        if item is not None:
            if json.loads(sample["target"]) != item["boxes"]:
                raise DataError("the gold boxes are not the target's: the log has been changed.")
            return score_boxes(item, response, item["convention"], item["model_input_size"], prompt)
        doc, detection_format = _document(task, sample, run), logged_format(run, task.name)
        return score_boxes(
            doc,
            response,
            detection_format.convention,
            detection_format.model_input_size((doc["width"], doc["height"])),
            prompt,
        )
    doc = (
        _document(task, sample, run)
        if item is None
        else item | {"answer_idx": list(LETTERS[: len(item["options"])]).index(item["gold"])}
    )
    if item is not None and sample["target"] != str(doc["answer_idx"]):
        raise DataError(
            f"the right letter is {item['gold']}, but the target is option {sample['target']}: the log has been changed."
        )
    return microbench_process_results(doc, [response], prompt)


def _responses(sample: Mapping[str, Any]) -> list[str]:
    """Return the responses of a sample: one, or all of those that ``--repeats`` asked for."""
    logged = sample["filtered_resps"]
    if isinstance(logged, list) and not (len(logged) > 1 and all(isinstance(response, str) for response in logged)):
        raise TypeError("filtered_resps")
    # The harness takes white space off a response before it is scored.
    return [(response or "").strip() for response in (logged if isinstance(logged, list) else [logged])]


def _document(task: catalog.Task, sample: dict[str, Any], run: LoggedRun) -> dict[str, Any]:
    """The sample's document in the data source, which must be the one that was asked about."""
    documents, label = _documents(task, json.dumps(run.metadata(task.name).get("dataset")))
    if not 0 <= sample["doc_id"] < len(documents):
        raise DataError(
            f"{label} has {len(documents)} documents for {task.name}, but the log has number {sample['doc_id']}. {_OWN_SOURCE}"
        )
    doc = documents[sample["doc_id"]]
    expected = [doc["expression"]] if task.subject == "boxes" else [doc["question"], *lettered_options(doc["options"])]
    missing = [text for text in expected if text not in sample["input"]]
    if missing:
        raise DataError(
            f"document {sample['doc_id']} of {label} is not what the log's prompt asked: {missing[0]!r} is not in it. {_OWN_SOURCE}"
        )
    return doc


@functools.cache
def _documents(task: catalog.Task, recorded: str) -> tuple[datasets.Dataset, str]:
    """The task's documents, without images, and the name of their source, which must be the ``recorded`` one (JSON) if any is."""
    from microbench_tasks.data.documents import TaskDocuments

    found = task_sources.source_of(task)
    difference = other_source(json.loads(recorded), found.identity)
    if difference:
        raise DataError(
            f"the log holds responses alone, so the questions are needed, and {found.label} is not the run's data source ({difference}). {_OWN_SOURCE}"
        )
    return TaskDocuments(task)(source.load(found), found.label).remove_columns("image"), found.label


def other_source(recorded: Mapping[str, Any] | None, identity: Mapping[str, Any]) -> str:
    """What of a recorded data source is not as in ``identity``, or not there; nothing if it is the same, wherever it lies, or none is on record."""
    stated, expected = without_path(recorded or {}), without_path(identity)
    if not stated or (source_identity.is_release(stated) and source_identity.is_release(expected)):
        return ""
    changed = [f"{name} {value}" for name, value in stated.items() if name not in expected or value != expected[name]]
    return ", ".join(changed + [f"no {name}" for name in expected if name not in stated])


@functools.cache
def _read_results(results: Path) -> dict[str, Any]:
    content = untrusted.read_regular_file(results)
    try:
        recorded = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{results}: expected the harness's results as JSON, got {error}.") from error
    if (
        not isinstance(recorded, dict)
        or not isinstance(recorded.get("configs"), dict)
        or not all(isinstance(recorded.get(name, {}), dict) for name in ("results", "n-samples", "config"))
    ):
        raise DataError(
            f"{results}: expected the harness's results, with objects configs, results, n-samples and config. Copy the file again, or take it away to score the samples alone."
        )
    for problem in _wrong_records(recorded):
        raise DataError(f"{results}: {problem}. Copy the file again, or take it away to score the samples alone.")
    return recorded


_Kinds = tuple[type, ...]
_NONE, _OBJECT, _NUMBER = type(None), (dict, type(None)), (int, float, type(None))
# Of the harness's record, what is read here and elsewhere, and of which kinds it is.
_KINDS: Mapping[str, _Kinds] = {"loaded_model": _OBJECT, "n-shot": _OBJECT, "date": (str, _NONE)}
_KINDS_OF_CONFIG: Mapping[str, _Kinds] = {
    **dict.fromkeys(("limit", "offset"), _NUMBER),
    **dict.fromkeys(("model_args", "gen_kwargs"), (str, dict, _NONE)),
    **dict.fromkeys(("random_seed", "numpy_seed", "torch_seed", "fewshot_seed"), (int, _NONE)),
    "resolved_cli_args": _OBJECT,
}
_KINDS_OF_TASK: Mapping[str, _Kinds] = {"metadata": _OBJECT, "generation_kwargs": _OBJECT}
_KINDS_OF_METADATA: Mapping[str, _Kinds] = {
    **dict.fromkeys(("dataset", "interval", "boxes", "packages", "definition", "asked"), _OBJECT),
    "version": _NUMBER,
    "microbench_version": (str, _NONE),
}
_KINDS_OF_SIZE: Mapping[str, _Kinds] = {"original": (int,), "effective": (int,)}


def _wrong_records(recorded: Mapping[str, Any]) -> Iterator[str]:
    """Where the record of our tasks is not of the kind that the harness writes, by field."""
    yield from _wrong_kinds("", recorded, _KINDS)
    yield from _wrong_kinds("config.", recorded.get("config", {}), _KINDS_OF_CONFIG)
    for task in catalog.ALL_TASKS:
        present = {
            part: recorded[part][task]
            for part in ("configs", "n-samples", "n-shot", "results")
            if task in (recorded.get(part) or {})
        }
        yield from _wrong_kinds(
            "",
            {f"{part}.{task}": value for part, value in present.items()},
            {f"{part}.{task}": (int,) if part == "n-shot" else (dict,) for part in present},
        )
        yield from _wrong_kinds(f"configs.{task}.", present.get("configs", {}), _KINDS_OF_TASK)
        yield from _wrong_kinds(
            f"configs.{task}.metadata.", present.get("configs", {}).get("metadata") or {}, _KINDS_OF_METADATA
        )
        if "n-samples" in present:
            yield from _wrong_kinds(
                f"n-samples.{task}.", dict.fromkeys(_KINDS_OF_SIZE) | present["n-samples"], _KINDS_OF_SIZE
            )


def _wrong_kinds(place: str, found: Mapping[str, Any], kinds: Mapping[str, _Kinds]) -> Iterator[str]:
    for name, allowed in kinds.items():
        if name in found and not isinstance(found[name], allowed):
            words = " or ".join(
                "null"
                if kind is _NONE
                else {dict: "an object", str: "a text", int: "a number", float: "a number"}[kind]
                for kind in allowed
                if kind is not float
            )
            yield f"{place}{name}: expected {words}, got {found[name]!r:.80}"


def logged_format(run: LoggedRun, task: str) -> DetectionFormat:
    """How the model was asked for boxes, as the results file records it; raises `DataError` where there is no results file."""
    if run.results is None:
        raise DataError(
            f"the run's results file ({run.name}_results.json beside the samples) is missing; it records how boxes are to be read."
        )
    record = run.metadata(task)["boxes"]
    limits = None if record["limits"] is None else PixelLimits(*record["limits"])
    return DetectionFormat(record["convention"], record["prompt"], record["source"], limits)
