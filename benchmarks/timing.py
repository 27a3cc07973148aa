"""Side-by-side timing of callables in one process and of whole processes, and pages of what it gave."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """Median seconds of one call, and the most memory that a further call allocates, in MB."""

    seconds: float
    megabytes: float


def side_by_side(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Time each callable ``repeats`` times, in turn, so that a busy machine slows all of them alike.

    Calls faster than a hundredth of a second are timed in runs of many. Memory is what Python and
    numpy allocate (``tracemalloc``), measured in a call of its own, as measuring it takes time.
    """
    inner = {name: _runs(call) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(inner[name]):
                call()
            seconds[name].append((time.perf_counter() - start) / inner[name])
    return {name: Timing(statistics.median(seconds[name]), _peak(call)) for name, call in calls.items()}


def _runs(call: Callable[[], object]) -> int:
    start = time.perf_counter()
    call()
    return max(1, round(0.01 / (time.perf_counter() - start)))


def _peak(call: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def seconds_of_process(command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> float:
    """Seconds that a command takes in ``folder``, from start to end; ends this process if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr[-3000:]}")
    return time.perf_counter() - start


def origin(command: str, *packages: str) -> str:
    """The line of a page that says how, where and when it was made."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return (
        f"`{command}`, {platform.machine()} with {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"{versions}; {date.today().isoformat()}."
    )


def shown(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
