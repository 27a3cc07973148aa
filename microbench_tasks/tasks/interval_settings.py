"""Resolve how confidence intervals are computed in this run: the setting ``MICROBENCH_INTERVAL``."""

from __future__ import annotations

import os
from typing import Any

from microbench_tasks.catalog import settings
from microbench_tasks.metrics.bootstrap import METHODS, NUM_RESAMPLES, SEED
from microbench_tasks.metrics.intervals import CONFIDENCE_LEVEL
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.suggestions import did_you_mean

INTERVAL_SETTING = settings.INTERVAL
# What results files call the method of the intervals to quote.
QUOTED_METHOD = "Clopper-Pearson, clustered by image"


def interval_settings() -> dict[str, Any]:
    """Return how intervals are computed in this run, as results files record it.

    ``paper`` applies to the interval that reproduces the paper's (``acc_ci``), ``quoted`` to all others.

    Raises:
        DataError: ``MICROBENCH_INTERVAL`` names no method.
    """
    return {"paper": bootstrap_settings(), "quoted": {"method": QUOTED_METHOD, "confidence_level": CONFIDENCE_LEVEL}}


def bootstrap_settings() -> dict[str, Any]:
    """Return the options of `bootstrap_interval` in this run.

    Raises:
        DataError: ``MICROBENCH_INTERVAL`` names no method.
    """
    method = os.environ.get(INTERVAL_SETTING, METHODS[0])
    if method not in METHODS:
        raise DataError(
            f"{INTERVAL_SETTING}={method}: {did_you_mean(method, METHODS)}Expected one of {', '.join(METHODS)}."
        )
    return {"method": method, "confidence_level": CONFIDENCE_LEVEL, "num_resamples": NUM_RESAMPLES, "seed": SEED}
