"""Draw axes with a row for each label, and points with intervals in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from microbench_tasks.render.plots.labels import wrap_label
from microbench_tasks.render.plots.style import WIDTH, SeriesStyle, legend_line, new_figure, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_LINE_INCHES = 0.19
# Height of a further series in a row, in inches.
_PITCH = 0.16

# Values, lower and upper ends, by row.
Columns = tuple[np.ndarray, np.ndarray, np.ndarray]


def row_axes(title: str, labels: Sequence[str], xlabel: str, num_series: int = 1) -> tuple[Figure, Axes, np.ndarray]:
    """Return a figure, axes with a row for each label, and the rows' positions; the first row is at the top.

    All rows are as high as the highest; more than two series in a row add to its height.
    """
    extra = max(0, (num_series - 2) * _PITCH)
    texts = [wrap_label(label) for label in labels]
    heights = [max(0.36 + extra, 0.12 + _LINE_INCHES * (text.count("\n") + 1)) for text in texts]
    figure = new_figure(WIDTH, 1.35 + max(heights, default=0.36) * len(labels))
    axes = figure.add_subplot()
    rows = np.arange(len(labels))
    axes.set_yticks(rows, texts)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_color("#BFBFBF")
    set_title(figure, title)
    return figure, axes, rows


def whiskers(values: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """Return the lengths of the whiskers; rounding may put an end on the wrong side of its value: its length is 0."""
    return np.nan_to_num(np.clip([values - lows, highs - values], 0, None))


def draw_points(axes: Axes, rows: np.ndarray, columns: Sequence[Columns], styles: Collection[SeriesStyle]) -> None:
    """Draw a point with its interval for each series in each row, one series below the other."""
    offsets = (np.arange(len(columns)) - (len(columns) - 1) / 2) * min(0.8 / max(len(columns), 1), 0.26)
    for (values, lows, highs), offset, style in zip(columns, offsets, styles, strict=True):
        axes.errorbar(
            values,
            rows + offset,
            xerr=whiskers(values, lows, highs),
            fmt=style.marker,
            color=style.colour,
            markersize=5.5,
            elinewidth=1.3,
            capsize=2.5,
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
    for row in rows[:-1]:
        axes.axhline(row + 0.5, color="#E6E6E6", linewidth=0.8, zorder=0)


def point_legend(styles: Mapping[str, SeriesStyle]) -> list[Line2D]:
    """Return the entries of a legend for series of points, by their names."""
    return [
        legend_line(run, marker=style.marker, color=style.colour, linestyle="none") for run, style in styles.items()
    ]
