"""Build the items that the harness logs and aggregates, one per metric, as the table of metrics states them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from microbench_tasks.tasks.metric import Family, ItemFields, takes
from microbench_tasks.tasks.metric_table import ENTRIES, FAMILIES, task_entries

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


@dataclass(frozen=True)
class _ItemPlan:
    """Say how the item is built that some metrics share.

    Attributes:
        metrics: their names.
        values_of: returns the values of the item's fields of a scored answer.
        build: returns the item for these values.
    """

    metrics: tuple[str, ...]
    values_of: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    build: Callable[[tuple[Any, ...]], Items]


@functools.cache
def _item_plans(family: Family, has_group: bool) -> tuple[_ItemPlan, ...]:
    metrics: dict[ItemFields, list[str]] = {}
    for entry in task_entries(family):
        if entry.takes:
            # The group of an image takes the place of the image where answers are clustered.
            group = takes(group="group") if has_group and "image" in dict(entry.takes) else ()
            metrics.setdefault(entry.takes + group, []).append(entry.name)
    return tuple(_item_plan(fields, names) for fields, names in metrics.items())


def _item_plan(fields: ItemFields, metrics: Sequence[str]) -> _ItemPlan:
    names, sources = zip(*fields, strict=True)
    values_of = itemgetter(*sources) if len(sources) > 1 else lambda answer: (answer[sources[0]],)

    def build(values: tuple[Any, ...]) -> Items:
        return dict(zip(names, values, strict=True))

    is_shared = set(sources) <= _FIELDS_WITH_FEW_VALUES
    return _ItemPlan(tuple(metrics), values_of, functools.lru_cache(maxsize=256)(build) if is_shared else build)


def items_of_answer(family: Family, answer: Mapping[str, Any]) -> Items:
    """Return the item of each metric for one answer, and its ``score``.

    Args:
        family: of the metrics.
        answer: the fields of a scored answer; see `microbench_tasks.tasks.results`.
    """
    items: Items = {}
    for plan in _item_plans(family, "group" in answer):
        item = plan.build(plan.values_of(answer))
        for metric in plan.metrics:
            items[metric] = item
    items["score"] = answer["score"]
    return items


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
    # The ends of an interval have items of their own, some of them with every answer.
    fields = ENTRIES[name].metric.per_answer if name in ENTRIES else ()
    fields = fields if set(fields) <= items[0].keys() else ()
    answers = [{field: item[field] for field in fields} for item in items]
    return {**items[0], **scores, **({"answers": answers} if fields else {})}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
