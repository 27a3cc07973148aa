"""Build the section on prompt sensitivity: variants of the coarse questions, alone and against the paper's prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.render.number_text import short_percent
from microbench_tasks.render.page_content import Cell, Table, percent_cell
from microbench_tasks.report.sections import ReportSection
from microbench_tasks.runs import robustness_text

_ALONE = ("run", "asked as", "n", "acc %", "acc_strict %", "recall_std %", "by chance %", "p")
_COMPARED = (
    "run",
    "variant",
    "pairs",
    "images",
    "difference (points)",
    "interval of all at once",
    "p",
    "same option %",
    "by chance %",
    "p (same option)",
)


def sensitivity_section(runs: Sequence[Run]) -> ReportSection | None:
    """Build the section on effects of the options' order and the wording; None if no run asked variants."""
    reports = {run.label: run.rescored.robustness for run in runs if run.rescored.robustness}
    if not reports:
        return None
    ways = [(label, name, way) for label, report in reports.items() for name, way in report["ways"].items()]
    compared = [(label, name, way) for label, name, way in ways if "difference" in way]
    tables = [Table("Each way of asking", _ALONE, [[label, name, *_alone(way)] for label, name, way in ways])]
    if compared:
        rows = [[label, name, *_compared(way)] for label, name, way in compared]
        tables.append(Table("Variants against microbench_coarse", _COMPARED, rows))
    spreads = [
        f"{label}: {text}." for label, report in reports.items() if (text := robustness_text.describe_spread(report))
    ]
    # Without duplicates: runs with the same variants have the same notes.
    notes = dict.fromkeys(note for report in reports.values() for note in robustness_text.column_notes(report))
    return ReportSection("Prompt sensitivity", tables, "\n\n".join([*spreads, *notes]))


def _alone(way: Mapping[str, Any]) -> list[Cell]:
    figures = (way[name] for name in ("acc", "acc_strict", "recall_std", "recall_std_null"))
    return [Cell(f"{way['n']:,}"), *map(percent_cell, figures), _p_cell(way["recall_std_p_adjusted"])]


def _compared(way: Mapping[str, Any]) -> list[Cell]:
    low, high = (way[f"difference_simultaneous_ci_{end}"] for end in ("low", "high"))
    return [
        *(Cell(f"{way[name]:,}") for name in ("n_paired", "n_images")),
        percent_cell(way["difference"]),
        Cell(f"{short_percent(low)} to {short_percent(high)}", sort=low),
        _p_cell(way["difference_p_adjusted"]),
        *(percent_cell(way[name]) for name in ("same_option", "same_option_null")),
        _p_cell(way["same_option_p_adjusted"]),
    ]


def _p_cell(p: float) -> Cell:
    return Cell(robustness_text.format_p(p), sort=p, title=f"{p:.6f}")
