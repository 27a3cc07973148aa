"""Name a run: ``lmms_eval --run-name NAME``, or ``MICROBENCH_RUN_NAME`` for other ways to start the harness.

A name takes the place of the date in the names of a run's files.
"""

from __future__ import annotations

import os
import re

from loguru import logger

from microbench_tasks.catalog import settings
from microbench_tasks.harness import run_state
from microbench_tasks.runs.found_runs import LATEST
from microbench_tasks.util.errors import DataError

SETTING = settings.RUN_NAME
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(_[A-Za-z0-9.-]+)*", re.ASCII)
_MAX_LENGTH = 80
# What follows a run's name in the names of its files.
_ENDINGS = ("_samples_", "_results_")


def run_name() -> str:
    """Return the name that the user gave this run; empty if there is none.

    Raises:
        DataError: it cannot be a part of a file's name.
    """
    return check(run_state.current.own_options.run_name)


def valid_run_name() -> str:
    """Return the name of this run, or an empty text and a warning if it is not valid.

    For the end of a run, where an error would cost its results.
    """
    try:
        return run_name()
    except DataError as error:
        logger.warning(f"{error} The files of this run are named by date and time.")
        return ""


def check(typed: str) -> str:
    """Return the name of a run: what the user typed, or else the setting of the environment.

    Args:
        typed: the value of ``--run-name``, empty if it was not given.

    Raises:
        DataError: the name cannot be a part of a file's name.
    """
    name = typed or os.environ.get(SETTING, "")
    if name and not _is_name(name):
        origin = f"--run-name {name}" if typed else f"{SETTING}={name}"
        raise DataError(
            f"{origin}: expected at most {_MAX_LENGTH} letters, digits, points, hyphens and single underscores, such "
            f"as first-try; not {LATEST}, and no _samples or _results between underscores."
        )
    return name


def _is_name(name: str) -> bool:
    is_well_formed = len(name) <= _MAX_LENGTH and _NAME.fullmatch(name) is not None
    return is_well_formed and name != LATEST and not any(ending in f"{name}_" for ending in _ENDINGS)
