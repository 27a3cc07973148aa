"""Confidence intervals that generalize to new datasets: clusters are datasets instead of images.

Most coarse questions have the same right answer for a whole dataset, so that a model is right or wrong on all of it.
These intervals answer how a model will perform on a dataset that is not in the benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.metrics.intervals import Interval
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.tasks import item_intervals
from microbench_tasks.tasks.item_intervals import dataset_of

Items = Sequence[Mapping[str, Any]]


def dataset_intervals(rescored: Rescored) -> dict[str, dict[str, float]]:
    """Compute ``acc_dataset_ci_*``, ``acc_macro_dataset_ci_*``, ``acc_all_dataset_ci_*`` and ``grit_dataset_ci_*``.

    Returns:
        For each task and group, the two ends of each interval. There is no interval for a single dataset.
    """
    return {name: ends for name in rescored.scores if (ends := _ends(_intervals_of(rescored, name)))}


def names_without_intervals(rescored: Rescored) -> list[str]:
    """List the tasks and groups without these intervals, since they are about a single dataset."""
    return [name for name in rescored.scores if not _intervals_of(rescored, name)]


def _intervals_of(rescored: Rescored, name: str) -> dict[str, Interval]:
    tasks = catalog.tasks_named([name])
    answers = [_items(rescored, task, "acc") for task in tasks if catalog.ALL_TASKS[task].subject != "boxes"]
    everything = [item for task in answers for item in task]
    counted = [item for item in everything if item["in_total"]] if name in catalog.GROUPS else everything
    boxes = [item for task in tasks for item in _items(rescored, task, "grit")]
    intervals = {}
    if _has_several(counted):
        intervals["acc"] = item_intervals.accuracy_interval(counted, dataset_of)
    if "acc_macro" in rescored.scores[name] and _has_several(everything):
        intervals["acc_macro"] = item_intervals.macro_interval(answers, dataset_of)
    if "acc_all" in rescored.scores[name] and _has_several(everything):
        intervals["acc_all"] = item_intervals.accuracy_interval(everything, dataset_of)
    if _has_several(boxes):
        intervals["grit"] = item_intervals.score_interval(boxes, dataset_of)
    return intervals


def _items(rescored: Rescored, task: str, metric: str) -> Items:
    return [sample.items[metric] for sample in rescored.samples[task] if metric in sample.items]


def _has_several(items: Items) -> bool:
    return len({dataset_of(item) for item in items}) > 1


def _ends(intervals: Mapping[str, Interval]) -> dict[str, float]:
    return {
        f"{metric}_dataset_ci_{end}": value
        for metric, interval in intervals.items()
        for end, value in (("low", interval.low), ("high", interval.high))
    }
