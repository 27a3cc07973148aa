"""State what a page contains: sections of tables, images, charts and galleries, below headlines.

`microbench_tasks.render.pages` renders it.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from microbench_tasks.render.number_text import short_percent

_PNG_START = b"\x89PNG\r\n\x1a\n"
_CSS_PIXELS_PER_METRE = 96 / 0.0254
# On a narrow screen, wider images scroll: shrunk to its width, they could not be read.
_WIDE_PIXELS = 500

# What an example shows: a right, a wrong or an unparsable answer to a question, or gold and predicted boxes.
Mark = Literal["", "right", "wrong", "unparsed", "boxes"]


@dataclass(frozen=True)
class Cell:
    """Hold one cell of a table.

    Attributes:
        text: of the cell.
        sort: the key by which the column sorts: numbers before texts, NaN and empty cells last. The default is
            ``text`` as a number (``0.5``, ``1,234``, ``12.5 %``), or else as a text. A dash counts as empty.
        title: shown when the mouse rests on the cell, such as a number in full.
    """

    text: str
    sort: float | str | None = None
    title: str = ""


@dataclass(frozen=True)
class Table:
    """Hold a table; a click on the head of a column, or Enter on it, sorts by the column.

    Attributes:
        title: heading above the table.
        header: names of the columns.
        rows: from the top; the cells of each, one a column.
        note: shown below the table.

    Raises:
        ValueError: a row does not have as many cells as the header.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    note: str = ""

    def __post_init__(self) -> None:
        wrong = [len(row) for row in self.rows if len(row) != len(self.header)]
        if wrong:
            raise ValueError(
                f"Expected rows of {len(self.header)} cells in the table {self.title!r}, got one of {wrong[0]}."
            )


@dataclass(frozen=True)
class Image:
    """Hold an image with its description.

    Attributes:
        title: heading above the image.
        png: a PNG file.
        alt: describes the image in words, for readers who do not see it.
        note: shown below the image.

    Raises:
        ValueError: ``png`` is not a PNG file.
    """

    title: str
    png: bytes
    alt: str
    note: str = ""

    def __post_init__(self) -> None:
        if not self.png.startswith(_PNG_START):
            raise ValueError(f"Expected a PNG file as the image {self.title!r}, got {self.png[:8]!r}.")

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height on the page in CSS pixels, by the file's resolution; without one, a pixel is one."""
        width, height = struct.unpack(">II", self.png[16:24])
        resolution = self.png.find(b"pHYs", 0, self.png.find(b"IDAT"))
        if resolution < 0:
            return width, height
        per_metre = struct.unpack(">I", self.png[resolution + 4 : resolution + 8])[0]
        scale = _CSS_PIXELS_PER_METRE / per_metre if per_metre else 1
        return round(width * scale), round(height * scale)

    @property
    def is_wide(self) -> bool:
        """Tell whether a narrow screen scrolls the image."""
        return self.size[0] > _WIDE_PIXELS

    @property
    def url(self) -> str:
        """Return the image as a ``data:`` URL."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Option:
    """Hold an option of a question with its share (from 0 to 1) of the probability, drawn as a bar."""

    text: str
    share: float
    is_right: bool
    is_chosen: bool


@dataclass(frozen=True)
class Bar:
    """Hold a value with its interval, fractions from 0 to 1; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def text(self) -> str:
        """Return 100 times the value: a share in percent, or a score such as GRIT × 100; a dash if there is none."""
        return "–" if self.value is None else short_percent(self.value)

    @property
    def interval(self) -> str:
        """Return 100 times the ends of the interval, in brackets; empty without one."""
        if self.low is None or self.high is None:
            return ""
        return f"[{short_percent(self.low)}, {short_percent(self.high)}]"


@dataclass(frozen=True)
class ChartRow:
    """Hold a row of a chart.

    Attributes:
        name: of the row.
        bars: one of each series.
        chance: the level that random answers reach, from 0 to 1; None if it is not known.
        majority: the level that the most frequent answer reaches, from 0 to 1; None if it is not known.
        is_reported: whether the values are stated by the paper, not computed here; such bars are drawn as outlines.
    """

    name: str
    bars: Sequence[Bar]
    chance: float | None = None
    majority: float | None = None
    is_reported: bool = False


@dataclass(frozen=True)
class Chart:
    """Hold horizontal bars from 0 to 100 %, drawn by the browser: readable at any width, in the dark and in print.

    Attributes:
        title: heading above the chart.
        series: names of the bars of each row.
        rows: from the top.
        alt: describes the chart in words, for readers who do not see it.
        note: shown below the chart.
    """

    title: str
    series: Sequence[str]
    rows: Sequence[ChartRow]
    alt: str
    note: str = ""

    @property
    def levels(self) -> list[str]:
        """Return the names of the levels that are marked in any row."""
        marked = {
            "chance": any(row.chance is not None for row in self.rows),
            "majority answer": any(row.majority is not None for row in self.rows),
        }
        return [name for name, is_marked in marked.items() if is_marked]


@dataclass(frozen=True)
class Score:
    """Hold one score of a headline.

    Attributes:
        name: of the score.
        bar: the score with its interval, fractions from 0 to 1.
        chance: the level that random answers reach, from 0 to 1; None if it is not known.
        unit: shown after 100 times the score: ``%``, or the name of a score that is no share, such as
            ``GRIT × 100``.
    """

    name: str
    bar: Bar
    chance: float | None = None
    unit: str = "%"


@dataclass(frozen=True)
class Headline:
    """Hold what a reader should know of one run at first sight: its model, its data, and its scores."""

    title: str
    about: str
    scores: Sequence[Score]


@dataclass(frozen=True)
class Folded:
    """Hold parts that are shown when the reader opens them; printed pages show them open."""

    title: str
    parts: Sequence[Part]
    about: str = ""


@dataclass(frozen=True)
class Card:
    """Hold one example of a gallery.

    Attributes:
        title: of the card.
        facts: named texts.
        image: shown above them, if there is one.
        mark: what the example is an example of.
        options: the options of a question, if each has a share.
        folded: named texts that are shown when the reader opens them.
    """

    title: str
    facts: Mapping[str, str]
    image: Image | None = None
    mark: Mark = ""
    options: Sequence[Option] = ()
    folded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gallery:
    """Hold examples, which are shown side by side."""

    title: str
    cards: Sequence[Card]
    note: str = ""


Part = Table | Image | Gallery | Chart | Folded


@dataclass(frozen=True)
class Section:
    """Hold a section of the page with its heading; blank lines in ``text`` separate paragraphs."""

    title: str
    parts: Sequence[Part]
    text: str = ""


def percent_cell(value: float | None) -> Cell:
    """Return a cell with a fraction in percent that sorts by the fraction; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return Cell("–")
    return Cell(short_percent(value), sort=float(value), title=f"{value:.6f}")


def count_cell(count: int) -> Cell:
    """Return a cell with a whole number, with commas, sorted by the number."""
    return Cell(f"{count:,}", sort=count)


def number_cell(value: float) -> Cell:
    """Return a cell with a number with two decimals that sorts by the number; a dash for NaN."""
    return Cell("–") if math.isnan(value) else Cell(f"{value:.2f}", sort=float(value), title=f"{value:.6f}")
