"""Describe one score of a run, and list all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.tasks import item_intervals
from microbench_tasks.tasks.metric import ENDS, Metric, Pooling, pool
from microbench_tasks.tasks.metric_table import FAMILIES, METRICS


@dataclass(frozen=True)
class Score:
    """Hold one score of a task or group, as a fraction from 0 to 1.

    Attributes:
        name: of the task or group.
        metric: such as ``acc``.
        value: the score.
        low, high: its 95 % interval, about new images of the same datasets, or new groups of images; None if the
            metric has none.
        num_questions, num_images, num_datasets: how many the score is about.
        num_groups: how many groups, such as slides, the images are in; None if they are in none (own data have them).
        chance, majority: scores of guessing and of the best constant answers; None for boxes.
    """

    name: str
    metric: str
    value: float
    low: float | None
    high: float | None
    num_questions: int
    num_images: int
    num_datasets: int
    chance: float | None
    majority: float | None
    num_groups: int | None = None


def scores_of(run: Run) -> list[Score]:
    """Return every score that is a number with a direction, groups and tasks in the order of tables."""
    return [
        _score(name, metric, run.rescored)
        for name in catalog.in_order(run.rescored.scores)
        for metric in METRICS
        if metric.higher_is_better is not None and isinstance(run.rescored.scores[name].get(metric.name), float)
    ]


def _score(name: str, metric: Metric, rescored: Rescored) -> Score:
    figures, interval = rescored.scores[name], metric.quoted_interval
    ends = [None if interval is None else figures.get(f"{interval.name}_{end}") for end in ENDS]
    low, high = (None if end is None else float(end) for end in ends)
    asks_questions = "choice" in metric.families
    counts = item_intervals.count(_counted_items(name, metric, rescored))
    return Score(
        name=name,
        metric=metric.name,
        value=float(figures[metric.name]),
        low=low,
        high=high,
        num_questions=counts["questions"],
        num_images=counts["images"],
        num_datasets=counts["datasets"],
        chance=rescored.chance.get(name) if asks_questions else None,
        majority=rescored.majority.get(name) if asks_questions else None,
        num_groups=counts.get("groups"),
    )


def _counted_items(name: str, metric: Metric, rescored: Rescored) -> list[Mapping[str, Any]]:
    """Return the items of the questions that a score counts; the scores of tasks count all of theirs."""
    main = [FAMILIES[family].score for family in metric.families]
    of_tasks = (
        [sample.items[score] for sample in rescored.samples[task] for score in main if score in sample.items]
        for task in catalog.tasks_named([name])
    )
    return pool(of_tasks, metric.pooling if name in catalog.GROUPS else Pooling.ALL)


def plain(value: Any) -> Any:
    """Return a figure without the items that it was computed from."""
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return float(value) if isinstance(value, float) else int(value)
    return value
