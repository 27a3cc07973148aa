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
from microbench_tasks.tasks.item_intervals import dataset_of
from microbench_tasks.tasks.metric import Pooling, pool
from microbench_tasks.tasks.metric_table import METRICS

Items = Sequence[Mapping[str, Any]]


def dataset_intervals(rescored: Rescored) -> dict[str, dict[str, float]]:
    """Compute ``<metric>_dataset_ci_low`` and ``_high`` of each metric with an interval to quote, such as ``acc``.

    Returns:
        For each task and group, the two ends of each interval. There is no interval for a single dataset.
    """
    return {name: ends for name in rescored.scores if (ends := _ends(_intervals_of(rescored, name)))}


def names_without_intervals(rescored: Rescored) -> list[str]:
    """List the tasks and groups without these intervals, since they are about a single dataset."""
    return [name for name in rescored.scores if not _intervals_of(rescored, name)]


def _intervals_of(rescored: Rescored, name: str) -> dict[str, Interval]:
    tasks = catalog.tasks_named([name])
    intervals_of_metrics = {}
    for metric in METRICS:
        is_missing = metric.derived_from is not None and metric.name not in rescored.scores[name]
        if metric.quoted_interval is None or is_missing:
            continue
        samples = [_items(rescored, task, metric.derived_from or metric.name) for task in tasks]
        by_task = [items for items in samples if items]
        # The totals of groups leave questions out, the scores of tasks do not.
        pooled = pool(by_task, metric.pooling if name in catalog.GROUPS else Pooling.ALL)
        if len({dataset_of(item) for item in pooled}) > 1:
            items = by_task if metric.pooling is Pooling.MACRO else pooled
            intervals_of_metrics[metric.name] = metric.quoted_interval.compute(items, dataset_of)
    return intervals_of_metrics


def _items(rescored: Rescored, task: str, metric: str) -> Items:
    return [sample.items[metric] for sample in rescored.samples[task] if metric in sample.items]


def _ends(intervals: Mapping[str, Interval]) -> dict[str, float]:
    return {
        f"{metric}_dataset_ci_{end}": value
        for metric, interval in intervals.items()
        for end, value in (("low", interval.low), ("high", interval.high))
    }
