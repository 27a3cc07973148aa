"""Publish finished files atomically, without replacing those of another run."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import uuid
from pathlib import Path


def publish_new(source: Path, folder: Path) -> Path:
    """Publish a file in ``folder`` under its own name and return its path.

    Raises:
        FileExistsError: there is a file of this name, which stays as it is.
        OSError: the folder cannot be written.
    """
    target = folder / source.name
    copy = _copy_beside(source, target)
    try:
        _rename_to_new(copy, target)
    finally:
        copy.unlink(missing_ok=True)
    return target


def publish_numbered(source: Path, folder: Path, suffix: str, run_name: str = "") -> Path:
    """Publish a file in ``folder`` and return its path; if its name is taken, add a number to the run's part of it.

    Args:
        source: the file; its name is the run's date and ``suffix``.
        folder: where to publish it.
        suffix: the end of its name, which stays.
        run_name: to take the place of the date; empty to keep the date.
    """
    name = run_name or source.name.removesuffix(suffix)
    copy = _copy_beside(source, folder / source.name)
    try:
        for number in itertools.count(1):
            target = folder / f"{name}{'' if number == 1 else f'-{number}'}{suffix}"
            with contextlib.suppress(FileExistsError):
                _rename_to_new(copy, target)
                return target
    finally:
        copy.unlink(missing_ok=True)
    raise AssertionError("unreachable")


def _copy_beside(source: Path, target: Path) -> Path:
    """Copy ``source`` to a hidden file beside ``target``, and flush it to disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    try:
        shutil.copyfile(source, copy)
        with copy.open("rb+") as file:
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            copy.unlink(missing_ok=True)
        raise
    return copy


def _rename_to_new(source: Path, target: Path) -> None:
    """Rename or hard-link ``source`` to ``target``; raise FileExistsError if ``target`` exists."""
    try:
        os.link(source, target)
    except OSError as error:
        # Some file systems have no hard links.
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        target.open("xb").close()
        os.replace(source, target)
