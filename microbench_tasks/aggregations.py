"""What the YAML of tasks and groups names as aggregations.

The harness hands a group the very figures that its tasks' aggregations returned. They carry
the items they were made of, so that a group pools questions instead of averaging averages.

The harness computes for a group only what its tasks have too. A group's further figures are
made of those of the task metric that their function names in ``derived_from``
(`microbench_tasks.patches.scoring` sees to it).

Intervals are basic bootstrap intervals, as the paper's; ``MICROBENCH_INTERVAL=percentile`` makes
them percentile intervals. Results files record which.
"""

from __future__ import annotations

import collections
import functools
import itertools
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from loguru import logger

from microbench_tasks import reading_changes
from microbench_tasks.metrics.bootstrap import CONFIDENCE_LEVEL, METHODS, NUM_RESAMPLES, SEED, Interval, bootstrap_interval
from microbench_tasks.schema import DataError

INTERVAL_SETTING = "MICROBENCH_INTERVAL"

Items = Sequence[Any]

# Of failed requests, how many a warning names.
_NAMED = 50
# How many kinds of question or classes a log line names.
_NAMED_KINDS = 5


class Figure(float):
    """A number that remembers the items that it summarises (``made_of``)."""

    made_of: Items

    def __new__(cls, value: float, made_of: Items) -> Figure:
        figure = super().__new__(cls, value)
        figure.made_of = made_of
        return figure

    def __reduce__(self) -> tuple[type, tuple[float]]:
        """Copies and pickles are plain numbers."""
        return float, (float(self),)


class Counts(dict):
    """How often each of several things occurs among items (``made_of``); what never does is left out."""

    made_of: Items

    def __init__(self, counts: Mapping[str, int], made_of: Items) -> None:
        super().__init__(counts)
        self.made_of = made_of

    def __reduce__(self) -> tuple[type, tuple[dict[str, int]]]:
        """Copies and pickles are plain mappings."""
        return dict, (dict(self),)


# --- tasks that ask questions --------------------------------------------------------


def microbench_acc(items: Items) -> Figure:
    """Accuracy by the paper's rule, or by the strict one, as the items were scored: the mean of 0/1 over all questions."""
    return _mean_score(items)


def microbench_acc_ci_low(items: Items) -> Figure:
    """Lower end of the accuracy's 95 % bootstrap interval, questions resampled as in the paper."""
    return Figure(_interval(items).low, items)


def microbench_acc_ci_high(items: Items) -> Figure:
    """Upper end of the accuracy's 95 % bootstrap interval, questions resampled as in the paper."""
    return Figure(_interval(items).high, items)


def microbench_acc_image_ci_low(items: Items) -> Figure:
    """Lower end of the accuracy's 95 % bootstrap interval, images resampled with all their questions."""
    return Figure(_interval(items, by_image=True).low, items)


def microbench_acc_image_ci_high(items: Items) -> Figure:
    """Upper end of the accuracy's 95 % bootstrap interval, images resampled with all their questions."""
    return Figure(_interval(items, by_image=True).high, items)


def microbench_unparsed(items: Items) -> Figure:
    """The share of responses in which the strict rule reads no answer; they count as wrong."""
    return Figure(_mean([item["kind"] != "parsed" for item in items]), items)


def microbench_unparsed_by_kind(items: Items) -> Counts:
    """How many responses are unparsed, by kind."""
    return Counts(collections.Counter(sorted(item["kind"] for item in items if item["kind"] != "parsed")), items)


def microbench_failed(items: Items) -> int:
    """How many requests got no response, as a server's errors outlasted all retries or a budget was used up; a warning names them.

    They count as wrong. The harness keeps no failed request in its cache for tasks of ours, so that the same command asks them again.
    Text removed from the other responses (prompts, reasoning, chat tokens) is counted in a log line.
    """
    beside = reading_changes.taken_off(items)
    if beside:
        logger.info(f"Micro-Bench ({_asked_about(items)}): removed before the answer was read: {beside}.")
    failed = [item for item in items if item["failed"]]
    if failed:
        named = ", ".join(f"{item['image']} ({item['kind']})" for item in failed[:_NAMED])
        more = f" and {len(failed) - _NAMED} more; with --log_samples the samples file names all" if len(failed) > _NAMED else ""
        logger.warning(f"Micro-Bench: {len(failed)} of {len(items)} requests got no response and count as wrong: {named}{more}. With --use_cache the same command asks these again, and no other.")
    return len(failed)


