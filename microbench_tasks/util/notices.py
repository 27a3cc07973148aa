"""Log warnings that concern a whole run only once."""

from __future__ import annotations

import functools

from loguru import logger


@functools.cache
def warn_once(message: str) -> None:
    """Log a warning, unless the same message was logged in this process before."""
    logger.warning(message)
