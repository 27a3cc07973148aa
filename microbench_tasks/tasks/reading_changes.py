"""Compare logged scores with new ones: count what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from microbench_tasks.tasks.metric_table import METRICS

Sample = Mapping[str, Any]
Items = Mapping[str, Any]

# Scores closer than this are equal: logs store them in full precision.
_TOLERANCE = 1e-9
# How changes of fields that hold no score are named.
_FIELD_NAMES = {"kind": "kind of response", "failed": "failed or not"}


def changes(samples: Sequence[Sample], items: Sequence[Items]) -> dict[str, str]:
    """Describe, by metric, how many logged scores and kinds have changed; leave out metrics without a change.

    Args:
        samples: of one task, as logged.
        items: the result of scoring each of them again.

    >>> changes([{"acc": {"acc": 0.0}}], [{"acc": {"acc": 1.0}}])
    {'acc': '1 (1 up, 0 down)'}
    """
    scores, kinds = {}, {}
    for metric in METRICS:
        if metric.compared is None:
            continue
        pairs = list(_pairs(metric.name, metric.compared, samples, items))
        is_number = all(isinstance(value, int | float) for pair in pairs for value in pair)
        if metric.compared in _FIELD_NAMES or not is_number:
            if num_changed := sum(before != now for before, now in pairs):
                kinds[_FIELD_NAMES.get(metric.compared, metric.name)] = str(num_changed)
            continue
        num_up, num_down = (sum(step * (now - before) > _TOLERANCE for before, now in pairs) for step in (1, -1))
        if num_up or num_down:
            scores[metric.name] = f"{num_up + num_down} ({num_up} up, {num_down} down)"
    return scores | kinds


def _pairs(metric: str, field: str, samples: Sequence[Sample], items: Sequence[Items]) -> Iterable[tuple[Any, Any]]:
    """Yield the logged and the new value of a field for each sample that has it."""
    for sample, item in zip(samples, items, strict=True):
        logged = sample.get(metric)
        if metric in item and isinstance(logged, Mapping) and type(logged.get(field)) in (int, float, bool, str):
            yield logged[field], item[metric][field]
