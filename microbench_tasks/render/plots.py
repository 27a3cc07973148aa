"""The pictures themselves: arrays in, matplotlib figures out.

Readable by the colour-blind and in grey print: every series has a colour of Okabe and Ito's palette
and a marker, hatch or line style of its own. No function touches pyplot or leaves a setting behind,
and the user's own matplotlib settings change nothing, so that the same numbers give the same files.

All arguments are what JSON can hold: sequences, mappings, numbers and texts; None stands for a number that there is not.
Values, ends of intervals and levels are fractions from 0 to 1 and are drawn in percent; nothing lies beyond.
"""

from __future__ import annotations

import functools
import io
import itertools
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008), without yellow, which is faint on white, and black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
GREY = "#595959"
# Of the levels that a model reaches without looking: dashes of their lines.
LEVELS = {"chance": (0, (3, 1)), "majority answer": (0, (0.9, 0.9))}
# Inches, and pixels per inch.
WIDTH = 9.0
DPI = 180

# Keeps words of a label on one line.
HARD_SPACE = "\N{NO-BREAK SPACE}"
# Of classes in a confusion matrix, how many are drawn one by one.
MOST_CLASSES = 16

# Two of them side by side are as wide as a page.
_HALF_WIDTH = 5.4
_LINE_INCHES = 0.19
_CELL_INCHES = 0.44
_LABEL_CHARACTERS = 34
_MOST_LINES = 5
# Up to so many answers in a bin are drawn on a linear axis.
_LINEAR_COUNTS = 50
_SPACES = re.compile(rf"[^\S{HARD_SPACE}]+")
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#D9D9D9",
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    # Names of models and options are texts, never formulas.
    "text.parse_math": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "microbench",
}

Numbers = Sequence[float | None]


@contextmanager
def _own_settings() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def _picture(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    @functools.wraps(draw)
    def drawn(*arguments: Any, **options: Any) -> Figure:
        with _own_settings():
            return draw(*arguments, **options)

    return drawn


# --- scores --------------------------------------------------------------------------


@_picture
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
    xlabel: str = "accuracy (%) with its 95 % interval",
) -> Figure:
    """One horizontal bar per row with its interval and its number.

    Args:
        title: of the picture.
        labels: of the rows, from the top; long ones are wrapped.
        values, lows, highs: of each row; None for a row without a value or interval.
        chance, majority: a level for all rows, or one for each: marked by lines across its bar.
        hollow: indices of rows that are reported by others and were not run: drawn hatched and unfilled.
        xlabel: of the axis.

    Raises:
        ValueError: the sequences are not as long as ``labels``, a number is not from 0 to 1, or an index of
            ``hollow`` is no row.
    """
    values, lows, highs = (
        _fractions(column, labels, name) for column, name in ((values, "values"), (lows, "lows"), (highs, "highs"))
    )
    if any(not 0 <= row < len(labels) for row in hollow):
        raise ValueError(f"Expected rows from 0 to {len(labels) - 1} in hollow, got {list(hollow)}.")
    figure, axes, rows = _row_axes(title, labels, xlabel)
    for row in rows[~np.isnan(values)]:
        reported = row in hollow
        axes.barh(
            row,
            values[row],
            height=0.62,
            color="white" if reported else COLOURS[0],
            edgecolor=GREY if reported else COLOURS[0],
            hatch=HATCHES[1] if reported else None,
        )
    axes.errorbar(
        values, rows, xerr=_whiskers(values, lows, highs), fmt="none", ecolor="black", elinewidth=1.1, capsize=3
    )
    levels = _mark_levels(axes, rows, labels, (chance, majority))
    _percent_axis(axes)
    _print_numbers(axes, rows, [_with_interval(*row) for row in zip(values, lows, highs)])
    handles = (
        [_patch("run here", facecolor=COLOURS[0])]
        + [_patch("reported, not run here", facecolor="white", edgecolor=GREY, hatch=HATCHES[1])]
        if hollow
        else []
    )
    _legend(figure, handles + levels)
    return figure


