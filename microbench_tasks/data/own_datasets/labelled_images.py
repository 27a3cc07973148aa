"""Read a folder of images whose labels are in a CSV file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from microbench_tasks.data.own_datasets import columns, image_files, label_file
from microbench_tasks.data.own_datasets.entries import Collected, Entry, Labels
from microbench_tasks.data.own_datasets.image_files import ImageFiles
from microbench_tasks.data.own_datasets.label_file import LabelRow
from microbench_tasks.data.own_datasets.problems import Problems


def read(folder: Path, labels: Path, mapping: Mapping[str, str], only_listed: bool, problems: Problems) -> Collected:
    """Return the images that ``labels`` lists.

    Args:
        folder: the images, at any depth.
        labels: a CSV file whose column ``file`` names images relative to ``folder``.
        mapping: column names by role, where they differ.
        only_listed: whether ``folder`` may contain other images.
        problems: gets files that are missing, unlisted or there twice, and rows without a class.

    Raises:
        DataError: the folder or the CSV file cannot be read at all.
    """
    table = label_file.read(labels, mapping, problems)
    files = image_files.find(folder, problems)
    first_lines: dict[str, int] = {}
    entries = []
    for row in table.rows:
        place = f"{labels.name} line {row.line}"
        name = _file_name(row, place, problems)
        if name is None:
            continue
        if name in first_lines:
            problems.add(place, f"{name} is in line {first_lines[name]} already. An image has one line")
            continue
        first_lines[name] = row.line
        if "split" in table.roles and "split" not in row.cells:
            problems.add(place, f"{name} has no split. Write {columns.SPLIT}, or another split to leave it out")
        if not _is_left_out(row) and (entry := _entry(row, name, place, files, problems)) is not None:
            entries.append(entry)
    notes = image_files.check_unlisted(files, first_lines.keys(), labels, only_listed, problems)
    left_out = sum(map(_is_left_out, table.rows))
    if left_out:
        notes.append(f"{left_out} row(s) of {labels.name} left out, since their split is not {columns.SPLIT}")
    if left_out and left_out == len(table.rows):
        splits = sorted({row.cells.get("split", "") for row in table.rows})
        problems.add(
            labels.name,
            f"no row of the split {columns.SPLIT}; found {', '.join(map(repr, splits))}. "
            f"Write {columns.SPLIT}, or leave out the column",
        )
    if table.unread:
        notes.append(f"columns of {labels.name} that are not read: {', '.join(table.unread)}")
    return Collected(f"images and {labels.name}", entries, None, [*files.notes(), *notes])


def _is_left_out(row: LabelRow) -> bool:
    return "split" in row.cells and row.cells["split"].casefold() != columns.SPLIT


def _file_name(row: LabelRow, place: str, problems: Problems) -> str | None:
    """Return the name of a row's image as `ImageFiles.images` has it."""
    typed = row.cells.get("file")
    if typed is None:
        problems.add(place, "no file. Write the name of the image, or remove the line")
        return None
    path = PurePosixPath(typed.replace("\\", "/"))
    if path.is_absolute() or not path.parts or ".." in path.parts or path.parts[0].endswith(":"):
        problems.add(place, f"{typed} is not within the folder of --images. Write the path from that folder on")
        return None
    return path.as_posix()


def _entry(row: LabelRow, name: str, place: str, files: ImageFiles, problems: Problems) -> Entry | None:
    cells = row.cells
    path = files.images.get(name)
    if path is None:
        problems.add(place, f"no image {name} in {files.folder}.{files.suggestion(name)}")
    if "class" not in cells:
        problems.add(place, f"{name} has no class. Write one, or remove the line")
    if path is None or "class" not in cells:
        return None
    return Entry(
        f"{place} ({name})",
        functools.partial(image_files.load, path),
        Labels(
            class_name=cells["class"],
            question=cells.get("question"),
            options=columns.split_options(cells["options"]) if "options" in cells else None,
            **{role: cells.get(role) for role in ("group", "domain", "modality", "stain")},
        ),
    )
