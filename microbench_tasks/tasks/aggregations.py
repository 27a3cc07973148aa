"""What the YAML of tasks and groups names as aggregations.

The harness hands a group the very figures that its tasks' aggregations returned. They carry
the items they were made of, so that a group pools questions instead of averaging averages.

The harness computes for a group only what its tasks have too. A group's further figures are
made of those of the task metric that their function names in ``derived_from``
(`microbench_tasks.harness.patches.scoring` sees to it).

``acc_ci_*`` reproduces the paper's interval: a basic bootstrap of questions (``MICROBENCH_INTERVAL=percentile``:
a percentile bootstrap). The intervals to quote are the others, ``acc_image_ci_*``, ``acc_macro_ci_*``,
``acc_all_ci_*`` and ``grit_ci_*``, of `microbench_tasks.metrics.intervals`. Results files record both methods.
"""

from __future__ import annotations

import collections
import functools
import itertools
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from loguru import logger

from microbench_tasks.metrics.bootstrap import METHODS, NUM_RESAMPLES, SEED
from microbench_tasks.metrics.intervals import CONFIDENCE_LEVEL
from microbench_tasks.metrics.variance import variance_components
from microbench_tasks.tasks import item_intervals, reading_changes
from microbench_tasks.tasks.repeats import each_answer
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once

INTERVAL_SETTING = "MICROBENCH_INTERVAL"
# What results files call the method of the intervals to quote.
QUOTED_METHOD = "Clopper-Pearson, clustered by image"

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
    """Several figures of items (``made_of``), such as how often each of several things occurs among them."""

    made_of: Items

    def __init__(self, counts: Mapping[str, Any], made_of: Items) -> None:
        super().__init__(counts)
        self.made_of = made_of

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        """Copies and pickles are plain mappings."""
        return dict, (dict(self),)


# --- tasks that ask questions --------------------------------------------------------


def microbench_acc(items: Items) -> Figure:
    """Accuracy by the paper's rule, or by the strict one, as the items were scored: the mean of 0/1 over all questions."""
    return _mean_score(items)


def microbench_acc_ci_low(items: Items) -> Figure:
    """Lower end of the paper's 95 % bootstrap interval of the accuracy, each question by itself."""
    return Figure(item_intervals.paper_interval(items, bootstrap_settings()).low, items)


def microbench_acc_ci_high(items: Items) -> Figure:
    """Upper end of the paper's 95 % bootstrap interval of the accuracy, each question by itself."""
    return Figure(item_intervals.paper_interval(items, bootstrap_settings()).high, items)


def microbench_acc_image_ci_low(items: Items) -> Figure:
    """Lower end of the accuracy's 95 % interval, the answers about an image kept together."""
    return Figure(item_intervals.accuracy_interval(items).low, items)


def microbench_acc_image_ci_high(items: Items) -> Figure:
    """Upper end of the accuracy's 95 % interval, the answers about an image kept together."""
    return Figure(item_intervals.accuracy_interval(items).high, items)


def microbench_counts(items: Items) -> Counts:
    """Count the questions, images and datasets that the score is about."""
    return Counts(item_intervals.count(items), items)


def microbench_unparsed(items: Items) -> Figure:
    """The share of responses in which the strict rule reads no answer; they count as wrong."""
    return Figure(_mean([answer["kind"] != "parsed" for answer in each_answer(items)]), items)


def microbench_unparsed_by_kind(items: Items) -> Counts:
    """How many responses are unparsed, by kind."""
    kinds = sorted(answer["kind"] for answer in each_answer(items))
    return Counts(collections.Counter(kind for kind in kinds if kind != "parsed"), items)


def microbench_repeats(items: Items) -> Counts:
    """Where questions were answered several times: the number of answers to each, and the variance of their scores.

    ``variance_between`` is that of the questions' expected scores, ``variance_within`` the mean variance of the answers
    to one question. Both are unbiased (`microbench_tasks.metrics.variance`), and rounded to six decimals.
    """
    if all(item["num_distinct"] == 1 for item in items):
        warn_once(
            "Micro-Bench: in some task, all answers to each question are the same text, although questions were asked "
            "several times: decoding is greedy, or the model, its server or a cache gave one answer for all. "
            "variance_within of that task is 0 and was not measured."
        )
    found = variance_components([item["scores"] for item in items])
    numbers = sorted({len(item["scores"]) for item in items})
    figures = {
        "answers": numbers[0] if len(numbers) == 1 else numbers,
        "variance_between": _rounded(found.between),
        "variance_within": _rounded(found.within),
    }
    return Counts(figures, items)


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def microbench_failed(items: Items) -> int:
    """How many requests got no response, as a server's errors outlasted all retries or a budget was used up; a warning names them.

    They count as wrong. The harness keeps no failed request in its cache for tasks of ours, so that the same command asks them again.
    Text removed from the other responses (prompts, reasoning, chat tokens) is counted in a log line.
    """
    answers = each_answer(items)
    beside = reading_changes.taken_off(answers)
    if beside:
        logger.info(f"Micro-Bench ({_asked_about(items)}): removed before the answer was read: {beside}.")
    failed = [answer for answer in answers if answer["failed"]]
    if failed:
        named = ", ".join(f"{item['image']} ({item['kind']})" for item in failed[:_NAMED])
        more = (
            f" and {len(failed) - _NAMED} more; with --log_samples the samples file names all"
            if len(failed) > _NAMED
            else ""
        )
        logger.warning(
            f"Micro-Bench: {len(failed)} of {len(answers)} requests got no response and count as wrong: {named}{more}. With --use_cache the same command asks these again, and no other."
        )
    return len(failed)


