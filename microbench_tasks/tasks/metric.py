"""Describe one metric: what of an answer it reads, how it is computed for a task and a group, and its intervals."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from microbench_tasks.metrics.intervals import Interval

Family = Literal["choice", "boxes"]
# Where a metric is shown beside the harness's own table and the results file.
Table = Literal["scores", "report", "leaderboard"]
Items = Sequence[Mapping[str, Any]]
# Pairs: name of a field of the item, name of the field of the scored answer that it takes.
ItemFields = tuple[tuple[str, str], ...]

ENDS = ("low", "high")


class Pooling(enum.Enum):
    """How the figure of a group is made from those of its tasks."""

    # From the items of all tasks, without those outside the totals of the paper's tables.
    IN_TOTAL = enum.auto()
    # From the items of all tasks.
    ALL = enum.auto()
    # The mean of the tasks' figures, each task weighed alike.
    MACRO = enum.auto()


def pool(tasks: Iterable[Items], pooling: Pooling) -> list[Mapping[str, Any]]:
    """Return the items of several tasks, with `Pooling.IN_TOTAL` without those outside the paper's totals."""
    items = [item for of_task in tasks for item in of_task]
    # Items of boxes have no such field: all of them count.
    return [item for item in items if item.get("in_total", True)] if pooling is Pooling.IN_TOTAL else items


def takes(**fields: str) -> ItemFields:
    """Return the fields of an item: its own names, each with the field of the scored answer that it takes."""
    return tuple(fields.items())


@dataclass(frozen=True)
class IntervalSpec:
    """Describe a confidence interval of a metric; its ends are metrics of the harness: ``<name>_low``, ``<name>_high``.

    Args:
        name: prefix of the names of the two ends.
        compute: returns the interval of items; for `Pooling.MACRO`, of a sequence of items by task. Unless the
            interval is the paper's, it also takes a function that returns the cluster of an item.
        takes: the fields of an item that it needs.
        is_paper: whether it reproduces the paper's interval. Then ``compute`` also takes the options of the bootstrap
            (`microbench_tasks.tasks.interval_settings.bootstrap_settings`). All others are intervals to quote.
    """

    name: str
    compute: Callable[..., Interval]
    takes: ItemFields = ()
    is_paper: bool = False


@dataclass(frozen=True)
class Metric:
    """Describe one metric.

    Args:
        name: in results files.
        description: one sentence for readers of the code.
        families: which tasks have it: those with questions (``choice``), those with boxes, or both.
        label: heading of its column in reports.
        higher_is_better: its direction; None if it has none.
        compute: returns the value for items: a float, a count or a mapping of several values.
        takes: the fields of its items; empty if the item is made of several answers (``--repeats``), or of another
            metric's (``derived_from``).
        per_answer: fields that are kept for every answer if a question is asked several times.
        compared: the field in which a logged item and a new one must agree when a run is scored again: a number, for
            which the changes up and down are counted, or a text.
        pooling: how groups aggregate it.
        intervals: its confidence intervals.
        tables: where it is shown.
        derived_from: the metric of the tasks whose items it uses. Such a metric exists only in groups.
        only_with_outside: whether only groups have it that contain questions outside the paper's totals.
        kept_without_answers: whether it is meaningful for a task of which every request failed.
        is_fraction: whether its value is a fraction from 0 to 1, which pages show in percent.
        is_new: whether results and submissions that were made before may lack it.
        function: the name that the YAML uses for its function, without prefix; by default that of the metric.
            Metrics that share one are computed by the same function.

    Raises:
        ValueError: the metric could not leave out questions outside the paper's totals.
    """

    name: str
    description: str
    families: tuple[Family, ...]
    label: str
    higher_is_better: bool | None
    compute: Callable[[Items], Any]
    takes: ItemFields = ()
    per_answer: tuple[str, ...] = ()
    compared: str | None = None
    pooling: Pooling = Pooling.IN_TOTAL
    intervals: tuple[IntervalSpec, ...] = ()
    tables: tuple[Table, ...] = ()
    derived_from: str | None = None
    only_with_outside: bool = False
    kept_without_answers: bool = False
    is_fraction: bool = True
    is_new: bool = False
    function: str = ""

    def __post_init__(self) -> None:
        for fields in (self.takes, *(interval.takes for interval in self.intervals)):
            if (
                fields
                and self.pooling is Pooling.IN_TOTAL
                and "choice" in self.families
                and "in_total" not in dict(fields)
            ):
                raise ValueError(
                    f"Metric {self.name}: its items need the field in_total, since groups leave out questions outside "
                    "the paper's totals. Add in_total to takes, or choose another pooling."
                )

    @property
    def quoted_interval(self) -> IntervalSpec | None:
        """Return the interval to quote with the value; None if there is none."""
        return next((interval for interval in self.intervals if not interval.is_paper), None)


@dataclass(frozen=True)
class MetricEntry:
    """Hold one entry of a YAML metric list: a metric, or one end of one of its intervals.

    Args:
        name: in results files.
        metric: the row of the table.
        interval: None for the metric itself.
        end: one of `ENDS`; empty for the metric itself.
    """

    name: str
    metric: Metric
    interval: IntervalSpec | None = None
    end: str = ""

    @property
    def takes(self) -> ItemFields:
        """Return the fields of its items."""
        return self.metric.takes if self.interval is None else self.interval.takes

    @property
    def function(self) -> str:
        """Return the name of its function in the YAML, without prefix."""
        return (self.metric.function or self.name) if self.interval is None else self.name

    @property
    def description(self) -> str:
        """Describe it in one sentence."""
        if self.interval is None:
            return self.metric.description
        return f"The {self.end} end of the 95 % interval {self.interval.name} of {self.metric.name}."


def entries_of(metric: Metric) -> tuple[MetricEntry, ...]:
    """Return the entry of a metric and those of the ends of its intervals."""
    ends = (
        MetricEntry(f"{interval.name}_{end}", metric, interval, end) for interval in metric.intervals for end in ENDS
    )
    return (MetricEntry(metric.name, metric), *ends)
