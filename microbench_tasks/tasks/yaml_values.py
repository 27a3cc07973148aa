"""Provide the data source and metadata that the tasks' YAML names, when the harness asks for them.

``DATASET_PATH``, ``DATASET_NAME``, ``DATASET_KWARGS`` and ``METADATA`` are those of ``MICROBENCH_DATASET``;
``COGNITION_PATH`` and ``COGNITION_METADATA`` those of ``MICROBENCH_COGNITION``; ``<task>_PATH`` and ``<task>_METADATA``
those of the task of an own dataset. Importing reads nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import metadata
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog.tasks import TASK_VERSION
from microbench_tasks.data import cognition, micrographs, task_data
from microbench_tasks.data.resolved_data import ResolvedData
from microbench_tasks.tasks.interval_settings import interval_settings
from microbench_tasks.util import installed_commit

# Packages on which questions, answers and scores may depend: results files record their versions.
PACKAGES = ("lmms-eval", "datasets", "pillow", "numpy", "torch", "torchvision", "transformers", "open_clip_torch")


def __getattr__(name: str) -> Any:
    """Compute a value for the YAML.

    Raises:
        DataError: the data source cannot be read.
    """
    if name in _VALUES:
        return _VALUES[name]()
    own_task, _, value = name.rpartition("_")
    if value not in _OWN_VALUES or not catalog.is_own(own_task):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _OWN_VALUES[value](task_data.resolve(catalog.task_of(own_task)))


@functools.cache
def _version(package: str) -> str:
    # Asked for by each task, and read from disk.
    return metadata.version(package)


@functools.cache
def _commit() -> str | None:
    # git reads the state of all files of a clone.
    return installed_commit.commit() or None


def metadata_of(data: ResolvedData) -> dict[str, Any]:
    """Return the metadata of a task for results files: versions, identity of the data, and method of the intervals."""
    return {
        "version": TASK_VERSION,
        "microbench_version": _version(installed_commit.DISTRIBUTION),
        "microbench_commit": _commit(),
        "packages": {name: _version(name) for name in PACKAGES},
        "dataset": dict(data.identity),
        "interval": interval_settings(),
    }


# The harness asks for these values to load what it is about to evaluate, so the release may be downloaded.
_VALUES: dict[str, Callable[[], Any]] = {
    "DATASET_PATH": lambda: micrographs.resolve(download=True).path,
    # A saved folder has no configs.
    "DATASET_NAME": lambda: None,
    # A new mapping each time: the harness takes entries out of it.
    "DATASET_KWARGS": lambda: {"load_from_disk": True},
    "METADATA": lambda: metadata_of(micrographs.resolve(download=True)),
    "COGNITION_PATH": lambda: cognition.resolve(download=True).path,
    "COGNITION_METADATA": lambda: metadata_of(cognition.resolve(download=True)),
}
_OWN_VALUES: dict[str, Callable[[ResolvedData], Any]] = {"PATH": lambda data: data.path, "METADATA": metadata_of}
