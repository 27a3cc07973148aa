"""Describe a plot as data: ``report.json`` records exactly what is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from microbench_tasks.render import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal[
    "interval_bars",
    "interval_points",
    "radar",
    "curves",
    "confusion",
    "reliability",
    "letters",
    "histograms",
    "differences",
]


@dataclass(frozen=True)
class FigureSpec:
    """Specify a plot.

    Attributes:
        name: of its files, without suffix.
        kind: the function of `microbench_tasks.render.plots` that draws it.
        arguments: of that function, as JSON values.
        alt: describes the plot in words, for readers who do not see it.
        note: shown below the plot.
    """

    name: str
    kind: Kind
    arguments: Mapping[str, Any]
    alt: str
    note: str = ""

    def figure(self) -> Figure:
        """Draw the plot."""
        draw: Callable[..., Figure] = getattr(plots, self.kind)
        return draw(**self.arguments)

    def record(self) -> dict[str, Any]:
        """Return the specification as JSON values, which `figure_spec_from_record` reads."""
        return {"name": self.name, "kind": self.kind, "arguments": self.arguments, "alt": self.alt, "note": self.note}


def figure_spec(name: str, kind: Kind, alt: str, note: str = "", **arguments: Any) -> FigureSpec:
    """Specify a plot; numbers in ``arguments`` that are not finite become None, as JSON has no such numbers."""
    return FigureSpec(name, kind, finite(arguments), alt, note)


def figure_spec_from_record(record: Mapping[str, Any]) -> FigureSpec:
    """Read a specification from a report's ``report.json``, to draw the plot again.

    >>> spec = figure_spec("p", "radar", "", title="t", axes=["a", "b", "c"], series={"run": [0, 1, math.nan]})
    >>> figure_spec_from_record(spec.record()).arguments["series"]
    {'run': [0, 1, None]}
    """
    return FigureSpec(**record)


def finite(value: Any) -> Any:
    """Return ``value`` as JSON values, with None for every number that is not finite; numbers become plain numbers."""
    if isinstance(value, Mapping):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
