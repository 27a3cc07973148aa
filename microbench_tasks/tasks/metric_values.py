"""Define numbers that keep the items they summarize, so that a group can pool the items of its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Items = Sequence[Any]


class MetricValue(float):
    """Hold a number and the items that it summarizes (``samples``)."""

    samples: Items

    def __new__(cls, value: float, samples: Items) -> MetricValue:
        """Create the number."""
        number = super().__new__(cls, value)
        number.samples = samples
        return number

    def __reduce__(self) -> tuple[type, tuple[float]]:
        """Make copies and pickles plain numbers."""
        return float, (float(self),)


class MetricCount(int):
    """Hold a count and the items that it summarizes (``samples``)."""

    samples: Items

    def __new__(cls, value: int, samples: Items) -> MetricCount:
        """Create the count."""
        number = super().__new__(cls, value)
        number.samples = samples
        return number

    def __reduce__(self) -> tuple[type, tuple[int]]:
        """Make copies and pickles plain integers."""
        return int, (int(self),)


class MetricFields(dict[str, Any]):
    """Hold several values by name, such as counts by kind, and the items that they summarize (``samples``)."""

    samples: Items

    def __init__(self, values: Mapping[str, Any], samples: Items) -> None:
        super().__init__(values)
        self.samples = samples

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        """Make copies and pickles plain mappings."""
        return dict, (dict(self),)


def with_samples(value: float | Mapping[str, Any], samples: Items) -> MetricValue | MetricCount | MetricFields:
    """Attach items to a metric's value.

    >>> with_samples(2, [{"failed": True}, {"failed": True}])
    2
    """
    if isinstance(value, Mapping):
        return MetricFields(value, samples)
    return MetricCount(value, samples) if isinstance(value, int) else MetricValue(value, samples)
