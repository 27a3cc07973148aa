"""Build the items that the harness logs and aggregates, one per metric, as the table of metrics states them."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from microbench_tasks.tasks.metric import Family, ItemFields
from microbench_tasks.tasks.metric_table import FAMILIES, METRIC_BY_NAME, task_entries

Item = Mapping[str, Any]
Items = dict[str, Any]

# Fields of a scored answer with few different values. Equal items of such fields are one object: a run keeps several
# items per answer until its end.
_FIELDS_WITH_FEW_VALUES = frozenset(
    {"score", "in_total", "strict_score", "strict_predicted", "rule", "response_kind"}
    | {"num_degenerate", "num_duplicate", "num_dropped"}
)
# The harness reads the main scores by name; ``score`` is what it looks for in the log of a ``--baseline``.
_SCORE_FIELDS = ("score", *(family.score for family in FAMILIES.values()))


@functools.cache
def _metrics_by_fields(family: Family) -> dict[ItemFields, list[str]]:
    """Return the names of metrics that share an item, by the fields of the item."""
    names: dict[ItemFields, list[str]] = {}
    for entry in task_entries(family):
        if entry.takes:
            names.setdefault(entry.takes, []).append(entry.name)
    return names


def items_of_answer(family: Family, answer: Mapping[str, Any]) -> Items:
    """Return the item of each metric for one answer, and its ``score``.

    Args:
        family: of the metrics.
        answer: the fields of a scored answer; see `microbench_tasks.tasks.results`.
    """
    items: Items = {}
    for fields, names in _metrics_by_fields(family).items():
        values = tuple([answer[source] for _, source in fields])
        item = _shared_item(fields, values) if _is_shared(fields) else _item(fields, values)
        items |= dict.fromkeys(names, item)
    return items | {"score": answer["score"]}


def _item(fields: ItemFields, values: Sequence[Any]) -> Items:
    return {name: value for (name, _), value in zip(fields, values, strict=True)}


_shared_item = functools.lru_cache(maxsize=256)(_item)


@functools.cache
def _is_shared(fields: ItemFields) -> bool:
    return all(source in _FIELDS_WITH_FEW_VALUES for _, source in fields)


# --- several answers to a question -----------------------------------------------------


def combine_items(answers: Sequence[Items], responses: Sequence[str]) -> Items:
    """Combine the items of all answers to one question (``--repeats``); return those of a single answer unchanged.

    The combined items are those of the first answer, with two changes: each score is the mean over all answers, and
    ``answers`` lists how each answer was parsed and scored. The metric ``repeats`` (for boxes: ``boxes_repeats``) gets
    an item with ``scores``, ``num_distinct`` (number of distinct responses), ``image`` and, for questions,
    ``in_total``.
    """
    if len(answers) == 1:
        return answers[0]
    first = answers[0]
    metrics = FAMILIES[_family(first)]
    combined = {name: _combine(name, [items[name] for items in answers]) for name in first if name != "score"}
    scores = [items["score"] for items in answers]
    shared = {name: first[metrics.score][name] for name in ("image", "in_total") if name in first[metrics.score]}
    repeats = {"scores": scores, "num_distinct": len(set(responses)), **shared}
    return combined | {metrics.repeats: repeats, "score": _mean(scores)}


def num_answers(items: Items) -> int:
    """Return the number of answers to the question of these items."""
    main = items[FAMILIES[_family(items)].score]
    return len(main.get("answers", [main]))


def _family(items: Items) -> Family:
    return next(family for family, metrics in FAMILIES.items() if metrics.score in items)


def _combine(name: str, items: Sequence[Item]) -> Items:
    scores = {field: _mean([item[field] for item in items]) for field in _SCORE_FIELDS if field in items[0]}
    fields = METRIC_BY_NAME[name].per_answer if name in METRIC_BY_NAME else ()
    answers = [{field: item[field] for field in fields} for item in items]
    return {**items[0], **scores, **({"answers": answers} if fields else {})}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
