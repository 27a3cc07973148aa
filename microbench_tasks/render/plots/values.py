"""Check the numbers that a plot gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# None is a missing number.
Numbers = Sequence[float | None]


def numbers(values: Numbers, labels: Sequence[Any], name: str) -> np.ndarray:
    """Return ``values`` as an array with NaN for None.

    Args:
        values: one for each label.
        labels: what the values belong to; only their number matters.
        name: of the values, for the error.

    Raises:
        ValueError: there are not as many values as labels.
    """
    array = np.array(values, dtype=np.float64)
    if array.shape != (len(labels),):
        raise ValueError(f"Expected {len(labels)} {name}, got shape {array.shape}.")
    return array


def fractions(values: Numbers, labels: Sequence[Any], name: str) -> np.ndarray:
    """Return ``values`` as `numbers` does; also raise ValueError unless all are from 0 to 1."""
    array = numbers(values, labels, name)
    outside = array[(array < 0) | (array > 1)]
    if outside.size:
        raise ValueError(f"Expected fractions from 0 to 1 in {name}, got {outside[0]:g}.")
    return array


def intervals(
    series: Mapping[str, Numbers], labels: Sequence[Any], run: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``values``, ``lows`` and ``highs`` of a run, checked as in `fractions`."""
    values, lows, highs = (fractions(series[name], labels, f"{name} of {run}") for name in ("values", "lows", "highs"))
    return values, lows, highs
