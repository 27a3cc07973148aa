"""Draw scores with their intervals: bars of one run, or points of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from microbench_tasks.render.plots.rows import draw_points, point_legend, row_axes, whiskers
from microbench_tasks.render.plots.style import (
    COLOURS,
    GREY,
    HATCHES,
    LineStyle,
    add_legend,
    legend_line,
    legend_patch,
    styles_of,
    with_own_settings,
)
from microbench_tasks.render.plots.values import Numbers, fractions, intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

# Scores that need no image, with the line styles of their marks.
_LEVELS: dict[str, LineStyle] = {"chance": (0, (3, 1)), "majority answer": (0, (0.9, 0.9))}
_XLABEL = "accuracy (%) with its 95 % interval"


@with_own_settings
def interval_bars(
    title: str,
    labels: Sequence[str],
    values: Numbers,
    lows: Numbers,
    highs: Numbers,
    *,
    chance: float | Numbers | None = None,
    majority: float | Numbers | None = None,
    hollow: Sequence[int] = (),
    xlabel: str = _XLABEL,
) -> Figure:
    """Draw one horizontal bar per row, with its interval and its number.

    Args:
        title: of the plot.
        labels: of the rows, from the top; long ones are wrapped.
        values: of the rows; None for a row without a value.
        lows: lower ends of the intervals; None for a row without an interval.
        highs: upper ends of the intervals.
        chance: one level for all rows, or one for each: marked by a line across the bar.
        majority: as ``chance``, for the majority answer.
        hollow: indices of rows that others reported and that were not run: drawn hatched and unfilled.
        xlabel: of the axis.

    Raises:
        ValueError: the sequences are not as long as ``labels``, a number is not from 0 to 1, or an index of
            ``hollow`` is not a row.
    """
    means, lower, upper = (
        fractions(column, labels, name) for column, name in ((values, "values"), (lows, "lows"), (highs, "highs"))
    )
    if any(not 0 <= row < len(labels) for row in hollow):
        raise ValueError(f"Expected rows from 0 to {len(labels) - 1} in hollow, got {list(hollow)}.")
    figure, axes, rows = row_axes(title, labels, xlabel)
    for row in rows[~np.isnan(means)]:
        _draw_bar(axes, row, means[row], is_reported=row in hollow)
    lengths = whiskers(means, lower, upper)
    axes.errorbar(means, rows, xerr=lengths, fmt="none", ecolor="black", elinewidth=1.1, capsize=3)
    levels = _mark_levels(axes, rows, labels, (chance, majority))
    _format_percent_axis(axes)
    _print_beside(axes, rows, [_number_text(*row) for row in zip(means, lower, upper, strict=True)])
    add_legend(figure, [*(_hollow_legend() if hollow else []), *levels])
    return figure


@with_own_settings
def interval_points(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Mapping[str, Numbers]],
    *,
    chance: float | Numbers | None = None,
    majority: float | Numbers | None = None,
    xlabel: str = _XLABEL,
) -> Figure:
    """Draw several runs side by side: in each row a point with its interval for every run.

    Args:
        title: of the plot.
        labels: of the rows, from the top.
        series: for each run, ``values``, ``lows`` and ``highs`` as in `interval_bars`.
        chance: as in `interval_bars`.
        majority: as in `interval_bars`.
        xlabel: as in `interval_bars`.

    Raises:
        ValueError: a sequence is not as long as ``labels``, or a number is not from 0 to 1.
    """
    figure, axes, rows = row_axes(title, labels, xlabel, num_series=len(series))
    columns = [intervals(of_run, labels, run) for run, of_run in series.items()]
    styles = styles_of(series)
    levels = _mark_levels(axes, rows, labels, (chance, majority), zorder=1)
    draw_points(axes, rows, columns, styles.values())
    _format_percent_axis(axes)
    runs = point_legend(styles)
    add_legend(figure, [*runs, *levels])
    return figure


def _draw_bar(axes: Axes, row: int, value: float, *, is_reported: bool) -> None:
    axes.barh(
        row,
        value,
        height=0.62,
        color="white" if is_reported else COLOURS[0],
        edgecolor=GREY if is_reported else COLOURS[0],
        hatch=HATCHES[1] if is_reported else None,
    )


def _hollow_legend() -> list[Patch]:
    return [
        legend_patch("run here", facecolor=COLOURS[0]),
        legend_patch("reported, not run here", facecolor="white", edgecolor=GREY, hatch=HATCHES[1]),
    ]


def _format_percent_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    # Room for the outline of a bar, and for half a marker.
    axes.set_xlim(-0.002, 1.01)
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))


def _mark_levels(
    axes: Axes, rows: np.ndarray, labels: Sequence[str], levels: Sequence[float | Numbers | None], zorder: float = 2.5
) -> list[Line2D]:
    """Mark the levels, in the order of `_LEVELS`, in each row; return their entries in the legend."""
    handles = []
    for (name, line_style), level in zip(_LEVELS.items(), levels, strict=True):
        if level is None:
            continue
        positions = (
            np.full(len(labels), level)
            if isinstance(level, int | float)
            else fractions(level, labels, f"levels of {name}")
        )
        # White below black is visible on a bar and beside it.
        axes.vlines(positions, rows - 0.4, rows + 0.4, color="white", linewidth=3.2, zorder=zorder)
        axes.vlines(
            positions, rows - 0.4, rows + 0.4, color="black", linewidth=1.4, linestyle=line_style, zorder=zorder
        )
        handles.append(legend_line(name, color="black", linewidth=1.4, linestyle=line_style))
    return handles


def _number_text(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return "–"
    if np.isnan([low, high]).any():
        return f"{100 * value:.1f}"
    return f"{100 * value:.1f}  [{100 * low:.1f}, {100 * high:.1f}]"


def _print_beside(axes: Axes, rows: np.ndarray, texts: Sequence[str]) -> None:
    """Print a text for each row, to the right of the axes."""
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(rows, texts, fontsize=9)
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)