@_picture
def interval_points(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Mapping[str, Numbers]],
    *,
    chance: float | Numbers | None = None,
    majority: float | Numbers | None = None,
    xlabel: str = "accuracy (%) with its 95 % interval",
) -> Figure:
    """Several runs beside each other: in each row a point with its interval for every run.

    Args:
        title: of the picture.
        labels: of the rows, from the top.
        series: of each run ``values``, ``lows`` and ``highs`` as in `interval_bars`.
        chance, majority, xlabel: as in `interval_bars`.

    Raises:
        ValueError: a sequence is not as long as ``labels``, or a number is not from 0 to 1.
    """
    pitch = 0.16
    figure, axes, rows = _row_axes(title, labels, xlabel, extra=max(0, (len(series) - 2) * pitch))
    offsets = (np.arange(len(series)) - (len(series) - 1) / 2) * min(0.8 / max(len(series), 1), 0.26)
    columns = [
        [_fractions(found[name], labels, f"{name} of {run}") for name in ("values", "lows", "highs")]
        for run, found in series.items()
    ]
    levels = _mark_levels(axes, rows, labels, (chance, majority), zorder=1)
    for (values, lows, highs), offset, look in zip(columns, offsets, _looks()):
        axes.errorbar(
            values,
            rows + offset,
            xerr=_whiskers(values, lows, highs),
            fmt=look["marker"],
            color=look["color"],
            markersize=5.5,
            elinewidth=1.3,
            capsize=2.5,
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
    for row in rows[:-1]:
        axes.axhline(row + 0.5, color="#E6E6E6", linewidth=0.8, zorder=0)
    _percent_axis(axes)
    _legend(
        figure,
        [
            _line(run, marker=look["marker"], color=look["color"], linestyle="none")
            for run, look in zip(series, _looks())
        ]
        + levels,
    )
    return figure


@_picture
def radar(title: str, axes: Sequence[str], series: Mapping[str, Numbers]) -> Figure:
    """One closed line per run over at least three axes, each from 0 % in the centre to 100 %; a missing value leaves a gap.

    Raises:
        ValueError: there are fewer than three axes, a run has not a value for each, or one is not from 0 to 1.
    """
    if len(axes) < 3:
        raise ValueError(f"Expected at least 3 axes, got {len(axes)}.")
    angles = np.linspace(0, 2 * np.pi, len(axes), endpoint=False)
    figure = _figure(WIDTH * 0.86, 6.2 + 0.22 * len(series))
    polar = figure.add_subplot(projection="polar")
    polar.set_theta_offset(np.pi / 2)
    polar.set_theta_direction(-1)
    for (run, values), look in zip(series.items(), _looks()):
        found = 100 * _fractions(values, axes, f"values of {run}")
        closed = np.append(found, found[0])
        polar.plot(np.append(angles, angles[0]), closed, **look, linewidth=1.8, markersize=5.5, clip_on=False)
        if len(series) == 1 and not np.isnan(closed).any():
            polar.fill(angles, found, color=look["color"], alpha=0.12)
    polar.set_ylim(0, 100)
    polar.set_yticks(
        [20, 40, 60, 80, 100],
        ["20", "40", "60", "80", "100 %"],
        color=GREY,
        fontsize=8.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.7},
    )
    polar.set_rlabel_position(180 / len(axes))
    polar.set_xticks(angles, [wrapped(axis, 20) for axis in axes])
    for label, angle in zip(polar.get_xticklabels(), angles):
        # Beside the circle, so that a long label does not lie across it.
        side = np.sin(angle)
        label.set_horizontalalignment("left" if side > 0.01 else "right" if side < -0.01 else "center")
        label.set_verticalalignment("bottom" if np.cos(angle) > 0.9 else "top" if np.cos(angle) < -0.9 else "center")
    polar.spines["polar"].set(color="#BFBFBF", zorder=0)
    _title(figure, title)
    _legend(figure, [_line(run, **look) for run, look in zip(series, _looks())])
    return figure


@_picture
def curves(
    title: str,
    xlabel: str,
    xs: Sequence[float],
    series: Mapping[str, Mapping[str, Numbers]],
    ylabel: str = "accuracy (%) with its 95 % interval",
) -> Figure:
    """Values over ``xs``, each series with its interval as a band; ``series`` as in `interval_points`.

    Raises:
        ValueError: a sequence is not as long as ``xs``, or a number is not from 0 to 1.
    """
    figure = _figure(WIDTH * 0.86, 4.6 + 0.2 * len(series))
    axes = figure.add_subplot()
    for (name, found), look in zip(series.items(), _looks()):
        values, lows, highs = (
            100 * _fractions(found[column], xs, f"{column} of {name}") for column in ("values", "lows", "highs")
        )
        axes.fill_between(xs, lows, highs, color=look["color"], alpha=0.14, linewidth=0)
        axes.plot(xs, values, **look, linewidth=1.8, markersize=6, clip_on=False)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(True)
    _title(figure, title)
    _legend(figure, [_line(name, **look) for name, look in zip(series, _looks())])
    return figure


