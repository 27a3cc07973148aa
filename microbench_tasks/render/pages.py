"""Render self-contained HTML pages with sortable tables and embedded images; they load no other resources.

Answers and names come from models and from strangers: all text is escaped. A Content-Security-Policy allows only the
page's own script and style.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from microbench_tasks.render.page_content import Cell, Chart, Folded, Gallery, Headline, Image, Part, Section, Table
from microbench_tasks.util.text_safety import printable

if TYPE_CHECKING:
    import jinja2

_NUMBER = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)?(\.\d+)?(?<=\d)(e[-+]?\d+)?( ?%)?", re.ASCII)
_TASK_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+", re.ASCII)
_EMPTY = ("", "-", "–", "—")
_RETURN = re.compile(r"\r\n?")
_PARAGRAPHS = re.compile(r"\n\s*\n")


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
