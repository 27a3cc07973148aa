"""Show the progress of a command on standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any


def progress_bar(items: Iterable[Any], what: str) -> Iterable[Any]:
    """Wrap ``items`` in a progress bar named ``what``, which disappears at its end."""
    from tqdm import tqdm

    return tqdm(items, desc=what, leave=False, disable=not items)


@contextlib.contextmanager
def quiet_harness() -> Iterator[None]:
    """Silence log messages of the harness, which loads the data."""
    from loguru import logger

    logger.disable("lmms_eval")
    try:
        yield
    finally:
        logger.enable("lmms_eval")