# --- answers -------------------------------------------------------------------------


@_picture
def confusion(title: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """How often each right option was answered with which: rows are right, columns read.

    Args:
        title: of the picture.
        classes: texts of the options.
        counts: shape (len(classes), len(classes) + 1); the last column counts responses without an answer.
            Of more than `MOST_CLASSES` classes, those that occur least are drawn as one.

    Raises:
        ValueError: ``counts`` has another shape.
    """
    table = np.asarray(counts, dtype=int)
    if table.shape != (len(classes), len(classes) + 1):
        raise ValueError(
            f"Expected counts of shape {(len(classes), len(classes) + 1)} for {len(classes)} classes, got {table.shape}."
        )
    names, table = _pooled_classes(list(classes), table)
    columns = [*names, "no answer"] if table[:, -1].any() else names
    table = table[:, : len(columns)]
    labels, heads = [wrapped(name, 28, lines=3) for name in names], [wrapped(name, 24, lines=3) for name in columns]
    figure = _figure(max(_HALF_WIDTH, 3.1 + _CELL_INCHES * len(columns)), max(3.2, 2.6 + _CELL_INCHES * len(names)))
    axes = figure.add_subplot()
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=_white_to(COLOURS[0]), vmin=0, vmax=1, aspect="equal")
    for (row, column), count in np.ndenumerate(table):
        if count:
            axes.text(
                column,
                row,
                f"{count:,}",
                ha="center",
                va="center",
                fontsize=9 if count < 1_000 else 7,
                color="white" if shares[row, column] > 0.55 else "black",
            )
        if row == column and names[row] in classes:
            axes.add_patch(_outline(column, row))
    axes.set_xticks(range(len(columns)), heads, rotation=90, fontsize=8.5)
    axes.set_yticks(range(len(names)), labels, fontsize=8.5)
    axes.set(xlabel="answered", ylabel="right")
    axes.spines[:].set_visible(True)
    axes.tick_params(length=0)
    _title(figure, title)
    return figure


@_picture
def reliability(title: str, edges: Sequence[float], series: Mapping[str, Mapping[str, Numbers]]) -> Figure:
    """How often answers of a given confidence are right, over how many there are of each.

    Args:
        title: of the picture.
        edges: of the bins of confidence, ascending from 0 to 1.
        series: of each run, for each bin, ``confidence`` (mean), ``accuracy`` and ``count``; None where a bin is empty.

    Raises:
        ValueError: a sequence is not as long as there are bins.
    """
    figure = _figure(_HALF_WIDTH, 5.6 + 0.22 * len(series))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 100], [0, 100], color=GREY, linestyle=":", linewidth=1.2)
    bins = range(len(edges) - 1)
    width = 100 * np.diff(edges) / len(series)
    for number, ((run, found), look, hatch) in enumerate(zip(series.items(), _looks(), itertools.cycle(HATCHES))):
        confidence, accuracy, count = (
            _numbers(found[column], bins, f"{column} of {run}") for column in ("confidence", "accuracy", "count")
        )
        filled = count > 0
        above.plot(100 * confidence[filled], 100 * accuracy[filled], **look, linewidth=1.6, markersize=6, clip_on=False)
        below.bar(
            100 * np.asarray(edges[:-1]) + number * width,
            count,
            width=width,
            align="edge",
            color=_pale(look["color"]),
            edgecolor=look["color"],
            hatch=hatch,
            linewidth=0.8,
        )
    above.set(ylabel="right (%)", xlim=(0, 100), ylim=(0, 100))
    above.grid(True)
    below.set(xlabel="confidence: the highest probability (%)", ylabel="questions")
    if max(count or 0 for found in series.values() for count in found["count"]) > _LINEAR_COUNTS:
        below.set_yscale("symlog", linthresh=1)
    _plain_counts(below)
    _title(figure, title)
    _legend(
        figure,
        [_line(run, **look) for run, look in zip(series, _looks())] + [_line("calibrated", color=GREY, linestyle=":")],
    )
    return figure


