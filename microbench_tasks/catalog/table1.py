"""Provide the figures of the paper's Table 1, with the digits as printed."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from microbench_tasks import catalog

# The table's columns; it has none for localization.
_COLUMNS = {catalog.COARSE_GROUP: "coarse", catalog.FINE_GROUP: "fine", catalog.COGNITION_TASK: "cognition"}
# The table's rows of the models that this package knows by name, with their own checkpoints.
_ROWS = {
    "align": "ALIGN",
    "biomedclip": "BiomedCLIP",
    "clip": "CLIP",
    "conch": "CONCH",
    "openclip": "OpenCLIP",
    "plip": "PLIP",
    "quiltnet": "QuiltNet",
    "microbench_random": "Random",
}


@dataclass(frozen=True)
class Reported:
    """One entry of Table 1: accuracy and half width of its 95 % interval in percent, as printed."""

    model: str
    accuracy: str
    half_width: str

    @property
    def score(self) -> Decimal:
        """The accuracy as a fraction, with the printed digits and no others."""
        return Decimal(self.accuracy).scaleb(-2)

    @property
    def ends(self) -> tuple[Decimal, Decimal]:
        """The accuracy less and plus the half width, as fractions, cut at 0 and 1."""
        half = Decimal(self.half_width).scaleb(-2)
        return max(self.score - half, Decimal(0)), min(self.score + half, Decimal(1))

    @property
    def as_printed(self) -> str:
        """Accuracy and half width as in the table, in percent."""
        return f"{self.accuracy} ± {self.half_width}"


def table1(group: str) -> tuple[Reported, ...]:
    """Return the entries of a group or task in the table's order; none if the table does not have it."""
    return (
        tuple(Reported(model, *figures) for model, figures in _facts()[_COLUMNS[group]].items())
        if group in _COLUMNS
        else ()
    )


def row_of(model: str, group: str) -> Reported | None:
    """Return the entry of a model, by its name in the harness, for a group; None if the table does not have it."""
    return next((entry for entry in table1(group) if entry.model == _ROWS.get(model)), None)


def has_row(model: str) -> bool:
    """Tell whether the table has a row for a model, by its name in the harness."""
    return model in _ROWS


def source() -> str:
    """Return the citation of the table."""
    return _facts()["source"]


@functools.cache
def _facts() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("table1.json").read_text(encoding="utf-8"))
