"""Draw differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from microbench_tasks.render.plots.rows import draw_points, point_legend, row_axes
from microbench_tasks.render.plots.style import GREY, add_legend, styles_of, with_own_settings
from microbench_tasks.render.plots.values import Numbers, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_XLABEL = "difference (percentage points) with its 95 % interval"


@with_own_settings
def differences(
    title: str, labels: Sequence[str], series: Mapping[str, Mapping[str, Numbers]], *, xlabel: str = _XLABEL
) -> Figure:
    """Draw differences from a reference: in each row a point with its interval for every run, and a line at 0.

    Args:
        title: of the plot.
        labels: of the rows, from the top.
        series: for each run, ``values``, ``lows`` and ``highs``: one for each row, from -1 to 1; None if there is none.
        xlabel: of the axis.

    Raises:
        ValueError: a sequence is not as long as ``labels``, or a number is not from -1 to 1.
    """
    columns = [
        (
            _differences(of_run["values"], labels, f"values of {run}"),
            _differences(of_run["lows"], labels, f"lows of {run}"),
            _differences(of_run["highs"], labels, f"highs of {run}"),
        )
        for run, of_run in series.items()
    ]
    figure, axes, rows = row_axes(title, labels, xlabel, num_series=len(series))
    styles = styles_of(series)
    axes.axvline(0, color=GREY, linewidth=1.1, zorder=1)
    draw_points(axes, rows, columns, styles.values())
    _format_points_axis(axes)
    add_legend(figure, point_legend(styles))
    return figure


def _differences(values: Numbers, labels: Sequence[str], name: str) -> np.ndarray:
    array = numbers(values, labels, name)
    outside = array[np.abs(array) > 1]
    if outside.size:
        raise ValueError(f"Expected differences from -1 to 1 in {name}, got {outside[0]:g}.")
    return array


def _format_points_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:+g}" if value else "0"))
