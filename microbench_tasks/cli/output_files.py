"""Check the files that a command is to write, before it does hours of work."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError


def check_output_file(out: Path, option: str = "--out") -> None:
    """Raise `DataError` if a file cannot be written at ``out``; the message names the option."""
    if out.is_dir() or any(parent.is_file() for parent in out.parents):
        raise DataError(f"{option} {out}: expected a file in a folder. Name one that can be written.")
    check_place(out, option)


def check_new_folder(out: Path, option: str = "--out") -> None:
    """Raise `DataError` unless a folder can be created at ``out``; the message names the option."""
    if out.exists() or out.is_symlink():
        raise DataError(f"{option} {out}: exists already. Name a folder that does not exist yet.")
    check_place(out, option)


def check_place(out: Path, option: str) -> None:
    """Raise `DataError` if nothing can be written beside ``out``; the message names the option."""
    if reason := files.why_unwritable(out.absolute().parent):
        raise DataError(f"{option} {out}: {reason}. Name another place.")


def check_form(out: Path, suffixes: Collection[str]) -> None:
    """Raise `DataError` unless ``out`` can be written and ends in one of the suffixes, which stand for forms."""
    check_output_file(out)
    if out.suffix not in suffixes:
        raise DataError(f"--out {out}: expected a file that ends in {', '.join(suffixes)}.")


def write_outputs(contents: Mapping[Path, str]) -> None:
    """Write the files of ``--out``, each in one step; raise `DataError` with the path if that is not possible."""
    for path, content in contents.items():
        try:
            files.write_file(path, content.encode())
        except OSError as error:
            raise DataError(f"--out {path}: cannot be written ({error.strerror}). Name another place.") from error
