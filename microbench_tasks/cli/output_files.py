"""Check the files that a command is to write, before it does hours of work."""

from __future__ import annotations

from pathlib import Path

from microbench_tasks.util.errors import DataError


def check_output_file(out: Path, option: str = "--out") -> None:
    """Raise `DataError` if a file cannot be written at ``out``; the message names the option."""
    if out.is_dir() or any(parent.is_file() for parent in out.parents):
        raise DataError(f"{option} {out}: expected a file in a folder. Name one that can be written.")