def _asked_about(items: Items) -> str:
    """Name the kinds of question, or classes of boxes, and the dataset if there is only one."""
    kinds, datasets = (sorted({item[name] for item in items}) for name in ("kind", "dataset"))
    return ", ".join([*kinds[:_NAMED_KINDS], *(["…"] if len(kinds) > _NAMED_KINDS else []), *(datasets if len(datasets) == 1 else [])])


# --- tasks that ask for boxes --------------------------------------------------------


def microbench_grit(items: Items) -> Figure:
    """The mean GRIT localization score over all (image, class)."""
    return _mean_score(items)


def microbench_grit_ci_low(items: Items) -> Figure:
    """Lower end of the score's 95 % bootstrap interval, images resampled with all their classes."""
    return Figure(_interval(items, by_image=True).low, items)


def microbench_grit_ci_high(items: Items) -> Figure:
    """Upper end of the score's 95 % bootstrap interval, images resampled with all their classes."""
    return Figure(_interval(items, by_image=True).high, items)


def microbench_boxes_unparsed(items: Items) -> Figure:
    """The share of responses that hold no box and do not say that there is none; they count as no prediction."""
    return Figure(_mean([item["kind"] == "unparsed" for item in items]), items)


def microbench_boxes_truncated(items: Items) -> Figure:
    """The share of responses that break off; the boxes before that count."""
    return Figure(_mean([item["kind"] == "truncated" for item in items]), items)


def microbench_number_of_boxes(items: Items) -> int:
    """How many predicted boxes, over all responses, something is true of."""
    return sum(item["count"] for item in items)


# --- groups --------------------------------------------------------------------------

# The harness calls it with the figures of the group's tasks, their sizes and a flag; the latter two
# are not used, since pooling weighs each item alike. It applies an entry of a group to every metric
# whose name contains the entry's and lets the last one win, so none may fail on another's items.
GroupAggregation = Callable[[Sequence[Any], Sequence[int], bool], Any]


def _pooled(aggregate: Callable[[Items], Any]) -> GroupAggregation:
    """The group's figure: ``aggregate`` over the items of all its tasks."""

    @functools.wraps(aggregate)
    def aggregate_group(figures: Sequence[Any], sizes: Sequence[int], weight_by_size: bool) -> Any:
        return aggregate(_pool(figures))

    return aggregate_group


def _official(aggregate: Callable[[Items], Any]) -> GroupAggregation:
    """As `_pooled`, without the datasets that the totals of the paper's tables leave out."""
    return _pooled(functools.wraps(aggregate)(lambda items: aggregate(_in_total(items))))


def _derived(from_metric: str) -> Callable[[GroupAggregation], GroupAggregation]:
    def mark(aggregate: GroupAggregation) -> GroupAggregation:
        aggregate.derived_from = from_metric
        return aggregate

    return mark


microbench_group_acc = _official(microbench_acc)
microbench_group_acc_ci_low = _official(microbench_acc_ci_low)
microbench_group_acc_ci_high = _official(microbench_acc_ci_high)
microbench_group_unparsed = _official(microbench_unparsed)
microbench_group_unparsed_by_kind = _official(microbench_unparsed_by_kind)
microbench_group_grit = _pooled(microbench_grit)
microbench_group_grit_ci_low = _pooled(microbench_grit_ci_low)
microbench_group_grit_ci_high = _pooled(microbench_grit_ci_high)
microbench_group_boxes_unparsed = _pooled(microbench_boxes_unparsed)
microbench_group_boxes_truncated = _pooled(microbench_boxes_truncated)


