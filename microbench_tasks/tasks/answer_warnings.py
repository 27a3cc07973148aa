"""Warn about the answers to a task: failed requests, removed text, and repeated answers that are all the same.

Aggregations do not log. Whoever calls them, the harness or ``rescore``, passes their values on to `log_warnings`.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

from loguru import logger

from microbench_tasks.tasks.metric_table import FAMILIES
from microbench_tasks.tasks.repeats import each_answer
from microbench_tasks.util.notices import warn_once

Item = Mapping[str, Any]

# How many failed requests a warning names.
_MOST_NAMED_REQUESTS = 50
# How many kinds of question, or classes of boxes, a log line names.
_MOST_NAMED_KINDS = 5


def log_warnings(figures: Mapping[str, Any]) -> None:
    """Log what is worth knowing about the answers to one task.

    Args:
        figures: of the task, by name of the metric, as its aggregations return them (with ``samples``).
    """
    failed = getattr(figures.get("failed"), "samples", ())
    removed = removed_text(each_answer(failed))
    if removed:
        logger.info(f"Micro-Bench ({_subject(failed)}): removed before the answer was read: {removed}.")
    if message := failed_requests(failed):
        logger.warning(message)
    for family in FAMILIES.values():
        if message := equal_answers(getattr(figures.get(family.repeats), "samples", ())):
            warn_once(message)


def failed_requests(items: Sequence[Item]) -> str:
    """Describe the requests that got no response; empty if all got one.

    Args:
        items: of the metric ``failed``.
    """
    answers = each_answer(items)
    failed = [answer for answer in answers if answer["failed"]]
    if not failed:
        return ""
    named = ", ".join(f"{item['image']} ({item['kind']})" for item in failed[:_MOST_NAMED_REQUESTS])
    if len(failed) > _MOST_NAMED_REQUESTS:
        named += (
            f" and {len(failed) - _MOST_NAMED_REQUESTS} more; with --log_samples the samples file names all of them"
        )
    # Failed requests of our tasks are not kept in the harness's cache.
    return (
        f"Micro-Bench: {len(failed)} of {len(answers)} requests got no response and count as wrong: {named}. "
        "With --use_cache, the same command sends only these requests again."
    )


def equal_answers(items: Sequence[Item]) -> str:
    """Describe that all answers to each question are the same text; empty if some differ.

    Args:
        items: of the metric ``repeats`` or ``boxes_repeats``.
    """
    if not items or any(item["num_distinct"] > 1 for item in items):
        return ""
    return (
        "Micro-Bench: in some task, all answers to each question are the same text, although questions were asked "
        "several times. Decoding is greedy, or the model, its server or a cache gave one answer for all. "
        "variance_within of that task is 0 and was not measured."
    )


def removed_text(answers: Sequence[Item]) -> str:
    """Describe how many responses had text beside the answer removed, by kind; empty if none had.

    Args:
        answers: items of the metric ``failed``, one per answer.

    >>> removed_text([{"taken_off": ["end_token", "reasoning"]}, {"taken_off": []}])
    '1 of 2 responses: end token 1, reasoning 1'
    """
    kinds = [answer.get("taken_off") or [] for answer in answers]
    counts = collections.Counter(kind for of_answer in kinds for kind in of_answer)
    listed = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in sorted(counts.items()))
    return f"{sum(map(bool, kinds))} of {len(kinds)} responses: {listed}" if counts else ""


def _subject(items: Sequence[Item]) -> str:
    """Name the kinds of question, or classes of boxes, and the dataset if there is only one."""
    kinds, datasets = (sorted({item[name] for item in items}) for name in ("kind", "dataset"))
    more = ["…"] if len(kinds) > _MOST_NAMED_KINDS else []
    return ", ".join([*kinds[:_MOST_NAMED_KINDS], *more, *(datasets if len(datasets) == 1 else [])])
