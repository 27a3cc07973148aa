"""Checks the data source before any question is asked, so that bad data costs seconds.

The command line checks before it loads the model; the Python API, which makes its model first,
when it loads the tasks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING

from loguru import logger

from microbench_tasks import catalog, documents, files, schema, source

if TYPE_CHECKING:
    import datasets

# Goes up when `schema.check_images` gets stricter: what passed before is read again.
_IMAGE_CHECK_VERSION = 1
_passed: set[tuple[str, str]] = set()


def check(names: list[str]) -> None:
    """Check the data that the Micro-Bench tasks among ``names`` would ask about.

    What has passed in this process is not read again; names of other benchmarks cost nothing.

    Raises:
        DataError: the source cannot be loaded or used; says where and what was expected.
    """
    tasks = catalog.tasks_named(names)
    if not tasks:
        return
    resolved = source.current()
    identity = json.dumps(dict(resolved.identity), sort_keys=True)
    pending = [task for task in tasks if (identity, task) not in _passed]
    if not pending:
        return
    split = source.load(resolved)
    counts = {task: len(documents.question_documents(split, catalog.KIND_OF_TASK[task], resolved.label)) for task in pending}
    _check_images_once(split, identity, resolved.label)
    _passed.update((identity, task) for task in pending)
    listed = ", ".join(f"{task} {count}" for task, count in counts.items())
    logger.info(f"Micro-Bench data {resolved.label}: {len(split)} rows, all images readable; questions: {listed}")


def _check_images_once(split: datasets.Dataset, identity: str, where: str) -> None:
    """Read every image, unless this very content has passed before on this machine."""
    key = hashlib.sha256(f"{_IMAGE_CHECK_VERSION} {identity}".encode()).hexdigest()
    marker = files.cache_dir() / "readable" / key
    if marker.exists():
        return
    schema.check_images(split.data.table, where)
    # A cache that cannot be written costs time, not the run.
    with contextlib.suppress(OSError):
        files.write_file(marker, identity.encode())
