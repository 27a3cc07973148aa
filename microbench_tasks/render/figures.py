"""One picture as data: what is drawn is exactly what ``report.json`` holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from microbench_tasks.render import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal[
    "interval_bars", "interval_points", "radar", "curves", "confusion", "reliability", "letters", "histograms"
]


@dataclass(frozen=True)
class Drawing:
    """A picture to be drawn.

    Attributes:
        name: of its files, without suffix.
        kind: the function of `microbench_tasks.render.plots` that draws it.
        arguments: of that function, as JSON values.
        alt: the picture in words, for those who do not see it.
        note: below the picture.
    """

    name: str
    kind: Kind
    arguments: Mapping[str, Any]
    alt: str
    note: str = ""

    def figure(self) -> Figure:
        """The picture."""
        return getattr(plots, self.kind)(**self.arguments)

    def record(self) -> dict[str, Any]:
        """This as JSON values; `drawing_of` reads it."""
        return {"name": self.name, "kind": self.kind, "arguments": self.arguments, "alt": self.alt, "note": self.note}


def drawing(name: str, kind: Kind, alt: str, note: str = "", **arguments: Any) -> Drawing:
    """A drawing; numbers that are not finite become None, as JSON has none of them."""
    return Drawing(name, kind, finite(arguments), alt, note)


def drawing_of(record: Mapping[str, Any]) -> Drawing:
    """The drawing that a report's ``report.json`` records, to be drawn again.

    >>> drawing_of(drawing("p", "radar", "", title="t", axes=["a", "b", "c"], series={"run": [0, 1, math.nan]}).record()).arguments["series"]
    {'run': [0, 1, None]}
    """
    return Drawing(**record)


def finite(value: Any) -> Any:
    """``value`` with None in place of every number that is not finite, which JSON does not have; subclasses of numbers become plain."""
    if isinstance(value, Mapping):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
