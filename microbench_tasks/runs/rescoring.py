"""Score a run again from its logged samples: without a model, and mostly without the data.

The log of a run with ``--log_samples`` is enough. The log of a run with ``--predict_only`` has responses alone: its
questions are then taken from the data source, which must be the run's.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog import TASK_VERSION
<<<<<<< HEAD
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.data import source_identity, task_data
from microbench_tasks.data.source_identity import without_path
from microbench_tasks.metrics.majority import majority_accuracy
from microbench_tasks.parsing.letters.paper_rule import lettered_options
from microbench_tasks.runs import result_keys, robustness, unanswered_tasks
from microbench_tasks.tasks import definition_records, definitions, task_fields
from microbench_tasks.tasks.answer_warnings import log_warnings, removed_text
from microbench_tasks.tasks.box_formats import DetectionFormat
from microbench_tasks.tasks.image_resizing import PixelLimits
from microbench_tasks.tasks.interval_settings import INTERVAL_SETTING, interval_settings
=======
from microbench_tasks.runs import notes, robustness, unanswered_tasks
from microbench_tasks.runs.blind_baselines import blind_baselines
from microbench_tasks.runs.logs import LoggedRun, read_samples
from microbench_tasks.runs.records import SampleRecord
from microbench_tasks.runs.scoring import Items, score_samples
from microbench_tasks.tasks import definitions
from microbench_tasks.tasks.answer_warnings import log_warnings
>>>>>>> main
from microbench_tasks.tasks.items import num_answers


@dataclass(frozen=True)
class ScoredSample:
    """One sample of a log, scored again.

    Attributes:
        doc_id: number of the document in its task.
        prompt: exact text that the model was given; empty if it was not logged.
        response: the first one if the question was asked several times.
        items: the item of each metric (`microbench_tasks.tasks.results`).
    """

    doc_id: int
    prompt: str
    response: str
    items: Items


@dataclass
class Rescored:
    """A run scored again.

    Attributes:
        version: of prompts and scores by which the responses were read now.
        scores: of each task and group, metric to value.
        num_samples: of each task.
        num_in_total: of each task, how many of them the totals of groups count.
        chance: of each task and group that asks questions, the mean of 1 / number of options, over
            the questions that ``acc`` counts.
        majority: of the same, the accuracy of the best constant answer to each kind of question of a task, over the
            same questions (`microbench_tasks.metrics.majority`).
        new_datasets: of each task and group, intervals by dataset; empty unless asked for (`new_datasets.dataset_intervals`).
        letters: of each task with options, how often each letter is right (``gold``) and read by the
            strict rule (``acc_strict``; ``None`` where none is).
        robustness: comparison of variants with each other (`robustness.report`); empty without any.
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
        """Return all but the samples, as JSON values."""
        return {name: value for name, value in vars(self).items() if name != "samples"}


def rescore(
    run: LoggedRun,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
    samples: Mapping[str, Sequence[SampleRecord]] | None = None,
) -> Rescored:
    """Score every sample of a run again, and aggregate the scores as the harness does.

    A group is scored if all of its tasks were run.

    Args:
        run: from `logs.find_run` or from a submission.
        progress: wraps the names of the tasks.
        samples: of each task, in the order of its file, if they have been read already (`logs.read_samples`).

    Raises:
        DataError: a samples file is damaged, incomplete, or does not fit its task, the results file or the data
            source. The message names file and line.
    """
    rescored = Rescored(redefined=run.redefined_fields(), notes=notes.definition_notes(run))
    for task in progress(run.samples):
        task_samples = read_samples(run.samples[task], task) if samples is None else samples[task]
        items = score_samples(run, task, task_samples)
        _add_task(rescored, task, task_samples, items)
        rescored.notes += notes.sample_notes(run, task, task_samples, items)
    groups = [group for group in catalog.GROUPS if set(catalog.tasks_named([group])) <= rescored.scores.keys()]
    rescored.scores |= {group: _group_scores(group, rescored.scores) for group in groups}
    _drop_scores_without_answers(rescored)
    rescored.robustness = robustness.report(_answered_questions(rescored))
    rescored.chance, rescored.majority = blind_baselines(
        {
            task: [sample.items["acc"] for sample in task_samples if "acc" in sample.items]
            for task, task_samples in rescored.samples.items()
        },
        groups,
    )
    rescored.notes += notes.repeat_notes({task: num_answers(s[0].items) for task, s in rescored.samples.items()})
    rescored.notes += notes.figure_notes(run, rescored.scores)
    return rescored


