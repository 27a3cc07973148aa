"""Confidence intervals of the mean score of items, clustered by image (for own data: by group) or by dataset.

Items are those of `microbench_tasks.tasks.results` with ``score`` (from 0 to 1) and ``image`` (dataset and image id).
Those of own data have ``group``, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from microbench_tasks.metrics import bootstrap, intervals
from microbench_tasks.metrics.intervals import CONFIDENCE_LEVEL, Interval
from microbench_tasks.tasks.repeats import each_answer

Item = Mapping[str, Any]
# Returns the cluster of an item.
Cluster = Callable[[Item], str]

# What the intervals are about, for readers of pages; see `unit_of` and `dataset_of`.
ABOUT_IMAGES = "The interval is about new images of the same datasets: it says nothing about other datasets."
ABOUT_GROUPS = (
    "Where images have groups, such as slides, the interval is about new groups: it counts each as one observation."
)
ABOUT_DATASETS = "The interval is about new datasets like these: it counts each dataset as one observation."


def image_of(item: Item) -> str:
    """Return the image that an item is about."""
    return item["image"]


def unit_of(item: Item) -> str:
    """Return what an item is one observation of: the group of its image if it has one (own data), else its image."""
    return f"{dataset_of(item)}/{item['group']}" if "group" in item else image_of(item)


def dataset_of(item: Item) -> str:
    """Return the dataset that an item's image is from."""
    return item["image"].partition("/")[0]


def count(items: Sequence[Item]) -> dict[str, int]:
    """Count questions (for boxes: pairs of an image and a class), images, datasets, and groups of images if any."""
    units, images, datasets = ({label(item) for item in items} for label in (unit_of, image_of, dataset_of))
    groups = {"groups": len(units)} if len(units) < len(images) else {}
    return {"questions": len(items), "images": len(images), "datasets": len(datasets), **groups}


def paper_interval(items: Sequence[Item], settings: Mapping[str, Any]) -> Interval:
    """Compute the bootstrap interval of the mean score as in the paper, with questions as independent units.

    ``settings`` are keyword arguments of `bootstrap.bootstrap_interval`.
    """
    return _paper_interval(_scores(items).tobytes(), tuple(settings.items()))


def accuracy_interval(items: Sequence[Item], cluster: Cluster = unit_of) -> Interval:
    """Compute the interval of an accuracy; see `intervals.accuracy_interval`."""
    return _clustered_interval(
        intervals.accuracy_interval, _scores(items).tobytes(), _codes(map(cluster, items)).tobytes()
    )


def score_interval(items: Sequence[Item], cluster: Cluster = unit_of) -> Interval:
    """Compute the interval of the mean of scores such as GRIT; see `intervals.score_interval`."""
    return _clustered_interval(
        intervals.score_interval, _scores(items).tobytes(), _codes(map(cluster, items)).tobytes()
    )


def share_interval(
    parts: Callable[[Item], int], totals: Callable[[Item], int]
) -> Callable[[Sequence[Item], Cluster], Interval]:
    """Return a function that computes the interval of a pooled share; see `intervals.share_interval`.

    Args:
        parts: returns the number of boxes of an answer that count.
        totals: returns the number of all of its boxes.
    """

    def interval(items: Sequence[Item], cluster: Cluster = unit_of) -> Interval:
        answers = each_answer(items)
        numbers = (np.array([of(answer) for answer in answers], dtype=np.float64) for of in (parts, totals))
        return _share_interval(*(array.tobytes() for array in numbers), _codes(map(cluster, answers)).tobytes())

    return interval


def macro_interval(tasks: Sequence[Sequence[Item]], cluster: Cluster = unit_of) -> Interval:
    """Compute the interval of the unweighted mean of the tasks' accuracies; see `intervals.macro_interval`."""
    items = [item for task in tasks for item in task]
    groups = np.repeat(np.arange(len(tasks)), [len(task) for task in tasks])
    return _macro_interval(_scores(items).tobytes(), groups.tobytes(), _codes(map(cluster, items)).tobytes())


def _scores(items: Sequence[Item]) -> np.ndarray:
    return np.array([item["score"] for item in items], dtype=np.float64)


def _codes(labels: Iterable[str]) -> np.ndarray:
    """Number labels in the order in which they first occur."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)


# Cached, since the harness asks for the two ends of an interval in separate calls.


@functools.lru_cache(maxsize=16)
def _paper_interval(scores: bytes, settings: tuple[tuple[str, Any], ...]) -> Interval:
    return bootstrap.bootstrap_interval(np.frombuffer(scores), **dict(settings))


@functools.lru_cache(maxsize=16)
def _clustered_interval(interval: Callable[..., Interval], scores: bytes, clusters: bytes) -> Interval:
    return interval(np.frombuffer(scores), np.frombuffer(clusters, dtype=np.int64), confidence_level=CONFIDENCE_LEVEL)


@functools.lru_cache(maxsize=16)
def _share_interval(parts: bytes, totals: bytes, clusters: bytes) -> Interval:
    numbers = np.frombuffer(parts), np.frombuffer(totals)
    return intervals.share_interval(
        *numbers, np.frombuffer(clusters, dtype=np.int64), confidence_level=CONFIDENCE_LEVEL
    )


@functools.lru_cache(maxsize=16)
def _macro_interval(scores: bytes, groups: bytes, clusters: bytes) -> Interval:
    labels = (np.frombuffer(codes, dtype=np.int64) for codes in (groups, clusters))
    return intervals.macro_interval(np.frombuffer(scores), *labels, confidence_level=CONFIDENCE_LEVEL)
