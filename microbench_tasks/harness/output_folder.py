"""Check before a run that its output folder is writable and has enough free disk space."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path

from microbench_tasks.util.errors import DataError

# Estimated size of a samples file per question: twice that of a short answer with probabilities.
_BYTES_PER_QUESTION = 4096
# Estimated size of the results file.
_BYTES_OF_RESULTS = 1 << 20
_PROBE_BYTES = 1 << 16


def prepare(folder: Path, option: str = "--output_path") -> None:
    """Create the folder for a run's files, and test that it is writable.

    Raises:
        DataError: it is a file, or not writable; the message names the option.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_probe(folder)
    except FileExistsError as error:
        raise DataError(f"{option} {folder}: is a file. Name a folder.") from error
    except OSError as error:
        raise DataError(f"{option} {folder}: cannot be written ({error_text(error)}). Name another folder.") from error


def check_free_space(folder: Path, num_questions: int) -> None:
    """Check that the disk has enough free space for the samples of ``num_questions`` questions, as an estimate.

    Raises:
        DataError: there is less free space.
    """
    needed = _BYTES_OF_RESULTS + num_questions * _BYTES_PER_QUESTION
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"--output_path {folder}: the disk has {_megabytes(free)} free, but this run needs about "
            f"{_megabytes(needed)}. Free disk space or name another folder."
        )


def write_probe(folder: Path) -> None:
    """Write and remove a small file; raise OSError if the folder is not writable or the disk is full."""
    probe = folder / f".microbench-{uuid.uuid4().hex}"
    try:
        with probe.open("xb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"


def error_text(error: OSError) -> str:
    """Return the reason of an error without the path, which messages name themselves."""
    return error.strerror or type(error).__name__
