"""Estimate mean scores of items, with intervals that keep the answers about one image together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.metrics.intervals import Interval
from microbench_tasks.report.runs import tasks_of
from microbench_tasks.tasks import item_intervals

# What a sample has for a metric; see `microbench_tasks.tasks.results`.
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Estimate:
    """Hold a mean score with its 95 % interval by image, as fractions, over ``n`` scores about ``images`` images."""

    value: float
    low: float
    high: float
    n: int
    images: int


def estimate(
    items: Sequence[Item], interval: Callable[[Sequence[Item]], Interval] = item_intervals.accuracy_interval
) -> Estimate:
    """Estimate the mean ``score`` of items; NaN without any.

    Args:
        items: with their ``image``.
        interval: computes the interval; the default is for answers, which are right or wrong.
    """
    scores = [item["score"] for item in items]
    ends, counts = interval(items), item_intervals.count(items)
    mean = math.fsum(scores) / len(scores) if scores else math.nan
    return Estimate(mean, ends.low, ends.high, len(scores), counts["images"])


def questions(run: Run, subject: str) -> list[Item]:
    """Return the ``acc`` items of one subject that count in the totals."""
    items = (sample.items["acc"] for task in tasks_of(run, subject) for sample in run.rescored.samples[task])
    return [item for item in items if item["in_total"]]
