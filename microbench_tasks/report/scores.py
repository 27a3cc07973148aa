"""The numbers of a report: plain functions of a run's items (`microbench_tasks.tasks.results`)."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.metrics.intervals import Interval
from microbench_tasks.report.rows import Rows
from microbench_tasks.report.runs import Run, tasks_of
from microbench_tasks.runs.rescoring import ScoredSample
from microbench_tasks.tasks import item_intervals

Item = Mapping[str, Any]

UNANSWERED = "no answer"
NOT_STATED = "not stated"
# Of microns per pixel: a slice holds its lower end.
SCALE_EDGES = (0.01, 0.1, 0.25, 0.5, 1.0)
GRIT_BINS = 20
# A confusion matrix needs options that come again: at least so many questions per right option.
_QUESTIONS_PER_CLASS = 2


@dataclass(frozen=True)
class Estimate:
    """A mean score with its 95 % interval by image, as fractions, over ``n`` scores of ``images`` images."""

    value: float
    low: float
    high: float
    n: int
    images: int


def estimate(
    items: Sequence[Item], interval: Callable[[Sequence[Item]], Interval] = item_intervals.accuracy_interval
) -> Estimate:
    """The mean ``score`` of items that carry their ``image``; NaN without any.

    ``interval`` is by default that of answers, right or wrong.
    """
    scores = [item["score"] for item in items]
    ends, counts = interval(items), item_intervals.count(items)
    return Estimate(
        math.fsum(scores) / len(scores) if scores else math.nan, ends.low, ends.high, len(scores), counts["images"]
    )


def questions(run: Run, subject: str) -> list[Item]:
    """The ``acc`` items of one subject that the totals count."""
    items = (sample.items["acc"] for task in tasks_of(run, subject) for sample in run.rescored.samples[task])
    return [item for item in items if item["in_total"]]


# --- slices --------------------------------------------------------------------------


@dataclass(frozen=True)
class Dimension:
    """A way to divide questions: its name, the labels in the order in which they are shown, and the label of an item."""

    name: str
    labels: tuple[str, ...]
    label_of: Callable[[Item], str | None]


def known_dimensions() -> dict[str, Dimension]:
    """Those that the dataset's name decides."""
    pathology = {True: "pathology", False: "other than pathology"}
    return {
        "ability": Dimension(
            "ability", tuple(catalog.ABILITIES), lambda item: catalog.ABILITY_OF_DATASET.get(item["dataset"])
        ),
        "pathology": Dimension(
            "pathology",
            tuple(pathology.values()),
            lambda item: pathology[item["dataset"] in catalog.PATHOLOGY_DATASETS],
        ),
    }


def row_dimensions(rows: Rows) -> dict[str, Dimension]:
    """Those that the rows of the data say."""
    found = {}
    for column, values in rows.slices.items():
        if column == "microns_per_pixel":
            found["scale"] = Dimension(
                "scale (microns per pixel)",
                (*_SCALES, NOT_STATED),
                lambda item: scale_label(rows.value("microns_per_pixel", item["image"])),
            )
        else:
            labels = sorted({value for value in values if value is not None})
            found[column] = Dimension(
                column,
                (*labels, NOT_STATED),
                lambda item, column=column: rows.value(column, item["image"]) or NOT_STATED,
            )
    return found


_SCALES = (
    f"below {SCALE_EDGES[0]:g}",
    *(f"{low:g} to {high:g}" for low, high in zip(SCALE_EDGES, SCALE_EDGES[1:])),
    f"{SCALE_EDGES[-1]:g} and above",
)


def scale_label(microns_per_pixel: float | None) -> str:
    """The slice that a scale falls into.

    >>> scale_label(0.1), scale_label(0.0999)
    ('0.1 to 0.25', '0.01 to 0.1')
    """
    if microns_per_pixel is None or not math.isfinite(microns_per_pixel):
        return NOT_STATED
    return _SCALES[int(np.searchsorted(SCALE_EDGES, microns_per_pixel, side="right"))]


def sliced(items: Iterable[Item], dimension: Dimension) -> dict[str, Estimate]:
    """The estimate of each slice that has a question, in the dimension's order."""
    by_label: dict[str, list[Item]] = collections.defaultdict(list)
    for item in items:
        by_label[dimension.label_of(item)].append(item)
    return {label: estimate(by_label[label]) for label in dimension.labels if label in by_label}


# --- answers -------------------------------------------------------------------------


@dataclass(frozen=True)
class Confusion:
    """How often each right option was answered with which: ``counts`` has a row for each class and, last, a column for no answer."""

    classes: list[str]
    counts: list[list[int]]

    @property
    def n(self) -> int:
        return sum(map(sum, self.counts))


def confusion(samples: Sequence[ScoredSample]) -> Confusion | None:
    """The options' texts against each other, as the strict rule reads the answers; None where options hardly ever come again."""
    pairs = [
        (
            option(sample.items["acc"], sample.items["acc"]["gold"]),
            option(sample.items["acc"], sample.items["acc_strict"]["predicted"]),
        )
        for sample in samples
    ]
    right = collections.Counter(gold for gold, _ in pairs)
    if len(pairs) < _QUESTIONS_PER_CLASS * len(right):
        return None
    classes = sorted(
        {text for pair in pairs for text in pair if text is not None}, key=lambda text: (-right[text], text)
    )
    place = {text: index for index, text in enumerate(classes)} | {None: len(classes)}
    counts = np.zeros((len(classes), len(classes) + 1), dtype=int)
    for gold, predicted in pairs:
        counts[place[gold], place[predicted]] += 1
    return Confusion(classes, counts.tolist())


def option(item: Item, letter: str | None) -> str | None:
    """The text of a letter's option, None for no letter."""
    return None if letter is None else item["options"][LETTERS.index(letter)]


def letters(run: Run) -> dict[str, dict[str, int]]:
    """How often each letter is right (``gold``) and read by the strict rule (``read``), over all questions."""
    found = {"gold": collections.Counter(), "read": collections.Counter()}
    for task in tasks_of(run, "coarse", "fine", "cognition"):
        for column, name in (("gold", "gold"), ("read", "acc_strict")):
            found[column].update(run.rescored.letters[task][name])
    return {
        column: {UNANSWERED if letter == "None" else letter: count for letter, count in sorted(counts.items())}
        for column, counts in found.items()
    }


# --- boxes ---------------------------------------------------------------------------


def grit_counts(run: Run, task: str) -> list[int]:
    """How many images and classes of a task have a GRIT score in each of `GRIT_BINS` equal bins from 0 to 1."""
    scores = [sample.items["grit"]["score"] for sample in run.rescored.samples[task]]
    return np.histogram(scores, bins=GRIT_BINS, range=(0, 1))[0].tolist()
