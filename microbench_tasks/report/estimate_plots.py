"""Specify plots and tables of mean scores with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.render.number_text import short_percent
from microbench_tasks.render.page_content import Cell, Table, percent_cell
from microbench_tasks.render.plots import HARD_SPACE
from microbench_tasks.report.estimates import Estimate

# For each row of a plot, the estimate of each run by its label.
Estimates = Mapping[str, Mapping[str, Estimate]]


def estimate_plot(
    name: str,
    title: str,
    estimates: Estimates,
    runs: Sequence[Run],
    levels: Mapping[str, Sequence[float | None]] = {},
    show_total: bool = True,
    **options: Any,
) -> FigureSpec:
    """Specify bars of one run, or points of several side by side.

    Args:
        name: of the plot's files.
        title: of the plot.
        estimates: of the rows.
        runs: all runs of the report.
        levels: for ``chance`` and ``majority``, a value for each row, or None.
        show_total: whether the title states the number of scores; it does not if rows share scores.
        options: further arguments of the plot.
    """
    every = [estimate for by_run in estimates.values() for estimate in by_run.values()]
    title = f"{title}{f' (n = {total_size(estimates)})' if show_total else ''}, {interval_text(every)}"
    labels = [f"{row} ({sizes_text(by_run.values())})" for row, by_run in estimates.items()]
    options |= {level: list(values) for level, values in levels.items() if any(value is not None for value in values)}
    series: dict[str, Any] = {
        run.label: interval_columns([by_run.get(run.label) for by_run in estimates.values()])
        for run in runs
        if any(run.label in by_run for by_run in estimates.values())
    }
    alt = alt_text(title, estimates)
    if len(runs) == 1:
        return figure_spec(name, "interval_bars", alt, title=title, labels=labels, **series[runs[0].label], **options)
    return figure_spec(name, "interval_points", alt, title=title, labels=labels, series=series, **options)


def interval_text(estimates: Iterable[Estimate]) -> str:
    """Say what the intervals of a plot keep together: images, or the groups that they are in."""
    numbers = {estimate.groups for estimate in estimates}
    in_groups = numbers - {None}
    if not in_groups:
        return "95 % interval by image"
    if None in numbers:
        return "95 % interval by image, or by group where images have one"
    same = f" ({next(iter(in_groups)):,} groups)" if len(in_groups) == 1 else ""
    return f"95 % interval by group{same}"


def interval_columns(estimates: Sequence[Estimate | None]) -> dict[str, list[float | None]]:
    """Return values, lower and upper ends as the plots take them."""
    return {
        "values": [None if estimate is None else estimate.value for estimate in estimates],
        "lows": [None if estimate is None else estimate.low for estimate in estimates],
        "highs": [None if estimate is None else estimate.high for estimate in estimates],
    }


def sizes_text(estimates: Iterable[Estimate]) -> str:
    """Return the numbers of scores, images and groups for one line of a label; of several runs, the different ones."""
    sizes = (
        f"n = {estimate.n:,}"
        + (f", {estimate.images:,} images" if estimate.images != estimate.n else "")
        + (f", {estimate.groups:,} groups" if estimate.groups is not None else "")
        for estimate in estimates
    )
    return " / ".join(dict.fromkeys(sizes)).replace(" ", HARD_SPACE)


def total_size(estimates: Estimates) -> str:
    """Return the number of scores of all rows together; of several runs, the different ones."""
    totals: dict[str, int] = {}
    for by_run in estimates.values():
        for run, estimate in by_run.items():
            totals[run] = totals.get(run, 0) + estimate.n
    return " / ".join(dict.fromkeys(f"{total:,}" for total in totals.values()))


def alt_text(title: str, estimates: Estimates) -> str:
    """Describe a plot in words: every estimate with its interval."""
    rows = (
        f"{row}: " + ", ".join(f"{run} {_in_words(estimate)}" for run, estimate in by_run.items())
        for row, by_run in estimates.items()
    )
    return f"{title}. {'; '.join(rows)}."


def _in_words(estimate: Estimate) -> str:
    return f"{short_percent(estimate.value)} % [{short_percent(estimate.low)}, {short_percent(estimate.high)}]"


def estimate_table(title: str, head: str, estimates: Mapping[str, Estimates]) -> Table:
    """Build the table with the numbers of several plots.

    Args:
        title: of the table.
        head: of the column that names the rows of the plots.
        estimates: for each kind of question, those of its plot.
    """
    rows: list[list[Cell | str]] = [
        [kind, row, run, *_estimate_cells(estimate)]
        for kind, of_kind in estimates.items()
        for row, by_run in of_kind.items()
        for run, estimate in by_run.items()
    ]
    return Table(f"{title}: numbers", ["of", head, "run", "n", "images", "mean %", "low %", "high %"], rows)


def _estimate_cells(estimate: Estimate) -> list[Cell | str]:
    figures = (estimate.value, estimate.low, estimate.high)
    return [f"{estimate.n:,}", f"{estimate.images:,}", *map(percent_cell, figures)]
