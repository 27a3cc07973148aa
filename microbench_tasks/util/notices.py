"""Warnings that are true of a whole run are said once in it."""

from __future__ import annotations

import functools

from loguru import logger


@functools.cache
def warn_once(message: str) -> None:
    """Warn, unless this very message has been said in this process."""
    logger.warning(message)
