"""Summarize one run: its main scores with what is quoted beside them, and whether they can be quoted at all.

The figures are those of the run or of `microbench_tasks.runs.rescoring`; nothing is computed anew but counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.runs import model_labels
from microbench_tasks.runs.blind_baselines import blind_baselines
from microbench_tasks.runs.logged_runs import LoggedRun, redefined_fields
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.runs.run_records import RunRecord
from microbench_tasks.submissions.data_kinds import classify_source
from microbench_tasks.tasks.metric_table import FAMILIES
from microbench_tasks.tasks.repeats import each_answer

Items = Sequence[Mapping[str, Any]]

_DEMO_WORDS = "demo set"
_DEMO_REASON = "The demo set is synthetic: its scores mean nothing for a paper."


@dataclass(frozen=True)
class MainScore:
    """The main score of a task or group, with what is quoted beside it.

    Attributes:
        name: of the task or group.
        metric: ``acc`` or ``grit``.
        value: from 0 to 1.
        low: lower end of the interval to quote.
        high: upper end of the interval to quote.
        questions: number of questions; for boxes, of pairs of an image and a class.
        images: number of images.
        datasets: number of datasets.
        groups: number of groups of images (own data); None if images have none.
        data: what the questions are about, in words.
        chance: accuracy of guessing; None for boxes.
        majority: accuracy of the best constant answer; None for boxes.
        not_to_quote: why this score may not be quoted, though others of the run may; empty if it may.
    """

    name: str
    metric: str
    value: float
    low: float
    high: float
    questions: int
    images: int
    datasets: int
    groups: int | None
    data: str
    chance: float | None = None
    majority: float | None = None
    not_to_quote: str = ""


@dataclass(frozen=True)
class RunSummary:
    """Summarize one run.

    Attributes:
        model: its name in a list of models, or its type and checkpoint.
        data: kinds of data, in words.
        num_images: number of different images; 0 if it is not known.
        scores: of all tasks and groups, groups first.
        num_answers: number of answers that were asked for.
        num_unparsed: how many of them have no answer that could be read, failed requests included.
        num_failed: how many requests got no response.
        left_out: tasks that the model cannot answer.
        not_to_quote: why no score may be quoted; empty if all may.
        full_model: type of the model with all of its arguments, without secrets and paths.
    """

    model: str
    data: tuple[str, ...]
    num_images: int
    scores: tuple[MainScore, ...]
    num_answers: int
    num_unparsed: int
    num_failed: int
    left_out: tuple[str, ...] = ()
    not_to_quote: str = ""
    full_model: str = ""

    @property
    def main_scores(self) -> list[MainScore]:
        """Return the scores that stand for the whole run, those of own data first: each task is in one of them."""
        by_name: dict[str, list[MainScore]] = {name: [] for name in catalog.main_names({s.name for s in self.scores})}
        for score in self.scores:
            by_name.get(score.name, []).append(score)
        return [score for scores in by_name.values() for score in scores]


def of_rescored(run: LoggedRun, rescored: Rescored) -> RunSummary:
    """Summarize a run that was scored again."""
    answers = {task: [sample.items["failed"] for sample in samples] for task, samples in rescored.samples.items()}
    return summarize(run.record, rescored.scores, answers, rescored.chance, rescored.majority, fallback=run.name)


def of_results(record: RunRecord, values: Mapping[str, Mapping[str, Any]]) -> RunSummary:
    """Summarize a run that has just ended.

    Args:
        record: of the run.
        values: of each task and group of this package, metric to value as the aggregations return them (with
            ``samples``).
    """
    tasks = [name for name in values if catalog.is_task(name)]
    answers = {task: _samples(values[task].get("failed")) for task in tasks}
    questions = {task: _samples(values[task].get("acc")) for task in tasks}
    asking = {task for task, items in questions.items() if items}
    boxes = {task for task in tasks if catalog.task_of(task).subject == "boxes"}
    whole = [name for name in values if name in catalog.GROUPS and set(catalog.tasks_named([name])) <= asking | boxes]
    chance, majority = blind_baselines(questions, whole)
    return summarize(record, values, answers, chance, majority)


def summarize(
    record: RunRecord,
    figures: Mapping[str, Mapping[str, Any]],
    answers: Mapping[str, Items],
    chance: Mapping[str, float],
    majority: Mapping[str, float],
    fallback: str = "unknown model",
) -> RunSummary:
    """Summarize a run.

    Args:
        record: of the run.
        figures: of each task and group, metric to value.
        answers: of each task, the items of the metric ``failed``.
        chance: of each task and group that asks questions.
        majority: of the same.
        fallback: name of the model if there is no record of it.
    """
    each = {task: each_answer(items) for task, items in answers.items()}
    failed = {task: sum(bool(answer["failed"]) for answer in of_task) for task, of_task in each.items()}
    return RunSummary(
        model=model_labels.short_label(record, fallback),
        full_model=model_labels.full_label(record, fallback),
        data=tuple(dict.fromkeys(_data_words(record, task) for task in answers)),
        num_images=len({item["image"] for items in answers.values() for item in items}),
        scores=tuple(
            score
            for name in catalog.in_order(figures)
            for score in _main_scores(record, name, figures[name], chance.get(name), majority.get(name))
        ),
        num_answers=sum(map(len, each.values())),
        num_unparsed=sum(
            _num_unparsed(figures.get(task, {}), len(of_task), failed[task]) for task, of_task in each.items()
        ),
        num_failed=sum(failed.values()),
        left_out=tuple(record.left_out or ()),
        not_to_quote=_not_to_quote(record, {task: len(items) for task, items in answers.items()}, sum(failed.values())),
    )


def _samples(value: Any) -> Items:
    return getattr(value, "samples", ())


def _main_scores(
    record: RunRecord, name: str, figures: Mapping[str, Any], chance: float | None, majority: float | None
) -> Iterator[MainScore]:
    kinds = dict.fromkeys(_data_words(record, task) for task in catalog.tasks_named([name]))
    for family, metrics in FAMILIES.items():
        value, counts = figures.get(metrics.score), figures.get(metrics.counts)
        low, high = (figures.get(f"{metrics.interval}_{end}") for end in ("low", "high"))
        if value is None or counts is None or low is None or high is None or math.isnan(value):
            continue
        levels = (chance, majority) if family == "choice" else (None, None)
        yield MainScore(
            name,
            metrics.score,
            float(value),
            float(low),
            float(high),
            questions=counts["questions"],
            images=counts["images"],
            datasets=counts["datasets"],
            groups=counts.get("groups"),
            data=" and ".join(kinds),
            chance=levels[0],
            majority=levels[1],
            not_to_quote=_DEMO_REASON if _DEMO_WORDS in kinds else "",
        )


def _num_unparsed(figures: Mapping[str, Any], num_answers: int, num_failed: int) -> int:
    """Return the number of answers that could not be read; figures of a task without any answer lack the share."""
    shares = [figures[metrics.unparsed] for metrics in FAMILIES.values() if metrics.unparsed in figures]
    return sum(round(share * num_answers) for share in shares) if shares else num_failed


def _data_words(record: RunRecord, task: str) -> str:
    identity = record.metadata(task).dataset
    if identity is None:
        return "data not recorded"
    kind = classify_source(identity)
    if kind == "own":
        return f"own dataset {identity.get('name')}"
    return {"demo": _DEMO_WORDS, "release": "Micro-Bench release"}.get(kind, "data other than the release")


def _not_to_quote(record: RunRecord, num_asked: Mapping[str, int], num_failed: int) -> str:
    """Return why no score of a run may be quoted; empty if all may."""
    # Own data in the same run can be quoted.
    if num_asked and all(_data_words(record, task) == _DEMO_WORDS for task in num_asked):
        return _DEMO_REASON
    if redefined := redefined_fields(record, num_asked):
        return f"Not the benchmark's own tasks: the definition of {_first(list(redefined))} was changed."
    unknown = [task for task in num_asked if record.metadata(task).dataset is None or task not in record.num_documents]
    if unknown:
        return (
            f"No results file says on which data {_first(unknown)} was asked, and whether all its questions were "
            "asked: no result to publish."
        )
    originals = {task: record.num_documents[task].original for task in num_asked}
    limited = [task for task, number in originals.items() if num_asked[task] != number]
    if limited:
        asked, of_all = (sum(numbers[task] for task in originals) for numbers in (num_asked, originals))
        return f"Only {asked:,} of {of_all:,} questions were asked (--limit or --offset): no result to publish."
    if num_failed:
        requests = "1 request" if num_failed == 1 else f"{num_failed:,} requests"
        return f"{requests} got no response, so the run is not complete: no result to publish."
    return ""


def _first(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
