"""Compare logged scores with new ones: count what changed, and what is removed before answers are read."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Sample = Mapping[str, Any]
Items = Mapping[str, Any]

# Scores closer than this are equal: logs store them in full precision.
_TOLERANCE = 1e-9
# The field with the score of each metric.
_SCORES = {"acc": "acc", "acc_strict": "score", "grit": "grit"}
# The field with the kind of response of each metric.
_KINDS = {"unparsed": "kind", "boxes_unparsed": "kind", "failed": "failed"}
_NAMES = {"unparsed": "kind of response", "boxes_unparsed": "kind of response", "failed": "failed or not"}


def changes(samples: Sequence[Sample], items: Sequence[Items]) -> dict[str, str]:
    """Describe, by metric, how many logged scores and kinds have changed; leave out metrics without a change.

    Args:
        samples: of one task, as logged.
        items: the result of scoring each of them again.

    >>> changes([{"acc": {"acc": 0.0}}], [{"acc": {"acc": 1.0}}])
    {'acc': '1 (1 up, 0 down)'}
    """
    found = {}
    for metric, field in _SCORES.items():
        pairs = list(_pairs(metric, field, samples, items))
        num_up, num_down = (sum(step * (now - before) > _TOLERANCE for before, now in pairs) for step in (1, -1))
        if num_up or num_down:
            found[metric] = f"{num_up + num_down} ({num_up} up, {num_down} down)"
    for metric, field in _KINDS.items():
        num_changed = sum(before != now for before, now in _pairs(metric, field, samples, items))
        if num_changed:
            found[_NAMES[metric]] = str(num_changed)
    return found


def _pairs(metric: str, field: str, samples: Sequence[Sample], items: Sequence[Items]) -> Iterable[tuple[Any, Any]]:
    """Yield the logged and the new value of a field for each sample that has it."""
    for sample, item in zip(samples, items, strict=True):
        logged = sample.get(metric)
        if metric in item and isinstance(logged, Mapping) and type(logged.get(field)) in (int, float, bool, str):
            yield logged[field], item[metric][field]


def taken_off(failures: Sequence[Items]) -> str:
    """Describe how many responses had text beside the answer removed, by kind; empty if none had.

    Args:
        failures: the items of the metric ``failed``.

    >>> taken_off([{"taken_off": ["end_token", "reasoning"]}, {"taken_off": []}])
    '1 of 2 responses: end token 1, reasoning 1'
    """
    kinds = [item.get("taken_off") or [] for item in failures]
    counts = collections.Counter(kind for found in kinds for kind in found)
    listed = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in sorted(counts.items()))
    return f"{sum(map(bool, kinds))} of {len(kinds)} responses: {listed}" if counts else ""
