"""Count the cores that this process may use."""

from __future__ import annotations

import os


def num_cores() -> int:
    """Return the number of cores for this process: those that Slurm or a container allows it, at least 1."""
    # Only Linux can say which.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
