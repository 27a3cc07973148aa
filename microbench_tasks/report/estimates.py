"""Estimate mean scores of items, with intervals that keep the answers about one image together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.metrics.intervals import Interval
from microbench_tasks.report.runs import tasks_of
from microbench_tasks.report.sections import SUBJECT_NAMES
from microbench_tasks.tasks import item_intervals

# What a sample has for a metric; see `microbench_tasks.tasks.results`.
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Estimate:
    """Hold a mean score with its 95 % interval, as fractions, over ``n`` scores about ``images`` images.

    The interval is by image, or by group where the images are in ``groups`` groups, such as slides.
    """

    value: float
    low: float
    high: float
    n: int
    images: int
    groups: int | None = None


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
    return Estimate(mean, ends.low, ends.high, len(scores), counts["images"], counts.get("groups"))


def question_sets(runs: Sequence[Run]) -> dict[str, str]:
    """Return the sets of questions whose answers are taken together, by the key that `questions` takes, in words.

    They are the subjects of the benchmark, and each own dataset by itself: own datasets have nothing in common.
    """
    own = catalog.in_order({task for run in runs for task in tasks_of(run, "own")})
    return SUBJECT_NAMES | {task: catalog.short_name(task) for task in own}


def questions(run: Run, key: str) -> list[Item]:
    """Return the ``acc`` items of one of `question_sets` that count in the totals."""
    tasks = [task for task in tasks_of(run, *SUBJECT_NAMES, "own") if key in (task, catalog.task_of(task).subject)]
    items = (sample.items["acc"] for task in tasks for sample in run.rescored.samples[task])
    return [item for item in items if item["in_total"]]
