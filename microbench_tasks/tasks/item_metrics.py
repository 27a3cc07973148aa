"""Compute the metrics of the table from items: pure functions, without logging or settings.

Items are what `microbench_tasks.tasks.results` logs for each document; which of its fields a metric reads is
stated in its row of `microbench_tasks.tasks.metric_table`.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from microbench_tasks.metrics.variance import variance_components
from microbench_tasks.tasks.repeats import each_answer

Items = Sequence[Mapping[str, Any]]


def mean(values: Sequence[float]) -> float:
    """Return the mean, NaN of no values."""
    # fsum's result does not depend on the order, which several processes change.
    return math.fsum(values) / len(values) if len(values) else math.nan


def of_fields(function: Callable[..., Any], *fields: str) -> Callable[[Items], Any]:
    """Return a function of items that passes each of the fields, as a list over all items, to ``function``.

    >>> of_fields(lambda gold, predicted: sum(map(str.__eq__, gold, predicted)), "gold", "predicted")(
    ...     [{"gold": "A", "predicted": "A"}, {"gold": "B", "predicted": "A"}]
    ... )
    1
    """
    return lambda items: function(*([item[field] for item in items] for field in fields))


def mean_score(items: Items) -> float:
    """Return the mean of ``score``."""
    return mean([item["score"] for item in items])


def share_without_answer(items: Items) -> float:
    """Return the share of responses whose ``kind`` is not ``parsed``."""
    return mean([answer["kind"] != "parsed" for answer in each_answer(items)])


def share_of_kind(kind: str) -> Callable[[Items], float]:
    """Return a function that computes the share of responses of this ``kind``."""
    return lambda items: mean([answer["kind"] == kind for answer in each_answer(items)])


def count_by_kind(items: Items) -> dict[str, int]:
    """Count the responses without an answer by ``kind``, in alphabetical order."""
    kinds = sorted(answer["kind"] for answer in each_answer(items))
    return dict(collections.Counter(kind for kind in kinds if kind != "parsed"))


def total_count(items: Items) -> int:
    """Return the sum of ``count`` over all responses."""
    return sum(answer["count"] for answer in each_answer(items))


def count_failed(items: Items) -> int:
    """Count the requests that got no response."""
    return sum(bool(answer["failed"]) for answer in each_answer(items))


def of_answer_fields(function: Callable[..., float], *fields: str) -> Callable[[Items], float]:
    """Return a function of items like `of_fields`, with the fields of each answer (``--repeats``)."""
    of_answers = of_fields(function, *fields)
    return lambda items: of_answers(each_answer(items))


def repeat_variances(items: Items) -> dict[str, Any]:
    """Split the variance of scores where each question was answered several times.

    Returns:
        ``answers``: the number of answers to each question (a list if it differs between questions).
        ``variance_between``: the variance of the questions' expected scores.
        ``variance_within``: the mean variance of the scores of the answers to one question.

        Both variances are unbiased (`microbench_tasks.metrics.variance`) and rounded to six decimals.
    """
    variances = variance_components([item["scores"] for item in items])
    numbers = sorted({len(item["scores"]) for item in items})
    return {
        "answers": numbers[0] if len(numbers) == 1 else numbers,
        "variance_between": _rounded(variances.between),
        "variance_within": _rounded(variances.within),
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