@_picture
def letters(title: str, panels: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Figure:
    """How often each letter is right and is answered: of each run ``gold`` and ``read``, each from letter to count."""
    shown = sorted(
        {letter for counts in panels.values() for column in counts.values() for letter in column},
        key=lambda letter: (len(letter) > 1, letter),
    )
    figure = _figure(WIDTH * 0.8, 1.1 + 2.0 * len(panels))
    for axes, (run, counts) in zip(figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0], panels.items()):
        for shift, column, colour, hatch in ((-0.2, "gold", GREY, ""), (0.2, "read", COLOURS[0], HATCHES[1])):
            heights = [counts[column].get(letter, 0) for letter in shown]
            bars = axes.bar(
                np.arange(len(shown)) + shift, heights, width=0.38, color=_pale(colour), edgecolor=colour, hatch=hatch
            )
            axes.bar_label(bars, fontsize=8)
        axes.set_xticks(range(len(shown)), shown)
        axes.set_title(wrapped(run, 70, lines=2), fontsize=10, fontweight="normal")
        axes.set_ylabel("questions")
        axes.margins(y=0.15)
    _title(figure, title)
    _legend(
        figure,
        [
            _patch("right", facecolor=_pale(GREY), edgecolor=GREY),
            _patch("answered", facecolor=_pale(COLOURS[0]), edgecolor=COLOURS[0], hatch=HATCHES[1]),
        ],
    )
    return figure


@_picture
def histograms(
    title: str, edges: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[int]]], xlabel: str, ylabel: str
) -> Figure:
    """Panels of histograms over the same bins: of each panel, of each run, the count in each bin.

    Raises:
        ValueError: a run has not a count for each bin.
    """
    runs = list(dict.fromkeys(run for found in panels.values() for run in found))
    looks = dict(zip(runs, _looks()))
    across = 1 if len(panels) == 1 else 2
    down = -(-len(panels) // across)
    figure = _figure(WIDTH, 0.9 + 2.2 * down + 0.2 * len(runs))
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (name, found) in zip(grid, panels.items()):
        for run, counts in found.items():
            look = looks[run]
            values = _numbers(counts, edges[1:], f"counts of {run}")
            axes.stairs(values, edges, fill=True, color=look["color"], alpha=0.15)
            axes.stairs(values, edges, color=look["color"], linestyle=look["linestyle"], linewidth=1.6)
        axes.set_title(wrapped(name, 50, lines=2), fontsize=10, fontweight="normal")
        axes.set(xlim=(edges[0], edges[-1]), xlabel=xlabel, ylabel=ylabel)
        axes.grid(True, axis="y")
        _plain_counts(axes)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    _title(figure, title)
    _legend(figure, [_line(run, color=look["color"], linestyle=look["linestyle"]) for run, look in looks.items()])
    return figure


# --- files ---------------------------------------------------------------------------


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as a PNG file that says its resolution."""
    return _written(figure, "png", dpi=dpi)


def save(figure: Figure, folder: Path, name: str) -> bytes:
    """Write ``name.png`` and ``name.pdf`` into ``folder``, which is made if need be; returns the PNG file's content."""
    folder.mkdir(parents=True, exist_ok=True)
    content = png(figure)
    # Laid out once: it takes as long as drawing.
    figure.set_layout_engine("none")
    (folder / f"{name}.png").write_bytes(content)
    # Without its date, the same figure is the same file.
    (folder / f"{name}.pdf").write_bytes(_written(figure, "pdf", metadata={"CreationDate": None}))
    return content


def _written(figure: Figure, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    with _own_settings(), warnings.catch_warnings():
        # Drawn as a box, which says enough.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format=kind, **options)
    return file.getvalue()


# --- what they share -----------------------------------------------------------------


def wrapped(text: str, width: int = _LABEL_CHARACTERS, lines: int = _MOST_LINES) -> str:
    """``text`` as a label: on several lines if it is long, but not at hard spaces, and what cannot be printed as a question mark."""
    words = _SPACES.sub(" ", text).strip()
    printable = "".join(character if character.isprintable() or character == HARD_SPACE else "?" for character in words)
    return "\n".join(textwrap.wrap(printable, width, max_lines=lines, placeholder=" …", break_on_hyphens=False)) or " "


def _numbers(values: Numbers, per: Sequence[Any], name: str) -> np.ndarray:
    found = np.array(values, dtype=np.float64)
    if found.shape != (len(per),):
        raise ValueError(f"Expected {len(per)} {name}, got shape {found.shape}.")
    return found


def _fractions(values: Numbers, per: Sequence[Any], name: str) -> np.ndarray:
    found = _numbers(values, per, name)
    outside = found[(found < 0) | (found > 1)]
    if outside.size:
        raise ValueError(f"Expected fractions from 0 to 1 in {name}, got {outside[0]:g}.")
    return found


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _row_axes(title: str, labels: Sequence[str], xlabel: str, extra: float = 0.0) -> tuple[Figure, Axes, np.ndarray]:
    """Axes with a row for each label, the first at the top, as high as the labels need."""
    texts = [wrapped(label) for label in labels]
    heights = [max(0.36 + extra, 0.12 + _LINE_INCHES * (text.count("\n") + 1)) for text in texts]
    # All rows are as high as the highest.
    figure = _figure(WIDTH, 1.35 + max(heights, default=0.36) * len(labels))
    axes = figure.add_subplot()
    rows = np.arange(len(labels))
    axes.set_yticks(rows, texts)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_color("#BFBFBF")
    _title(figure, title)
    return figure, axes, rows


def _title(figure: Figure, title: str) -> None:
    figure.suptitle(
        wrapped(title, int(figure.get_figwidth() * 9.5), lines=4), x=0.01, ha="left", fontsize=11.5, fontweight="bold"
    )


def _whiskers(values: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """Lengths of the whiskers; an end on the wrong side of its value, which a rounded report may have, is none."""
    return np.nan_to_num(np.clip([values - lows, highs - values], 0, None))


def _percent_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    # Room for a bar's outline, and for half a marker.
    axes.set_xlim(-0.002, 1.01)
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))


def _mark_levels(
    axes: Axes, rows: np.ndarray, labels: Sequence[str], levels: Sequence[float | Numbers | None], zorder: float = 2.5
) -> list[Any]:
    """Mark the levels of `LEVELS`, in its order, in each row; return their entries in the legend."""
    handles = []
    for (name, dashes), level in zip(LEVELS.items(), levels, strict=True):
        if level is None:
            continue
        positions = (
            np.full(len(labels), level)
            if isinstance(level, int | float)
            else _fractions(level, labels, f"levels of {name}")
        )
        # White behind black is seen on the bar and beside it.
        axes.vlines(positions, rows - 0.4, rows + 0.4, color="white", linewidth=3.2, zorder=zorder)
        axes.vlines(positions, rows - 0.4, rows + 0.4, color="black", linewidth=1.4, linestyle=dashes, zorder=zorder)
        handles.append(_line(name, color="black", linewidth=1.4, linestyle=dashes))
    return handles


def _with_interval(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return "–"
    return (
        f"{100 * value:.1f}"
        if np.isnan([low, high]).any()
        else f"{100 * value:.1f}  [{100 * low:.1f}, {100 * high:.1f}]"
    )


def _print_numbers(axes: Axes, rows: np.ndarray, texts: Sequence[str]) -> None:
    """Texts to the right of the axes, one for each row."""
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(rows, texts, fontsize=9)
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)


def _plain_counts(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if float(value).is_integer() else ""))