def microbench_group_number_of_boxes(figures: Sequence[int], sizes: Sequence[int], weight_by_size: bool) -> int:
    """How many predicted boxes of all tasks something is true of."""
    return sum(figures)


microbench_group_acc_image_ci_low = _derived("acc")(_official(microbench_acc_image_ci_low))
microbench_group_acc_image_ci_high = _derived("acc")(_official(microbench_acc_image_ci_high))
# Over all questions, those outside the paper's totals too.
microbench_group_acc_all = _derived("acc")(_pooled(microbench_acc))
microbench_group_acc_all_ci_low = _derived("acc")(_pooled(microbench_acc_ci_low))
microbench_group_acc_all_ci_high = _derived("acc")(_pooled(microbench_acc_ci_high))


def microbench_group_failed(figures: Sequence[int], sizes: Sequence[int], weight_by_size: bool) -> int:
    """How many requests of all tasks got no response."""
    return sum(figures)


@_derived("acc")
def microbench_group_acc_macro(figures: Sequence[Figure], sizes: Sequence[int], weight_by_size: bool) -> float:
    """The mean of the tasks' accuracies, each over all of its questions, each task weighed alike."""
    return _mean(figures)


@_derived("acc")
def microbench_group_acc_macro_ci_low(figures: Sequence[Figure], sizes: Sequence[int], weight_by_size: bool) -> float:
    """Lower end of the interval of `microbench_group_acc_macro`, images resampled with all their questions."""
    return _macro_interval(figures).low


@_derived("acc")
def microbench_group_acc_macro_ci_high(figures: Sequence[Figure], sizes: Sequence[int], weight_by_size: bool) -> float:
    """Upper end of the interval of `microbench_group_acc_macro`, images resampled with all their questions."""
    return _macro_interval(figures).high


# --- what they share -----------------------------------------------------------------


def interval_settings() -> dict[str, Any]:
    """How intervals are drawn in this run, as results files record it.

    Raises:
        DataError: ``MICROBENCH_INTERVAL`` names no method.
    """
    method = os.environ.get(INTERVAL_SETTING, METHODS[0])
    if method not in METHODS:
        raise DataError(f"{INTERVAL_SETTING}={method}: expected one of {', '.join(METHODS)}.")
    return {"method": method, "confidence_level": CONFIDENCE_LEVEL, "num_resamples": NUM_RESAMPLES, "seed": SEED}


def _pool(figures: Iterable[Any]) -> list[Any]:
    return list(itertools.chain.from_iterable(figure.made_of for figure in figures))


def _in_total(items: Items) -> list[Any]:
    # Items of boxes, which the harness passes by here too, are never outside.
    return [item for item in items if item.get("in_total", True)]


def _mean_score(items: Items) -> Figure:
    return Figure(_mean([item["score"] for item in items]), items)


def _mean(values: Sequence[float]) -> float:
    # fsum's result does not depend on the order, which several processes change.
    return math.fsum(values) / len(values) if len(values) else math.nan


def _macro_interval(figures: Sequence[Figure]) -> Interval:
    tasks = np.repeat(np.arange(len(figures)), [len(figure.made_of) for figure in figures])
    return _interval(_pool(figures), by_image=True, groups=tasks)


def _interval(items: Items, *, by_image: bool = False, groups: np.ndarray | None = None) -> Interval:
    """The interval of the mean score; asked for one end and then the other, it is drawn once."""
    scores = np.array([item["score"] for item in items], dtype=np.float64)
    images = np.unique([item["image"] for item in items], return_inverse=True)[1] if by_image else None
    columns = (None if column is None else column.tobytes() for column in (scores, images, groups))
    return _drawn(*columns, tuple(interval_settings().items()))


@functools.lru_cache(maxsize=16)
def _drawn(scores: bytes, images: bytes | None, groups: bytes | None, settings: tuple[tuple[str, Any], ...]) -> Interval:
    clusters, groups = (None if labels is None else np.frombuffer(labels, dtype=np.int64) for labels in (images, groups))
    return bootstrap_interval(np.frombuffer(scores), clusters=clusters, groups=groups, **dict(settings))
