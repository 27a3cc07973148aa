"""Draw counts: reliability diagrams, letters of answers, histograms."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from microbench_tasks.render.plots.style import (
    COLOURS,
    GREY,
    HALF_WIDTH,
    HATCHES,
    WIDTH,
    SeriesStyle,
    add_legend,
    format_counts,
    legend_line,
    legend_patch,
    new_figure,
    pale,
    set_panel_title,
    set_title,
    styles_of,
    with_own_settings,
)
from microbench_tasks.render.plots.values import Numbers, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Up to this count in a bin, the axis is linear.
_LINEAR_COUNTS = 50


@with_own_settings
def reliability(title: str, edges: Sequence[float], series: Mapping[str, Mapping[str, Numbers]]) -> Figure:
    """Draw how often answers of a given confidence are right, above the number of such answers.

    Args:
        title: of the plot.
        edges: of the bins of confidence, ascending from 0 to 1.
        series: for each run, ``confidence`` (mean), ``accuracy`` and ``count`` of each bin; None where a bin is empty.

    Raises:
        ValueError: a sequence is not as long as there are bins.
    """
    figure = new_figure(HALF_WIDTH, 5.6 + 0.22 * len(series))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 100], [0, 100], color=GREY, linestyle=":", linewidth=1.2)
    bins = range(len(edges) - 1)
    widths = 100 * np.diff(edges) / len(series)
    styles, hatches = styles_of(series), itertools.cycle(HATCHES)
    for number, (run, columns) in enumerate(series.items()):
        confidence, accuracy, count = (
            numbers(columns[name], bins, f"{name} of {run}") for name in ("confidence", "accuracy", "count")
        )
        filled, options = count > 0, styles[run].options()
        above.plot(
            100 * confidence[filled], 100 * accuracy[filled], **options, linewidth=1.6, markersize=6, clip_on=False
        )
        _draw_bin_counts(
            below, 100 * np.asarray(edges[:-1]) + number * widths, count, widths, styles[run], next(hatches)
        )
    above.set(ylabel="right (%)", xlim=(0, 100), ylim=(0, 100))
    above.grid(True)
    below.set(xlabel="confidence: the highest probability (%)", ylabel="questions")
    if max(count or 0 for columns in series.values() for count in columns["count"]) > _LINEAR_COUNTS:
        below.set_yscale("symlog", linthresh=1)
    format_counts(below)
    set_title(figure, title)
    runs = [legend_line(run, **style.options()) for run, style in styles.items()]
    add_legend(figure, [*runs, legend_line("calibrated", color=GREY, linestyle=":")])
    return figure


def _draw_bin_counts(
    axes: Axes, lefts: np.ndarray, counts: np.ndarray, widths: np.ndarray, style: SeriesStyle, hatch: str
) -> None:
    axes.bar(
        lefts,
        counts,
        width=widths,
        align="edge",
        color=pale(style.colour),
        edgecolor=style.colour,
        hatch=hatch,
        linewidth=0.8,
    )


@with_own_settings
def letters(title: str, panels: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Figure:
    """Draw how often each letter is right, and how often it is answered.

    Args:
        title: of the plot.
        panels: for each run, ``gold`` and ``read``: the count of each letter.
    """
    names = sorted(
        {letter for counts in panels.values() for column in counts.values() for letter in column},
        key=lambda letter: (len(letter) > 1, letter),
    )
    figure = new_figure(WIDTH * 0.8, 1.1 + 2.0 * len(panels))
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (run, counts) in zip(grid, panels.items(), strict=True):
        for shift, column, colour, hatch in ((-0.2, "gold", GREY, ""), (0.2, "read", COLOURS[0], HATCHES[1])):
            heights = [counts[column].get(letter, 0) for letter in names]
            bars = axes.bar(
                np.arange(len(names)) + shift, heights, width=0.38, color=pale(colour), edgecolor=colour, hatch=hatch
            )
            axes.bar_label(bars, fontsize=8)
        axes.set_xticks(range(len(names)), names)
        set_panel_title(axes, run, 70)
        axes.set_ylabel("questions")
        axes.margins(y=0.15)
    set_title(figure, title)
    right = legend_patch("right", facecolor=pale(GREY), edgecolor=GREY)
    answered = legend_patch("answered", facecolor=pale(COLOURS[0]), edgecolor=COLOURS[0], hatch=HATCHES[1])
    add_legend(figure, [right, answered])
    return figure


@with_own_settings
def histograms(
    title: str, edges: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[int]]], xlabel: str, ylabel: str
) -> Figure:
    """Draw panels of histograms with the same bins.

    Args:
        title: of the plot.
        edges: of the bins, ascending.
        panels: for each panel and run, the count of each bin.
        xlabel: of each panel.
        ylabel: of each panel.

    Raises:
        ValueError: a run does not have one count for each bin.
    """
    runs = list(dict.fromkeys(run for counts_of_runs in panels.values() for run in counts_of_runs))
    styles = styles_of(runs)
    num_columns = 1 if len(panels) == 1 else 2
    num_rows = -(-len(panels) // num_columns)
    figure = new_figure(WIDTH, 0.9 + 2.2 * num_rows + 0.2 * len(runs))
    grid = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    # The last cell of the grid may be empty.
    for axes, (name, counts_of_runs) in zip(grid, panels.items(), strict=False):
        for run, counts in counts_of_runs.items():
            heights, style = numbers(counts, edges[1:], f"counts of {run}"), styles[run]
            axes.stairs(heights, edges, fill=True, color=style.colour, alpha=0.15)
            axes.stairs(heights, edges, color=style.colour, linestyle=style.line, linewidth=1.6)
        set_panel_title(axes, name, 50)
        axes.set(xlim=(edges[0], edges[-1]), xlabel=xlabel, ylabel=ylabel)
        axes.grid(True, axis="y")
        format_counts(axes)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    set_title(figure, title)
    add_legend(figure, [legend_line(run, color=style.colour, linestyle=style.line) for run, style in styles.items()])
    return figure
