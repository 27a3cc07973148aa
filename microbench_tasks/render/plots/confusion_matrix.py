"""Draw confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from microbench_tasks.render.plots.labels import wrap_label
from microbench_tasks.render.plots.style import COLOURS, HALF_WIDTH, new_figure, set_title, with_own_settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

# The most classes that are drawn one by one.
MOST_CLASSES = 16

_CELL_INCHES = 0.44


@with_own_settings
def confusion(title: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """Draw how often each right option got which answer: rows are right options, columns are answers.

    Args:
        title: of the plot.
        classes: texts of the options.
        counts: shape (len(classes), len(classes) + 1); the last column counts responses without an answer.
            If there are more than `MOST_CLASSES` classes, the rarest are drawn as one.

    Raises:
        ValueError: ``counts`` has another shape.
    """
    table = np.asarray(counts, dtype=int)
    if table.shape != (len(classes), len(classes) + 1):
        raise ValueError(
            f"Expected counts of shape {(len(classes), len(classes) + 1)} for {len(classes)} classes, "
            f"got {table.shape}."
        )
    names, table = pool_classes(list(classes), table)
    columns = [*names, "no answer"] if table[:, -1].any() else names
    table = table[:, : len(columns)]
    width = max(HALF_WIDTH, 3.1 + _CELL_INCHES * len(columns))
    figure = new_figure(width, max(3.2, 2.6 + _CELL_INCHES * len(names)))
    axes = figure.add_subplot()
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=_shades_of(COLOURS[0]), vmin=0, vmax=1, aspect="equal")
    for (row, column), count in np.ndenumerate(table):
        if count:
            _print_count(axes, row, column, count, is_dark=shares[row, column] > 0.55)
        if row == column and names[row] in classes:
            axes.add_patch(_outline(row, column))
    axes.set_xticks(range(len(columns)), [wrap_label(name, 24, 3) for name in columns], rotation=90, fontsize=8.5)
    axes.set_yticks(range(len(names)), [wrap_label(name, 28, 3) for name in names], fontsize=8.5)
    axes.set(xlabel="answered", ylabel="right")
    axes.spines[:].set_visible(True)
    axes.tick_params(length=0)
    set_title(figure, title)
    return figure


def pool_classes(names: list[str], table: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Keep the most frequent classes in their order, and count all others as one.

    Args:
        names: of the classes.
        table: counts as in `confusion`.

    Returns:
        Names and counts of at most `MOST_CLASSES` classes.
    """
    if len(names) <= MOST_CLASSES:
        return names, table
    frequencies = table.sum(axis=1) + table[:, :-1].sum(axis=0)
    kept = sorted(np.argsort(-frequencies, kind="stable")[: MOST_CLASSES - 1])
    group = np.full(len(names) + 1, len(kept))
    group[kept] = range(len(kept))
    group[-1] = len(kept) + 1
    pooled = np.zeros((len(kept) + 1, len(kept) + 2), dtype=int)
    np.add.at(pooled, (group[:-1, None], group[None, :]), table)
    return [*(names[index] for index in kept), f"{len(names) - len(kept)} other options"], pooled


def _print_count(axes: Axes, row: int, column: int, count: int, *, is_dark: bool) -> None:
    axes.text(
        column,
        row,
        f"{count:,}",
        ha="center",
        va="center",
        fontsize=9 if count < 1_000 else 7,
        color="white" if is_dark else "black",
    )


def _shades_of(colour: str) -> Colormap:
    """Return the colour map from white to a colour."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("white to colour", ["#FFFFFF", colour])


def _outline(row: int, column: int) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor=COLOURS[1], linewidth=1.3)