def _asked_about(items: Items) -> str:
    """Name the kinds of question, or classes of boxes, and the dataset if there is only one."""
    kinds, datasets = (sorted({item[name] for item in items}) for name in ("kind", "dataset"))
    return ", ".join(
        [
            *kinds[:_NAMED_KINDS],
            *(["…"] if len(kinds) > _NAMED_KINDS else []),
            *(datasets if len(datasets) == 1 else []),
        ]
    )


# --- tasks that ask for boxes --------------------------------------------------------


def microbench_grit(items: Items) -> Figure:
    """The mean GRIT localization score over all (image, class)."""
    return _mean_score(items)


def microbench_grit_ci_low(items: Items) -> Figure:
    """Lower end of the score's 95 % interval, the classes of an image kept together."""
    return Figure(item_intervals.score_interval(items).low, items)


def microbench_grit_ci_high(items: Items) -> Figure:
    """Upper end of the score's 95 % interval, the classes of an image kept together."""
    return Figure(item_intervals.score_interval(items).high, items)


def microbench_boxes_unparsed(items: Items) -> Figure:
    """The share of responses that hold no box and do not say that there is none; they count as no prediction."""
    return Figure(_mean([answer["kind"] == "unparsed" for answer in each_answer(items)]), items)


def microbench_boxes_truncated(items: Items) -> Figure:
    """The share of responses that break off; the boxes before that count."""
    return Figure(_mean([answer["kind"] == "truncated" for answer in each_answer(items)]), items)


def microbench_number_of_boxes(items: Items) -> int:
    """How many predicted boxes, over all responses, something is true of."""
    return sum(answer["count"] for answer in each_answer(items))


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
microbench_group_acc_image_ci_low = _official(microbench_acc_image_ci_low)
microbench_group_acc_image_ci_high = _official(microbench_acc_image_ci_high)
microbench_group_counts = _official(microbench_counts)
microbench_group_repeats = _official(microbench_repeats)
microbench_group_unparsed = _official(microbench_unparsed)
microbench_group_unparsed_by_kind = _official(microbench_unparsed_by_kind)
microbench_group_grit = _pooled(microbench_grit)
microbench_group_grit_ci_low = _pooled(microbench_grit_ci_low)
microbench_group_grit_ci_high = _pooled(microbench_grit_ci_high)
microbench_group_boxes_counts = _pooled(microbench_counts)
microbench_group_boxes_repeats = _pooled(microbench_repeats)
microbench_group_boxes_unparsed = _pooled(microbench_boxes_unparsed)
microbench_group_boxes_truncated = _pooled(microbench_boxes_truncated)


def microbench_group_number_of_boxes(figures: Sequence[int], sizes: Sequence[int], weight_by_size: bool) -> int:
    """How many predicted boxes of all tasks something is true of."""
    return sum(figures)


# Over all questions, those outside the paper's totals too.
microbench_group_acc_all = _derived("acc")(_pooled(microbench_acc))
microbench_group_acc_all_ci_low = _derived("acc")(_pooled(microbench_acc_image_ci_low))
microbench_group_acc_all_ci_high = _derived("acc")(_pooled(microbench_acc_image_ci_high))


def microbench_group_failed(figures: Sequence[int], sizes: Sequence[int], weight_by_size: bool) -> int:
    """How many requests of all tasks got no response."""
    return sum(figures)


@_derived("acc")
def microbench_group_acc_macro(figures: Sequence[Figure], sizes: Sequence[int], weight_by_size: bool) -> float:
    """The mean of the tasks' accuracies, each over all of its questions, each task weighed alike."""
    return _mean(figures)


@_derived("acc")
def microbench_group_acc_macro_ci_low(figures: Sequence[Figure], sizes: Sequence[int], weight_by_size: bool) -> float:
    """Lower end of the interval of `microbench_group_acc_macro`, the answers about an image kept together."""
    return item_intervals.macro_interval([figure.made_of for figure in figures]).low


@_derived("acc")
def microbench_group_acc_macro_ci_high(figures: Sequence[Figure], sizes: Sequence[int], weight_by_size: bool) -> float:
    """Upper end of the interval of `microbench_group_acc_macro`, the answers about an image kept together."""
    return item_intervals.macro_interval([figure.made_of for figure in figures]).high


# --- what they share -----------------------------------------------------------------


def interval_settings() -> dict[str, Any]:
    """Return how intervals are computed in this run, as results files record it.

    ``paper`` is of ``acc_ci_*`` alone, ``quoted`` of every other interval.

    Raises:
        DataError: ``MICROBENCH_INTERVAL`` names no method.
    """
    return {"paper": bootstrap_settings(), "quoted": {"method": QUOTED_METHOD, "confidence_level": CONFIDENCE_LEVEL}}


def bootstrap_settings() -> dict[str, Any]:
    """Return the options of `bootstrap_interval` in this run; raises as `interval_settings` does."""
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
