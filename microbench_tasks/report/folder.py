"""Write the folder of a report completely or not at all; never overwrite anything but an unchanged earlier report."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from microbench_tasks.submissions import manifest_file
from microbench_tasks.util import files, untrusted
from microbench_tasks.util.errors import DataError

PAGE, RECORD, PICTURES = "report.html", "report.json", "pictures"
# Identifies the record of a report.
MADE_BY = "microbench report"
_MOST_NAMED = 3


def check_folder(out: Path) -> None:
    """Check that a report can be written to ``out``.

    Raises:
        DataError: ``out`` cannot be written, or contains anything but an unchanged report.
    """
    if out.is_symlink():
        raise DataError(f"--out {out}: is a link. Name a folder.")
    if out.name == ".." or Path.cwd().is_relative_to(out.resolve()):
        raise DataError(f"--out {out}: is the current folder, or one that contains it. Name another folder.")
    if out.exists() and not out.is_dir():
        raise DataError(f"--out {out}: is a file. Name a folder.")
    if reason := files.why_unwritable(out.absolute().parent):
        raise DataError(f"--out {out}: {reason}. Name another folder.")
    if out.exists() and any(out.iterdir()) and (reason := _keep_reason(out)):
        raise DataError(f"--out {out}: exists and {reason}. Nothing is overwritten: name another folder.")


def _keep_reason(out: Path) -> str:
    """Return why a folder must not be replaced; an empty text if it is an unchanged report."""
    try:
        record = json.loads(untrusted.read_regular_file(out / RECORD, follow_links=False))
        is_report, hashes = record["made_by"] == MADE_BY, dict(record["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        is_report, hashes = False, {}
    if not is_report:
        return f"contains no {RECORD} of a report that names its files"
    if record.get("digest") != manifest_file.compute_digest(record):
        return f"its {RECORD} has been changed"
    foreign = [name for path in sorted(out.rglob("*")) if not _is_ours(path, name := _name_in(out, path), hashes)]
    if not foreign:
        return ""
    named = ", ".join(foreign[:_MOST_NAMED]) + (" and more" if len(foreign) > _MOST_NAMED else "")
    return f"contains {named}, which no report wrote, or which has been changed since"


def _name_in(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _is_ours(path: Path, name: str, hashes: Mapping[str, str]) -> bool:
    if path.is_symlink() or not path.is_file():
        return name == PICTURES and path.is_dir() and not path.is_symlink()
    return name == RECORD or hashes.get(name) == files.sha256(path)


def write_folder(out: Path, fill: Callable[[Path], None]) -> None:
    """Write the folder with ``fill``; an earlier report is replaced once the new one is complete."""
    if not out.exists():
        files.write_dir_atomically(out, fill)
        return
    fresh, earlier = (out.with_name(f".{out.name}-{name}-{os.getpid()}") for name in ("new", "old"))
    files.write_dir_atomically(fresh, fill)
    try:
        # Drawing takes minutes: files may have been added meanwhile.
        check_folder(out)
        out.rename(earlier)
    except (DataError, OSError):
        shutil.rmtree(fresh)
        raise
    fresh.rename(out)
    shutil.rmtree(earlier)


def hashes_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder, by its name in it."""
    return {_name_in(folder, path): files.sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}
