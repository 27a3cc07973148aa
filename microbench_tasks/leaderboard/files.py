"""Write a leaderboard into a folder: Markdown and HTML for readers, LaTeX for papers, JSON and CSV for programs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from microbench_tasks.leaderboard import records
from microbench_tasks.leaderboard.latex import as_latex
from microbench_tasks.leaderboard.page import as_html
from microbench_tasks.leaderboard.ranking import Leaderboard
from microbench_tasks.leaderboard.text import as_markdown
from microbench_tasks.submissions import manifest_file
from microbench_tasks.util import files, untrusted
from microbench_tasks.util.errors import DataError

# Lists the hashes of the other files, so that an unchanged earlier leaderboard is recognized.
_RECORD = "leaderboard.json"
# The other files, with the function that renders each.
_FORMS: dict[str, Callable[..., str]] = {
    "leaderboard.md": as_markdown,
    "leaderboard.csv": records.as_csv,
    "leaderboard-pairs.csv": records.pairs_as_csv,
    "leaderboard.tex": as_latex,
    "leaderboard.html": as_html,
}


def check_folder(folder: Path) -> None:
    """Raise `DataError` unless the files can be written into ``folder``.

    Existing files of these names are overwritten only if they are an unchanged earlier leaderboard.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file. Name a folder.")
    if reason := files.why_unwritable(folder):
        raise DataError(f"{folder}: {reason}. Name another folder.")
    written = _written(folder / _RECORD)
    for path in (folder / _RECORD, *(folder / name for name in _FORMS)):
        if (path.exists() or path.is_symlink()) and not _is_as_written(path, written):
            raise DataError(
                f"{path}: exists, and is not an unchanged file of an earlier leaderboard. "
                "It is not overwritten: name another folder."
            )


def _is_as_written(path: Path, written: Mapping[str, str]) -> bool:
    is_ours = path.is_file() and not path.is_symlink() and path.name in written
    return is_ours and written[path.name] in ("", files.sha256(path))


def _written(record: Path) -> dict[str, str]:
    """Read the SHA-256 of each file of an earlier leaderboard from its JSON file; empty for the JSON file itself.

    Returns an empty dictionary if ``record`` is not an intact JSON file of a leaderboard.
    """
    try:
        earlier = json.loads(untrusted.read_regular_file(record, follow_links=False))
        is_whole = earlier["made_by"] == records.MADE_BY and earlier["digest"] == manifest_file.compute_digest(earlier)
        return {**earlier["files"], _RECORD: ""} if is_whole else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def write(leaderboard: Leaderboard, folder: Path, *, with_paper: bool) -> list[Path]:
    """Write the leaderboard as Markdown, HTML, LaTeX, JSON and two CSV files into ``folder``; none if one fails.

    Returns:
        The paths of the files.

    Raises:
        DataError: see `check_folder`.
    """
    check_folder(folder)
    # All files are rendered before the first is written: an error leaves an earlier leaderboard intact.
    contents = {name: make(leaderboard, with_paper=with_paper).encode() for name, make in _FORMS.items()}
    record = json.loads(records.as_json(leaderboard, with_paper=with_paper))
    record["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    contents[_RECORD] = records.as_text(record | {"digest": manifest_file.compute_digest(record)}).encode()
    files.write_files({folder / name: content for name, content in contents.items()})
    return [folder / name for name in contents]
