"""Build ``report.json``: everything that a report draws or shows, as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.data import source_identity
from microbench_tasks.render.figure_specs import FigureSpec, finite
from microbench_tasks.render.page_content import Cell, Gallery, Table
from microbench_tasks.report.folder import MADE_BY
from microbench_tasks.report.sections import FoldedParts, Part, ReportSection
from microbench_tasks.tasks.interval_settings import interval_settings

# Increment it when the form of the file changes.
_VERSION = 3


def record_of(runs: Sequence[Run], sections: Sequence[ReportSection], left_out: Sequence[str]) -> dict[str, Any]:
    """Return the record; `microbench_tasks.render.figure_specs.figure_spec_from_record` draws a plot from it again."""
    return {
        "made_by": MADE_BY,
        "version": _VERSION,
        "unit": "fractions from 0 to 1; pictures and tables show them in percent",
        "interval": interval_settings(),
        "runs": [_run_record(run) for run in runs],
        "left_out": list(left_out),
        "chapters": [
            {
                "title": section.title,
                "text": section.text,
                "parts": list(_part_records(section.parts)),
            }
            for section in sections
        ],
    }


def _run_record(run: Run) -> dict[str, Any]:
    sources = {task: identity and source_identity.without_path(identity) for task, identity in run.sources.items()}
    figures = ("scores", "chance", "majority", "new_datasets")
    return {
        "label": run.label,
        "run": run.name,
        "data": sources,
        **{name: finite(getattr(run.rescored, name)) for name in figures},
        "notes": run.rescored.notes,
    }


def _part_records(parts: Iterable[Part], fold: str = "") -> Iterator[dict[str, Any]]:
    """Yield the parts, also those in folds. A gallery without a title has that of its fold."""
    for part in parts:
        if isinstance(part, FoldedParts):
            yield from _part_records(part.parts, part.title)
        else:
            yield _part_record(part, fold)


def _part_record(part: FigureSpec | Table | Gallery, fold: str) -> dict[str, Any]:
    if isinstance(part, FigureSpec):
        return {"picture": part.record()}
    if isinstance(part, Table):
        rows = [[_cell_record(cell) for cell in row] for row in part.rows]
        return {"table": {"title": part.title, "header": list(part.header), "rows": rows, "note": part.note}}
    return {"gallery": _gallery_record(part, part.title or fold)}


def _cell_record(cell: Cell | str) -> dict[str, Any] | str:
    return {"text": cell.text, "sort": finite(cell.sort)} if isinstance(cell, Cell) else cell


def _gallery_record(gallery: Gallery, title: str) -> dict[str, Any]:
    cards = [
        {"title": card.title, "mark": card.mark, "facts": dict(card.facts) | dict(card.folded)}
        for card in gallery.cards
    ]
    return {"title": title, "note": gallery.note, "cards": cards}
