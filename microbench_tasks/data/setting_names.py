"""Refuse environment variables that look like a mistyped setting: the setting would have no effect."""

from __future__ import annotations

import os

from microbench_tasks.catalog import settings
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.suggestions import did_you_mean

# Variables of other programs may begin with the same letters.
_START = "MICRO"
_LEAST_SIMILARITY = 0.85


def check() -> None:
    """Check the names of the environment variables.

    Raises:
        DataError: one is close to a setting and is none.
    """
    for name in sorted(os.environ):
        # A setting that is kept aside under a longer name, such as one that ends in _OLD, is no typing error.
        is_kept_aside = any(name.startswith(f"{setting}_") for setting in settings.ALL)
        if name.startswith(_START) and name not in settings.ALL and not is_kept_aside:
            suggestion = did_you_mean(name, settings.ALL, _LEAST_SIMILARITY)
            if suggestion:
                raise DataError(f"{name}: Micro-Bench has no such setting. {suggestion}Rename it, or unset it.")
