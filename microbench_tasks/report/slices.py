"""Divide questions into slices: by ability, or by what their micrographs show."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.report.data_rows import Rows
from microbench_tasks.report.estimates import Estimate, Item, estimate

NOT_STATED = "not stated"
# In microns per pixel; a slice includes its lower end.
SCALE_EDGES = (0.01, 0.1, 0.25, 0.5, 1.0)

_SCALE_COLUMN = "microns_per_pixel"
_SCALES = (
    f"below {SCALE_EDGES[0]:g}",
    *(f"{low:g} to {high:g}" for low, high in zip(SCALE_EDGES, SCALE_EDGES[1:], strict=False)),
    f"{SCALE_EDGES[-1]:g} and above",
)


@dataclass(frozen=True)
class Dimension:
    """Define a way to divide questions.

    Attributes:
        name: of the dimension.
        labels: of the slices, in the order shown.
        label_of: returns the label of an item; None if it is in no slice.
    """

    name: str
    labels: tuple[str, ...]
    label_of: Callable[[Item], str | None]


def catalog_dimensions() -> dict[str, Dimension]:
    """Return the dimensions that follow from the name of the dataset."""
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
    """Return the dimensions that the columns of the data state."""
    dimensions = {column: _column_dimension(rows, column) for column in rows.slices if column != _SCALE_COLUMN}
    if _SCALE_COLUMN in rows.slices:
        dimensions["scale"] = Dimension(
            "scale (microns per pixel)",
            (*_SCALES, NOT_STATED),
            lambda item: scale_label(rows.value(_SCALE_COLUMN, item["image"])),
        )
    return dimensions


def _column_dimension(rows: Rows, column: str) -> Dimension:
    labels = sorted({value for value in rows.slices[column] if value is not None})
    return Dimension(column, (*labels, NOT_STATED), lambda item: rows.value(column, item["image"]) or NOT_STATED)


def scale_label(microns_per_pixel: float | None) -> str:
    """Return the slice of a scale.

    >>> scale_label(0.1), scale_label(0.0999)
    ('0.1 to 0.25', '0.01 to 0.1')
    """
    if microns_per_pixel is None or not math.isfinite(microns_per_pixel):
        return NOT_STATED
    return _SCALES[int(np.searchsorted(SCALE_EDGES, microns_per_pixel, side="right"))]


def estimate_slices(items: Iterable[Item], dimension: Dimension) -> dict[str, Estimate]:
    """Return the estimate of each slice with questions, in the order of the dimension."""
    by_label: dict[str | None, list[Item]] = collections.defaultdict(list)
    for item in items:
        by_label[dimension.label_of(item)].append(item)
    return {label: estimate(by_label[label]) for label in dimension.labels if label in by_label}
