"""Read a ``datasets`` table: Parquet, Arrow, a ``save_to_disk`` folder, or a data set in the Hub's cache."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks.data import arrow_conversion, arrow_types, data_folder
from microbench_tasks.data.own_datasets import columns
from microbench_tasks.data.own_datasets.entries import Collected, Entry, Labels
from microbench_tasks.data.own_datasets.image_files import normalized
from microbench_tasks.data.own_datasets.problems import Problems
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_TEXT_ROLES = ("question", "domain", "modality", "stain", "group")


@dataclass(frozen=True)
class _Table:
    """A table with plain types.

    Attributes:
        label: names it in messages.
        rows: memory-mapped.
        names: names of the classes by column, for columns of type ``ClassLabel``.
        columns: names of the columns by role.
    """

    label: str
    rows: pa.Table
    names: Mapping[str, list[str]]
    columns: Mapping[str, str]

    def values(self, role: str) -> list[Any]:
        """Return the values of a role's column; None in each row if it has no column."""
        column = self.columns.get(role)
        return [None] * len(self.rows) if column is None else self.rows[column].to_pylist()


def read(source: str, mapping: Mapping[str, str], workspace: Path, problems: Problems) -> Collected:
    """Return the images of a table.

    Args:
        source: a file, a folder, or the name of a data set on the Hub that was downloaded before.
        mapping: column names by role, where they differ.
        workspace: gets a file with the rows.
        problems: gets rows without a class, or with values of other types.

    Raises:
        DataError: there is no such table, or columns are missing or of other types.
    """
    table = _open(source, mapping, workspace)
    entries, left_out = [], 0
    classes = _class_reader(table)
    values = {role: table.values(role) for role in ("class", "options", "split", *_TEXT_ROLES)}
    for row in range(len(table.rows)):
        cells = {role: column[row] for role, column in values.items()}
        place = f"{table.label} row {row}"
        if "split" in table.columns and str(cells["split"]).strip().casefold() != columns.SPLIT:
            left_out += 1
            continue
        class_name = classes(cells["class"], place, problems)
        if class_name is not None:
            entries.append(Entry(place, functools.partial(_load, table, row), _labels(class_name, cells)))
    notes = [f"{left_out} row(s) left out, since their split is not {columns.SPLIT}"] if left_out else []
    if left_out and left_out == len(table.rows):
        problems.add(table.label, f"no row of the split {columns.SPLIT}. Write it, or leave out the column")
    used = {entry.labels.class_name for entry in entries}
    stated = table.names.get(table.columns["class"])
    if stated is not None and (unused := [name for name in stated if name not in used]):
        notes.append(f"{len(unused)} class(es) without images left out: {', '.join(unused)}")
    order = None if stated is None else [name for name in stated if name in used]
    return Collected(f"the table {table.label}", entries, order, notes)


def _open(source: str, mapping: Mapping[str, str], workspace: Path) -> _Table:
    """Convert the files of a table to one of plain types, which is memory-mapped."""
    import pyarrow as pa

    files, label = _files(source)
    try:
        schema = _schema(files[0])
        found = columns.resolve(schema.names, mapping, needed=(columns.IMAGE, "class"), where=f"--table {source}")
        names = {role: schema.names[at] for role, at in found.items()}
        if not arrow_types.is_image(schema.field(names["image"]).type):
            raise DataError(
                f"--table {source}: column {names['image']} is of type {schema.field(names['image']).type}; expected "
                "encoded images, as datasets.Image() stores them. Cast the column and save the table again."
            )
        arrow_conversion.rewrite(files, workspace / "table.arrow", list(names.values()), names["image"])
        rows = pa.ipc.open_stream(pa.memory_map(str(workspace / "table.arrow"))).read_all()
    except (arrow_conversion.DamagedFileError, pa.ArrowException, TypeError, KeyError) as error:
        raise DataError(f"--table {source}: cannot be read: {error}. Save the table again as Parquet.") from error
    if not len(rows):
        raise DataError(f"--table {source}: contains no rows.")
    return _Table(label, rows, _label_names(schema), names)


def _files(source: str) -> tuple[list[Path], str]:
    """Return the files of a table and its name in messages."""
    path = Path(os.path.expanduser(source))
    if path.is_file():
        if path.suffix not in (".parquet", ".arrow"):
            raise DataError(f"--table {source}: expected a .parquet or .arrow file, or a folder of them.")
        return [path], path.name
    if not path.is_dir():
        path = _cached_snapshot(source)
    if not any(file.suffix in (".parquet", ".arrow") for file in path.rglob("*")):
        raise DataError(
            f"--table {source}: {path} contains no .parquet or .arrow files. Save the table there: "
            "dataset.save_to_disk(FOLDER) or dataset.to_parquet(FILE)."
        )
    return data_folder.data_files_of(path, f"--table {source}", "name its folder or file"), Path(source).name


def _cached_snapshot(source: str) -> Path:
    """Return the folder of a data set that was downloaded from the Hub before."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if not _HUB_ID.fullmatch(source):
        raise DataError(f"--table {source}: no such file or folder.")
    try:
        return Path(huggingface_hub.snapshot_download(source, repo_type="dataset", local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, ValueError) as error:
        raise DataError(
            f"--table {source}: no such file or folder, and no data set of this name in the Hub's cache. Download it "
            f"first: hf download --repo-type dataset {source}"
        ) from error


def _schema(file: Path) -> pa.Schema:
    import pyarrow.parquet as pq

    with arrow_conversion.naming_damaged(file):
        return pq.read_schema(file) if file.suffix == ".parquet" else arrow_conversion.read_schema(file)


def _label_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the names of ``ClassLabel`` columns, which ``datasets`` keeps as JSON in the schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: list(map(normalized, feature["names"])) for name, feature in features.items() if "names" in feature
        }
    except (KeyError, TypeError, ValueError):
        return {}


def _class_reader(table: _Table) -> Callable[[Any, str, Problems], str | None]:
    """Return a function that turns a value of the column of classes into a name; None, and a problem, if it cannot."""
    column = table.columns["class"]
    names = table.names.get(column)

    def read_class(value: Any, place: str, problems: Problems) -> str | None:
        if names is not None and isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        if names is None and isinstance(value, str) and value.strip():
            return normalized(value).strip()
        expected = "text" if names is None else f"text or a number from 0 to {len(names) - 1}"
        advice = (
            " Numbers have no names here: save the column as text, or as ClassLabel" if isinstance(value, int) else ""
        )
        problems.add(place, f"column {column}: expected {expected}, got {value!r}.{advice}")
        return None

    return read_class


def _labels(class_name: str, cells: Mapping[str, Any]) -> Labels:
    texts = {
        role: None if cells[role] is None else normalized(str(cells[role])).strip() or None for role in _TEXT_ROLES
    }
    options = cells["options"]
    if isinstance(options, str):
        options = columns.split_options(options)
    return Labels(class_name=class_name, options=tuple(map(str, options)) if options else None, **texts)


def _load(table: _Table, row: int, max_bytes: int) -> bytes:
    stored = table.rows[table.columns["image"]][row].as_py() or {"bytes": None, "path": None}
    content = stored["bytes"]
    if content is None:
        raise ValueError(
            f"the path {stored['path']!r} instead of an image. Save the table with the images in it"
            if stored["path"]
            else "no image. Remove the row"
        )
    if len(content) > max_bytes:
        raise ValueError(f"is larger than {max_bytes:,} bytes ({len(content):,})")
    return content
