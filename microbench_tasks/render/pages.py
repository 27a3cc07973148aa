"""HTML pages that stand alone: tables that sort, pictures inside, nothing fetched.

Every text is shown as text, whatever stands in it: answers and names are written by models and by
people we do not know. A Content-Security-Policy in the page runs its own script and style alone.
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
from typing import Literal

from microbench_tasks.util.text_safety import printable

_PNG_START = b"\x89PNG\r\n\x1a\n"
_CSS_PIXELS_PER_METRE = 96 / 0.0254
# Wider pictures are scrolled on a narrow screen instead of being shrunk until nothing can be read.
_WIDE_PIXELS = 500
_NUMBER = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)?(\.\d+)?(?<=\d)(e[-+]?\d+)?( ?%)?", re.ASCII)
_NOTHING = ("", "-", "–", "—")
_RETURN = re.compile(r"\r\n?")
_PARAGRAPHS = re.compile(r"\n\s*\n")

Mark = Literal["", "right", "wrong", "unparsed", "boxes"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what is shown.
        sort: what the column is sorted by: numbers before texts, NaN and nothing last; by default the
            number that ``text`` is (``0.5``, ``1,234``, ``12.5 %``), or else ``text``. A dash is nothing.
        title: shown when the mouse rests on the cell, such as what a number is made of.
    """

    text: str
    sort: float | str | None = None
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table; a click on a column's head, or Enter on it, sorts by the column."""

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
class Picture:
    """A picture with its description for those who do not see it; raises ValueError unless ``png`` is a PNG file."""

    title: str
    png: bytes
    alt: str
    note: str = ""

    def __post_init__(self) -> None:
        if not self.png.startswith(_PNG_START):
            raise ValueError(f"Expected a PNG file as the picture {self.title!r}, got {self.png[:8]!r}.")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page in CSS pixels: as large as its resolution says, or a pixel each."""
        width, height = struct.unpack(">II", self.png[16:24])
        resolution = self.png.find(b"pHYs", 0, self.png.find(b"IDAT"))
        if resolution < 0:
            return width, height
        per_metre = struct.unpack(">I", self.png[resolution + 4 : resolution + 8])[0]
        scale = _CSS_PIXELS_PER_METRE / per_metre if per_metre else 1
        return round(width * scale), round(height * scale)

    @property
    def is_wide(self) -> bool:
        """Whether a narrow screen scrolls it."""
        return self.size[0] > _WIDE_PIXELS

    @property
    def url(self) -> str:
        """The picture itself as a ``data:`` URL."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Card:
    """One example of a gallery: a picture, if there is one, beside named texts."""

    title: str
    facts: Mapping[str, str]
    picture: Picture | None = None
    mark: Mark = ""


@dataclass(frozen=True)
class Gallery:
    """Examples side by side."""

    title: str
    cards: Sequence[Card]
    note: str = ""


Part = Table | Picture | Gallery


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading; blank lines in ``text`` separate paragraphs."""

    title: str
    parts: Sequence[Part]
    text: str = ""


def render(title: str, sections: Sequence[Section], facts: Mapping[str, str] = {}) -> str:
    """The whole page, UTF-8 text that depends on the arguments alone.

    Args:
        title: of the page.
        sections: in order; the page begins with links to them if there are several.
        facts: shown at the top, name and value.

    >>> "&lt;b&gt;" in render("<b>", [])
    True
    """
    from markupsafe import Markup

    style, script = _asset("page.css"), _asset("page.js")
    shown = _template().render(
        title=title,
        facts=facts,
        sections=[_ShownSection(f"section-{number}", section) for number, section in enumerate(sections, start=1)],
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
    )
    # Answers and names may hold what turns a text around, what cannot be seen, or half a surrogate pair.
    return printable(_RETURN.sub("\n", shown.encode("utf-8", "replace").decode("utf-8")))


def percent(value: float, decimals: int = 1) -> str:
    """A fraction for reading; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100 * value:.{decimals}f}"


def percent_cell(value: float | None) -> Cell:
    """A fraction as a cell: in percent, sorted by the fraction, in full under the mouse; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return Cell("–")
    return Cell(percent(value), sort=float(value), title=f"{value:.6f}")


@dataclass(frozen=True)
class _ShownSection:
    anchor: str
    section: Section
    paragraphs: list[str] = field(init=False)
    parts: list[tuple[str, object]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "paragraphs", [text for text in _PARAGRAPHS.split(self.section.text) if text.strip()])
        object.__setattr__(
            self,
            "parts",
            [
                (type(part).__name__.lower(), _shown_table(part) if isinstance(part, Table) else part)
                for part in self.section.parts
            ],
        )


@dataclass(frozen=True)
class _ShownCell:
    text: str
    title: str
    # What the script sorts by: a number as text, or else a text.
    number: str
    key: str


@dataclass(frozen=True)
class _ShownTable:
    title: str
    note: str
    # Of each column its head, and whether it holds numbers.
    columns: list[tuple[str, bool]]
    rows: list[list[_ShownCell]]


def _shown_table(table: Table) -> _ShownTable:
    rows = [[_shown_cell(cell if isinstance(cell, Cell) else Cell(cell)) for cell in row] for row in table.rows]
    return _ShownTable(
        table.title,
        table.note,
        [(head, _are_numbers(row[column] for row in rows)) for column, head in enumerate(table.header)],
        rows,
    )


def _are_numbers(cells: Iterable[_ShownCell]) -> bool:
    filled = [cell for cell in cells if cell.number or cell.key]
    return bool(filled) and all(cell.number for cell in filled)


def _shown_cell(cell: Cell) -> _ShownCell:
    key = cell.text if cell.sort is None else cell.sort
    if isinstance(key, str) and _NUMBER.fullmatch(key.strip()):
        key = float(key.replace(",", "").strip().rstrip("% "))
    if isinstance(key, str):
        return _ShownCell(cell.text, cell.title, "", "" if key.strip() in _NOTHING else key)
    return _ShownCell(cell.text, cell.title, repr(float(key)), "")


def _policy(style: str, script: str) -> str:
    hashes = {
        kind: base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        for kind, content in (("style", style), ("script", script))
    }
    return f"default-src 'none'; img-src data:; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; base-uri 'none'; form-action 'none'"


@functools.cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _template():  # noqa: ANN202 - jinja2 is imported only where a page is made
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("page.html.j2"))
