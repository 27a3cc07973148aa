"""Define the look of all plots: colours, fonts, figures, titles and legends."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec

from microbench_tasks.render.plots.labels import wrap_label

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

# A line style of matplotlib: a name, or an offset with lengths of dashes and gaps.
LineStyle = str | tuple[float, tuple[float, ...]]

# Okabe and Ito, "Color Universal Design" (2008), without black, and without yellow, which is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo")
LINE_STYLES: tuple[LineStyle, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
GREY = "#595959"

# Width of a figure that fills the page, and of one of two side by side, in inches.
WIDTH = 9.0
HALF_WIDTH = 5.4

_SETTINGS = {
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

_Parameters = ParamSpec("_Parameters")


@contextmanager
def own_settings() -> Iterator[None]:
    """Use the settings of this package instead of the user's."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        # The names of settings are checked by matplotlib when it is run.
        matplotlib.rcParams.update(_SETTINGS)  # type: ignore[arg-type]
        yield


def with_own_settings(draw: Callable[_Parameters, Figure]) -> Callable[_Parameters, Figure]:
    """Decorate a function that draws a figure: it runs within `own_settings`."""

    @functools.wraps(draw)
    def drawn(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> Figure:
        with own_settings():
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def set_title(figure: Figure, title: str) -> None:
    """Write the title above a figure, wrapped to its width."""
    text = wrap_label(title, int(figure.get_figwidth() * 9.5), max_lines=4)
    figure.suptitle(text, x=0.01, ha="left", fontsize=11.5, fontweight="bold")


def set_panel_title(axes: Axes, title: str, width: int) -> None:
    """Write the title of one of several panels, wrapped to a number of characters."""
    axes.set_title(wrap_label(title, width, max_lines=2), fontsize=10, fontweight="normal")


def format_counts(axes: Axes) -> None:
    """Label whole numbers alone on the y axis, with commas."""
    from matplotlib.ticker import FuncFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if float(value).is_integer() else ""))


# --- series --------------------------------------------------------------------------


@dataclass(frozen=True)
class SeriesStyle:
    """The look of one series."""

    colour: str
    marker: str
    line: LineStyle

    def options(self) -> dict[str, Any]:
        """Return the options of ``Axes.plot`` and ``Line2D``."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line}


def series_styles() -> Iterator[SeriesStyle]:
    """Yield the styles of one series after the other, without end.

    There are different numbers of colours, markers and line styles, so that combinations repeat late.
    """
    for colour, marker, line in zip(
        itertools.cycle(COLOURS), itertools.cycle(MARKERS), itertools.cycle(LINE_STYLES), strict=True
    ):
        yield SeriesStyle(colour, marker, line)


def styles_of(names: Iterable[str]) -> dict[str, SeriesStyle]:
    """Return the style of each series by its name."""
    return dict(zip(names, series_styles(), strict=False))


def pale(colour: str) -> tuple[float, float, float]:
    """Return a pale form of a colour, for areas."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    return 1 - 0.35 * (1 - red), 1 - 0.35 * (1 - green), 1 - 0.35 * (1 - blue)


# --- legend --------------------------------------------------------------------------


def add_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Add a legend below the figure, if there are handles; names may begin with an underscore."""
    if not handles:
        return
    names = [wrap_label(str(handle.get_label()), 60, max_lines=2) for handle in handles]
    longest = max(map(len, names))
    num_columns = 1 if longest > 40 else min(2 if longest > 24 else 3, len(names))
    legend = figure.legend(handles, [" "] * len(names), loc="outside lower left", ncols=num_columns)
    # Set the names afterwards: matplotlib leaves out labels that begin with an underscore.
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def legend_line(label: str, **options: Any) -> Line2D:
    """Return a line as an entry of a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **options)


def legend_patch(label: str, **options: Any) -> Patch:
    """Return an area as an entry of a legend."""
    from matplotlib.patches import Patch

    return Patch(label=label, **options)