def _looks() -> Iterator[dict[str, Any]]:
    """Colour, marker and dashes of one series after the other; as their numbers differ, combinations repeat late."""
    for colour, marker, dashes in zip(itertools.cycle(COLOURS), itertools.cycle(MARKERS), itertools.cycle(DASHES)):
        yield {"color": colour, "marker": marker, "linestyle": dashes}


def _legend(figure: Figure, handles: Sequence[Any]) -> None:
    if handles:
        names = [wrapped(handle.get_label(), 60, lines=2) for handle in handles]
        columns = 1 if max(map(len, names)) > 40 else min(3, len(names))
        legend = figure.legend(handles, [" "] * len(names), loc="outside lower left", ncols=columns)
        # Set afterwards: matplotlib leaves out what begins with an underscore.
        for text, name in zip(legend.get_texts(), names):
            text.set_text(name)


def _line(label: str, **look: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **look)


def _patch(label: str, **look: Any) -> Any:
    from matplotlib.patches import Patch

    return Patch(label=label, **look)


def _pale(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return tuple(1 - 0.35 * (1 - part) for part in to_rgb(colour))


def _white_to(colour: str) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("white to colour", ["#FFFFFF", colour])


def _outline(column: int, row: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor=COLOURS[1], linewidth=1.3)


def _pooled_classes(names: list[str], table: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The classes that occur most one by one, in their order, and the rest as one."""
    if len(names) <= MOST_CLASSES:
        return names, table
    occurring = table.sum(axis=1) + table[:, :-1].sum(axis=0)
    kept = sorted(np.argsort(-occurring, kind="stable")[: MOST_CLASSES - 1])
    group = np.full(len(names) + 1, len(kept))
    group[kept] = range(len(kept))
    group[-1] = len(kept) + 1
    pooled = np.zeros((len(kept) + 1, len(kept) + 2), dtype=int)
    np.add.at(pooled, (group[:-1, None], group[None, :]), table)
    return [*(names[index] for index in kept), f"{len(names) - len(kept)} other options"], pooled
