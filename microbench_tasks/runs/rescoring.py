"""Score a run again from its logged samples: without a model, and mostly without the data.

The log of a run with ``--log_samples`` is enough. The log of a run with ``--predict_only`` has responses alone: its
questions are then taken from the data source, which must be the run's.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog import TASK_VERSION
from microbench_tasks.runs import notes, robustness, unanswered_tasks
from microbench_tasks.runs.blind_baselines import blind_baselines
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.logged_samples import read_samples
from microbench_tasks.runs.sample_records import SampleRecord
from microbench_tasks.runs.scoring import Items, score_samples
from microbench_tasks.tasks import definitions
from microbench_tasks.tasks.answer_warnings import log_warnings
from microbench_tasks.tasks.items import num_answers
from microbench_tasks.util.progress import Progress, no_progress


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
        new_datasets: of each task and group, intervals by dataset; empty unless asked for
            (`new_datasets.dataset_intervals`).
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
    progress: Progress = no_progress,
    samples: Mapping[str, Sequence[SampleRecord]] | None = None,
) -> Rescored:
    """Score every sample of a run again, and aggregate the scores as the harness does.

    A group is scored if all of its tasks were run.

    Args:
        run: from `found_runs.find_run` or from a submission.
        progress: wraps the names of the tasks.
        samples: of each task, in the order of its file, if they have been read already (`logged_samples.read_samples`).

    Raises:
        DataError: a samples file is damaged, incomplete, or does not fit its task, the results file or the data
            source. The message names file and line.
    """
    rescored = Rescored(redefined=run.redefined_fields(), notes=notes.definition_notes(run))
    for task in progress(run.samples, "scoring samples"):
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
    if catalog.task_of(task).subject != "boxes":
        rescored.letters[task] = _letters(items)


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
        if catalog.task_of(task).subject != "boxes" and task not in rescored.unanswered
    }