<<<<<<< HEAD
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
    records = {task: definition_records.recorded_definition(run.metadata(task)) for task in run.samples}
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
        [task for task in run.samples if definition_records.recorded_definition(run.metadata(task)) is None]
        if run.results is not None and run.record is None
        else []
    )
    return notes + (
        [f"whether the tasks were the benchmark's own is not on record (metadata.definition) for {', '.join(unknown)}"]
        if unknown
        else []
    )
=======
def _add_task(rescored: Rescored, task: str, samples: Sequence[SampleRecord], items: Sequence[Items]) -> None:
    """Add the scores, the counts and the samples of one task to ``rescored``."""
    rescored.scores[task] = _task_scores(task, items)
    log_warnings(rescored.scores[task])
    rescored.num_samples[task] = len(items)
    rescored.num_in_total[task] = sum(item["acc"]["in_total"] for item in items if "acc" in item)
    scored = [
        ScoredSample(sample.doc_id, sample.prompt, sample.responses[0], item)
        for sample, item in zip(samples, items, strict=True)
    ]
    rescored.samples[task] = sorted(scored, key=lambda sample: sample.doc_id)
    if catalog.ALL_TASKS[task].subject != "boxes":
        rescored.letters[task] = _letters(items)
>>>>>>> main


def _task_scores(task: str, items: Sequence[Items]) -> dict[str, Any]:
    """Aggregate the items of a task. Some metrics are only there if questions were asked several times."""
    aggregations = definitions.aggregations(task)
    items_of_metrics = {metric: [item[metric] for item in items if metric in item] for metric in aggregations}
    return {metric: aggregations[metric](values) for metric, values in items_of_metrics.items() if values}


def _group_scores(group: str, scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Aggregate the scores of the tasks of a group, as the harness does."""
    scores_of_tasks = [scores[task] for task in catalog.tasks_named([group])]
    aggregated = {}
    for metric, aggregate in definitions.aggregations(group).items():
        source_metric = getattr(aggregate, "derived_from", metric)
        values = [figures[source_metric] for figures in scores_of_tasks if source_metric in figures]
        if values:
            aggregated[metric] = aggregate(values, [], False)
    return aggregated


def _letters(items: Sequence[Items]) -> dict[str, dict[str, int]]:
    """Count how often each letter is right and read; ``None`` counts responses without a letter."""
    columns = {
        "gold": [item["acc"]["gold"] for item in items],
        "acc_strict": [item["acc_strict"]["predicted"] for item in items],
    }
    return {
        name: {str(letter): count for letter, count in sorted(collections.Counter(letters).items(), key=str)}
        for name, letters in columns.items()
    }


def _drop_scores_without_answers(rescored: Rescored) -> None:
    """Remove the scores of tasks without any answer, and of groups with such a task."""
    for task, samples in rescored.samples.items():
        if samples and rescored.scores[task]["failed"] == len(samples) * num_answers(samples[0].items):
            rescored.unanswered.append(task)
    for name in rescored.scores:
        if set(catalog.tasks_named([name])) & set(rescored.unanswered):
            rescored.scores[name] = unanswered_tasks.without_scores(rescored.scores[name])
    if rescored.unanswered:
        tasks = ", ".join(rescored.unanswered)
        rescored.notes.append(f"not one answer to {tasks}; no score is given for them and their groups")


def _answered_questions(rescored: Rescored) -> dict[str, list[Items]]:
    """Return the items of each task that asks questions and has any answer."""
    return {
        task: [sample.items for sample in samples]
        for task, samples in rescored.samples.items()
        if catalog.ALL_TASKS[task].subject != "boxes" and task not in rescored.unanswered
    }
