"""What the order of the options and the wording of the instruction do to one run's answers."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.aggregations import bootstrap_settings
from microbench_tasks.answers import LETTERS
from microbench_tasks.metrics.bootstrap import bootstrap_interval

# A question: dataset and image, kind, and which of several equal ones.
Key = tuple[str, str, int]
# What one sample was scored as (see `results.microbench_process_results`).
Items = dict[str, Any]


def report(items: Mapping[str, Sequence[Items]]) -> dict[str, Any]:
    """Variants of a run against each other and against the paper's way of asking.

    Args:
        items: of each task the items of each of its documents, in the documents' order.

    Returns:
        Empty without a variant. Else ``ways``: of each variant, and first of ``microbench_coarse``
        (those of its tasks that are there), ``n``, ``acc``, ``acc_strict``, ``recall`` (of each letter that is
        right anywhere, the share of those questions in which the strict rule reads it) and its standard
        deviation over the letters, ``recall_std`` (from 0 to 0.5: a model that favours a position has a
        high recall there and a low one elsewhere; a letter that is right nowhere is in neither). A variant compared with ``microbench_coarse`` also has, over the ``n_paired``
        questions that both asked, ``difference`` (in ``acc``) with its 95 % interval
        (``difference_ci_low``, ``difference_ci_high``; images resampled) and ``same_option``: the
        share of them in which the strict rule reads the same option, wherever it stands; no answer
        is never the same, and ``n_paired`` alone if there is no such question. ``spread``: the largest less the smallest ``acc`` over the ``n_common``
        questions that were asked in every way; None if there are none, or a single way.

    Source of ``recall_std``: RStd in Zheng et al., "Large Language Models Are Not Robust Multiple Choice
    Selectors", ICLR 2024 (arXiv 2309.03882).
    """
    variants = [name for name in catalog.VARIANTS if name in items]
    if not variants:
        return {}
    coarse = [task for task in catalog.tasks_named([catalog.COARSE_GROUP]) if task in items]
    asked = ({catalog.COARSE_GROUP: _by_question(item for task in coarse for item in items[task])} if coarse else {}) | {name: _by_question(items[name]) for name in variants}
    ways = {name: _alone(list(found.values())) for name, found in asked.items()}
    for name in variants if coarse else ():
        ways[name] |= _compared(asked[name], asked[catalog.COARSE_GROUP])
    common = set.intersection(*(set(found) for found in asked.values()))
    accuracies = [_mean([found[key]["acc"]["score"] for key in common]) for found in asked.values()]
    return {"ways": ways, "spread": max(accuracies) - min(accuracies) if common and len(ways) > 1 else None, "n_common": len(common)}


def as_text(found: Mapping[str, Any], render: Callable[[list[str], list[list[str]]], str]) -> str:
    """A report for reading; ``render`` makes a table of a header and rows of texts."""
    compared = any("difference" in way for way in found["ways"].values())
    header = ["asked as", "n", "acc", "acc_strict", "recall_std", *(["pairs", "difference", "same option"] if compared else [])]
    rows = [[name, str(way["n"]), *(_shown(way[figure]) for figure in ("acc", "acc_strict", "recall_std")), *(_shown_comparison(way) if compared else [])] for name, way in found["ways"].items()]
    table = render(header, rows)
    if len(rows) == 1:
        return table
    spread = "no question was asked in every way" if found["spread"] is None else f"{found['spread']:.4f} over the {found['n_common']} questions asked in every way"
    return f"{table}\nspread of acc: {spread}"


def _by_question(items: Iterable[Items]) -> dict[Key, Items]:
    turns: collections.Counter[tuple[str, str]] = collections.Counter()
    found = {}
    for item in items:
        question = (item["acc"]["image"], item["acc"]["kind"])
        found[*question, turns[question]] = item
        turns[question] += 1
    return found


def _alone(items: Sequence[Items]) -> dict[str, Any]:
    hits: dict[str, list[float]] = collections.defaultdict(list)
    for item in items:
        hits[item["acc"]["gold"]].append(item["acc_strict"]["score"])
    recall = {letter: _mean(hits[letter]) for letter in sorted(hits)}
    return {
        "n": len(items),
        "acc": _mean([item["acc"]["score"] for item in items]),
        "acc_strict": _mean([item["acc_strict"]["score"] for item in items]),
        "recall": recall,
        "recall_std": float(np.std(list(recall.values()))),
    }


def _compared(variant: Mapping[Key, Items], coarse: Mapping[Key, Items]) -> dict[str, Any]:
    pairs = [(key[0], item, coarse[key]) for key, item in variant.items() if key in coarse]
    if not pairs:
        return {"n_paired": 0}
    differences = [item["acc"]["score"] - other["acc"]["score"] for _, item, other in pairs]
    images = np.unique([image for image, _, _ in pairs], return_inverse=True)[1]
    interval = bootstrap_interval(differences, clusters=images, **bootstrap_settings())
    same = [_option(item) is not None and _option(item) == _option(other) for _, item, other in pairs]
    return {
        "n_paired": len(pairs),
        "difference": _mean(differences),
        "difference_ci_low": interval.low,
        "difference_ci_high": interval.high,
        "same_option": _mean(same),
    }


def _option(item: Items) -> str | None:
    letter = item["acc_strict"]["predicted"]
    return None if letter is None else item["acc"]["options"][LETTERS.index(letter)]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _shown(value: float) -> str:
    return f"{value:.4f}"


def _shown_comparison(way: Mapping[str, Any]) -> list[str]:
    if "difference" not in way:
        return ["", "", ""]
    return [str(way["n_paired"]), f"{way['difference']:+.4f} [{way['difference_ci_low']:+.4f}, {way['difference_ci_high']:+.4f}]", _shown(way["same_option"])]
