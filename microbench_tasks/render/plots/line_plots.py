"""Draw values as lines: over several axes (radar), or along a quantity (curves)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from microbench_tasks.render.plots.labels import wrap_label
from microbench_tasks.render.plots.style import (
    GREY,
    WIDTH,
    add_legend,
    legend_line,
    new_figure,
    set_title,
    styles_of,
    with_own_settings,
)
from microbench_tasks.render.plots.values import Numbers, fractions, intervals

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.projections.polar import PolarAxes

_LEAST_AXES = 3
# As wide as text on the page.
_WIDTH = WIDTH * 0.86


@with_own_settings
def radar(title: str, axes: Sequence[str], series: Mapping[str, Numbers]) -> Figure:
    """Draw one closed line per run, from 0 % in the centre to 100 % on each axis; a missing value leaves a gap.

    Args:
        title: of the plot.
        axes: names of the axes, clockwise from the top; at least three.
        series: for each run, a value for each axis.

    Raises:
        ValueError: there are fewer than three axes, a run does not have one value for each, or one is not from 0 to 1.
    """
    if len(axes) < _LEAST_AXES:
        raise ValueError(f"Expected at least {_LEAST_AXES} axes, got {len(axes)}.")
    angles = np.linspace(0, 2 * np.pi, len(axes), endpoint=False)
    figure = new_figure(_WIDTH, 6.2 + 0.22 * len(series))
    polar = _polar_axes(figure)
    styles = styles_of(series)
    for run, values in series.items():
        percents = 100 * fractions(values, axes, f"values of {run}")
        closed = np.append(percents, percents[0])
        options = styles[run].options()
        polar.plot(np.append(angles, angles[0]), closed, **options, linewidth=1.8, markersize=5.5, clip_on=False)
        if len(series) == 1 and not np.isnan(closed).any():
            polar.fill(angles, percents, color=styles[run].colour, alpha=0.12)
    _label_radius(polar, len(axes))
    _label_angles(polar, angles, axes)
    polar.spines["polar"].set(color="#BFBFBF", zorder=0)
    set_title(figure, title)
    add_legend(figure, [legend_line(run, **style.options()) for run, style in styles.items()])
    return figure


def _polar_axes(figure: Figure) -> PolarAxes:
    """Add polar axes whose angles run clockwise from the top."""
    from matplotlib.projections.polar import PolarAxes

    polar = figure.add_subplot(projection="polar")
    assert isinstance(polar, PolarAxes)
    polar.set_theta_offset(np.pi / 2)
    polar.set_theta_direction(-1)
    return polar


def _label_radius(polar: PolarAxes, num_axes: int) -> None:
    polar.set_ylim(0, 100)
    polar.set_yticks(
        [20, 40, 60, 80, 100],
        ["20", "40", "60", "80", "100 %"],
        color=GREY,
        fontsize=8.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.7},
    )
    polar.set_rlabel_position(180 / num_axes)


def _label_angles(polar: PolarAxes, angles: np.ndarray, names: Sequence[str]) -> None:
    """Write the names beside the circle, so that a long one does not cross it."""
    polar.set_xticks(angles, [wrap_label(name, 20) for name in names])
    for label, angle in zip(polar.get_xticklabels(), angles, strict=True):
        right, up = np.sin(angle), np.cos(angle)
        label.set_horizontalalignment("left" if right > 0.01 else "right" if right < -0.01 else "center")
        label.set_verticalalignment("bottom" if up > 0.9 else "top" if up < -0.9 else "center")


@with_own_settings
def curves(
    title: str,
    xlabel: str,
    xs: Sequence[float],
    series: Mapping[str, Mapping[str, Numbers]],
    ylabel: str = "accuracy (%) with its 95 % interval",
) -> Figure:
    """Draw values over ``xs``, each series with its intervals as a band.

    Args:
        title: of the plot.
        xlabel: of the x axis.
        xs: positions of the values.
        series: for each name, ``values``, ``lows`` and ``highs``, each as long as ``xs``; None where one is missing.
        ylabel: of the y axis.

    Raises:
        ValueError: a sequence is not as long as ``xs``, or a number is not from 0 to 1.
    """
    figure = new_figure(_WIDTH, 4.6 + 0.2 * len(series))
    axes = figure.add_subplot()
    styles = styles_of(series)
    for name, columns in series.items():
        values, lows, highs = (100 * column for column in intervals(columns, xs, name))
        axes.fill_between(xs, lows, highs, color=styles[name].colour, alpha=0.14, linewidth=0)
        axes.plot(xs, values, **styles[name].options(), linewidth=1.8, markersize=6, clip_on=False)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(True)
    set_title(figure, title)
    add_legend(figure, [legend_line(name, **style.options()) for name, style in styles.items()])
    return figure
