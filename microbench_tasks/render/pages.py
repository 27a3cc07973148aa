"""Render self-contained HTML pages with sortable tables and embedded images; they load no other resources.

Answers and names come from models and from strangers: all text is escaped. A Content-Security-Policy allows only the
page's own script and style.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Literal

from microbench_tasks.util.text_safety import printable

if TYPE_CHECKING:
    import jinja2

_PNG_START = b"\x89PNG\r\n\x1a\n"
_CSS_PIXELS_PER_METRE = 96 / 0.0254
# On a narrow screen, wider images scroll: shrunk to its width, they could not be read.
_WIDE_PIXELS = 500
_NUMBER = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)?(\.\d+)?(?<=\d)(e[-+]?\d+)?( ?%)?", re.ASCII)
_TASK_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+", re.ASCII)
_EMPTY = ("", "-", "–", "—")
_RETURN = re.compile(r"\r\n?")
_PARAGRAPHS = re.compile(r"\n\s*\n")

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
        """Return the value in percent."""
        return "–" if self.value is None else percent(self.value)

    @property
    def interval(self) -> str:
        """Return the interval in percent; empty without one."""
        return "" if self.low is None or self.high is None else f"[{percent(self.low)}, {percent(self.high)}]"


@dataclass(frozen=True)
class ChartRow:
    """Hold a row of a chart: its name, the bar of each series, and levels that need no image."""

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
    """Hold one score of a headline, with the level that chance reaches, if that is known."""

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


def render(
    title: str,
    sections: Sequence[Section],
    facts: Mapping[str, str] = {},
    *,
    notice: str = "",
    lead: Sequence[str] = (),
    headlines: Sequence[Headline] = (),
) -> str:
    """Render the whole page; the same arguments always give the same text.

    Args:
        title: of the page.
        sections: in order; if there are several, links to them stay in view beside or above the page.
        facts: names and values below the headlines.
        notice: a warning at the top, such as that the data are a demo.
        lead: paragraphs that answer what a reader asks first.
        headlines: one for each run.

    >>> "&lt;b&gt;" in render("<b>", [])
    True
    """
    from markupsafe import Markup

    style, script = _asset("page.css"), _asset("page.js")
    html = _template().render(
        title=title,
        facts=facts,
        notice=notice,
        lead=lead,
        headlines=headlines,
        sections=[_section_view(f"section-{number}", section) for number, section in enumerate(sections, start=1)],
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
    )
    # Answers and names may contain invisible characters, unpaired surrogates, and marks that reverse the text.
    return printable(_RETURN.sub("\n", html.encode("utf-8", "replace").decode("utf-8")))


def percent(value: float, decimals: int = 1) -> str:
    """Format a fraction in percent; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100 * value:.{decimals}f}"


def percent_cell(value: float | None) -> Cell:
    """Return a cell with a fraction in percent that sorts by the fraction; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return Cell("–")
    return Cell(percent(value), sort=float(value), title=f"{value:.6f}")


def count_cell(count: int) -> Cell:
    """Return a cell with a whole number, with commas, sorted by the number."""
    return Cell(f"{count:,}", sort=count)


def number_cell(value: float) -> Cell:
    """Return a cell with a number with two decimals that sorts by the number; a dash for NaN."""
    return Cell("–") if math.isnan(value) else Cell(f"{value:.2f}", sort=float(value), title=f"{value:.6f}")


# --- content as the template needs it ------------------------------------------------


@dataclass(frozen=True)
class _CellView:
    text: str
    title: str
    # The sort key for the script: a number as text, or else a text.
    number: str
    key: str


@dataclass(frozen=True)
class _TableView:
    title: str
    note: str
    # For each column, its head and whether it is numeric.
    columns: list[tuple[str, bool]]
    rows: list[list[_CellView]]


@dataclass(frozen=True)
class _SectionView:
    anchor: str
    title: str
    paragraphs: list[str]
    # Each with the macro of the template that renders it.
    parts: list[tuple[str, _View]]


@dataclass(frozen=True)
class _FoldedView:
    title: str
    about: str
    parts: list[tuple[str, _View]]


_View = _TableView | Image | Gallery | Chart | _FoldedView


def _section_view(anchor: str, section: Section) -> _SectionView:
    paragraphs = [text for text in _PARAGRAPHS.split(section.text) if text.strip()]
    return _SectionView(anchor, section.title, paragraphs, [_part_view(part) for part in section.parts])


def _part_view(part: Part) -> tuple[str, _View]:
    if isinstance(part, Table):
        return "table", _table_view(part)
    if isinstance(part, Folded):
        return "folded", _FoldedView(part.title, part.about, [_part_view(inner) for inner in part.parts])
    return type(part).__name__.lower(), part


def _table_view(table: Table) -> _TableView:
    rows = [[_cell_view(cell if isinstance(cell, Cell) else Cell(cell)) for cell in row] for row in table.rows]
    columns = [(head, _is_numeric(row[column] for row in rows)) for column, head in enumerate(table.header)]
    return _TableView(table.title, table.note, columns, rows)


def _is_numeric(cells: Iterable[_CellView]) -> bool:
    filled = [cell for cell in cells if cell.number or cell.key]
    return bool(filled) and all(cell.number for cell in filled)


def _cell_view(cell: Cell) -> _CellView:
    key = cell.text if cell.sort is None else cell.sort
    if isinstance(key, str) and _NUMBER.fullmatch(key.strip()):
        key = float(key.replace(",", "").strip().rstrip("% "))
    if isinstance(key, str):
        return _CellView(cell.text, cell.title, "", "" if key.strip() in _EMPTY else key)
    return _CellView(cell.text, cell.title, repr(float(key)), "")


def _breakable(text: str) -> list[str]:
    """Split a name of a task after its underscores: lines of a narrow screen may break there, and nowhere else.

    >>> _breakable("fine_cell"), _breakable("two words")
    (['fine_', 'cell'], ['two words'])
    """
    return re.findall("[^_]*_|[^_]+", text) if _TASK_NAME.fullmatch(text) else [text]


# --- template ------------------------------------------------------------------------


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy that allows only this style, this script, and embedded images."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in (style, script)
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )


@functools.cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _template() -> jinja2.Template:
    # Imported only where a page is made.
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["breakable"] = _breakable
    return environment.from_string(_asset("page.html.j2"))
