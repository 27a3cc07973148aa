"""Read a table of labels: a CSV file of any spreadsheet, with its line numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from microbench_tasks.data.own_datasets.columns import FILE, resolve
from microbench_tasks.data.own_datasets.image_files import normalized
from microbench_tasks.data.own_datasets.problems import Problems
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_MAX_BYTES = 200 << 20
_UTF8_ADVICE = 'Save it as UTF-8: in Excel as "CSV UTF-8 (Comma delimited)", in LibreOffice with character set UTF-8'
# Excel writes and reads a first line that names the separator.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>.)"?\r?\n')


@dataclass(frozen=True)
class LabelRow:
    """One row: its line in the file, counted from 1, and its cells by role; empty cells are left out."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class LabelTable:
    """The rows of a file, the roles that have a column, and the names of the columns that are not read."""

    rows: list[LabelRow]
    roles: frozenset[str]
    unread: list[str]


def read(path: Path, mapping: Mapping[str, str], problems: Problems) -> LabelTable:
    """Read a CSV file with a line of column names.

    Args:
        path: UTF-8 with or without a byte order mark, separated by commas, semicolons or tabs.
        mapping: column names by role, where they differ.
        problems: gets rows with too many or too few cells.

    Raises:
        DataError: the file cannot be read, is in another encoding, or lacks the columns ``file`` and ``class``.
    """
    text, first_line, separator = _separated(_decoded(path), path)
    numbered = _rows(text, separator, first_line, path)
    _, header = next(numbered, (0, []))
    names = [normalized(name).strip() for name in header]
    roles = resolve(names, mapping, needed=(FILE, "class"), where=str(path))
    rows = []
    for line, cells in numbered:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            problems.add(
                f"{path.name} line {line}",
                f"expected {len(names)} cells as in the first line, got {len(cells)}. Put cells that contain "
                f"{SEPARATORS[separator]} in double quotes",
            )
            continue
        stripped = [normalized(cell).strip() for cell in cells]
        rows.append(LabelRow(line, {role: stripped[at] for role, at in roles.items() if stripped[at]}))
    unread = [name for at, name in enumerate(names) if at not in roles.values() and name]
    return LabelTable(rows, frozenset(roles), unread)


def _decoded(path: Path) -> str:
    content = untrusted.read_regular_file(path, _MAX_BYTES)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: is UTF-16, expected UTF-8. {_UTF8_ADVICE}.")
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise DataError(f"{path}: is a spreadsheet or an archive, expected CSV. {_UTF8_ADVICE}.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} line {line}: is not UTF-8 (byte 0x{content[error.start]:02x}). {_UTF8_ADVICE}."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path} line {line}: contains a null character, expected text. {_UTF8_ADVICE}.")
    if not text.strip():
        raise DataError(f"{path}: is empty. Expected a line of column names, such as file,class, and a line per image.")
    return text


def _separated(text: str, path: Path) -> tuple[str, int, str]:
    """Return the text from the line of column names on, the number of that line, and the separator."""
    if stated := _SEPARATOR_LINE.match(text):
        if stated["separator"] not in SEPARATORS:
            raise DataError(
                f"{path} line 1: the separator {stated['separator']!r} is not read. Use one of "
                f"{', '.join(SEPARATORS.values())}."
            )
        return text[stated.end() :], 2, stated["separator"]
    # Names of columns contain none of the separators, so the one that occurs is meant.
    header = text.lstrip("\r\n").split("\n", 1)[0]
    counts = {separator: header.count(separator) for separator in SEPARATORS}
    separator = max(counts, key=lambda candidate: counts[candidate])
    if not counts[separator]:
        raise DataError(
            f"{path} line 1: expected column names with a separator between them, such as file,class, got "
            f"{header.strip()!r}. Separators are {', '.join(SEPARATORS.values())}."
        )
    return text, 1, separator


def _rows(text: str, separator: str, first_line: int, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row that is not blank with its line; a row may have several lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = first_line
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = first_line + reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{path} line {line}: {error}. A double quote within a cell is written twice, and a quoted cell must end."
        ) from error
