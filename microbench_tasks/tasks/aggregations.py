"""Provide the functions that the YAML of tasks and groups names as aggregations, made from the table of metrics.

There is a function ``microbench_<name>`` for each entry of a task's metric list and ``microbench_group_<name>`` for
each of a group's (`microbench_tasks.tasks.metric_table`). Results files record the former by name.

The harness hands a group the values that its tasks' aggregations returned. They carry the items that they were computed
from (``samples``), so that a group pools questions instead of averaging averages. The harness computes for a group only
what its tasks have too: a metric that only groups have is computed from those of the task metric that its function
names in ``derived_from`` (`microbench_tasks.harness.patches.scoring` sees to it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from microbench_tasks.metrics.intervals import Interval
from microbench_tasks.tasks.interval_settings import bootstrap_settings
from microbench_tasks.tasks.item_metrics import mean
from microbench_tasks.tasks.metric import IntervalSpec, Items, MetricEntry, Pooling, pool
from microbench_tasks.tasks.metric_table import ENTRIES
from microbench_tasks.tasks.metric_values import MetricValue, with_samples

TaskAggregation = Callable[[Items], Any]
# The harness calls it with the figures of the group's tasks, their sizes and a flag. The latter two are not used:
# pooling weighs each item alike.
GroupAggregation = Callable[[Sequence[Any], Sequence[int], bool], Any]


def _task_function(entry: MetricEntry) -> TaskAggregation:
    def aggregate(items: Items) -> Any:
        if entry.interval is None:
            return with_samples(entry.metric.compute(items), items)
        return MetricValue(getattr(_interval(entry.interval, items), entry.end), items)

    return _named(aggregate, f"microbench_{entry.function}", entry)


def _group_function(entry: MetricEntry) -> GroupAggregation:
    def aggregate_group(figures: Sequence[Any], sizes: Sequence[int], weight_by_size: bool) -> Any:
        if entry.metric.pooling is not Pooling.MACRO:
            return pooled(pool((figure.samples for figure in figures), entry.metric.pooling))
        if entry.interval is None:
            return mean(figures)
        return getattr(entry.interval.compute([figure.samples for figure in figures]), entry.end)

    pooled = _task_function(entry)
    if entry.metric.derived_from is not None:
        aggregate_group.derived_from = entry.metric.derived_from  # type: ignore[attr-defined]  # The harness patch reads it.
    return _named(aggregate_group, f"microbench_group_{entry.function}", entry)


def _interval(spec: IntervalSpec, items: Items) -> Interval:
    return spec.compute(items, bootstrap_settings()) if spec.is_paper else spec.compute(items)


def _named(function: Callable[..., Any], name: str, entry: MetricEntry) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = entry.description
    return function


def _functions() -> dict[str, Callable[..., Any]]:
    """Return all functions by name; metrics that share a function have the first one's."""
    functions: dict[str, Callable[..., Any]] = {}
    for entry in ENTRIES.values():
        if entry.metric.derived_from is None:
            functions.setdefault(f"microbench_{entry.function}", _task_function(entry))
        functions.setdefault(f"microbench_group_{entry.function}", _group_function(entry))
    return functions


_FUNCTIONS = _functions()


def __getattr__(name: str) -> Callable[..., Any]:
    """Return a function by its name in the YAML."""
    if name not in _FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _FUNCTIONS[name]
