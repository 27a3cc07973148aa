"""Checks the data source before any question is asked, so that bad data costs seconds.

The command line checks before it loads the model; the Python API, which makes its model first,
when it loads the tasks.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.data import dataset_setting, documents, source, table_images, table_rows, task_sources
from microbench_tasks.tasks import detection, interval_settings
from microbench_tasks.util import files
from microbench_tasks.util.notices import warn_once

if TYPE_CHECKING:
    import datasets

# Goes up when `schema.check_images` gets stricter: what passed before is read again.
_IMAGE_CHECK_VERSION = 1
_IMAGE_FORMAT = "LMMS_IMAGE_ENCODE_FORMAT"
_passed: set[tuple[str, str]] = set()
_num_questions: dict[str, int] = {}


def check(names: list[str]) -> None:
    """Check the settings for the Micro-Bench tasks among ``names``, and the data that they would ask about.

    What has passed in this process is not read again; names of other benchmarks cost nothing.

    Raises:
        DataError: a setting is wrong, or the source cannot be loaded or used; says where and what was expected.
    """
    tasks_asked = [catalog.ALL_TASKS[name] for name in catalog.tasks_named(names)]
    _check_settings(tasks_asked)
    by_source: dict[str, list[catalog.Task]] = collections.defaultdict(list)
    resolved: dict[str, source.Source] = {}
    # Cognition first: its questions are often missing, which is better known before the release is downloaded.
    for task in sorted(tasks_asked, key=lambda task: task.subject != "cognition"):
        found = task_sources.source_of(task, download=True)
        identity = json.dumps([found.label, dict(found.identity)], sort_keys=True)
        if (identity, task.name) not in _passed:
            by_source[identity].append(task)
            resolved[identity] = found
    for identity, tasks in by_source.items():
        _check_source(resolved[identity], tasks)
        _passed.update((identity, task.name) for task in tasks)


def num_questions(names: list[str], limit: float | None = None) -> int:
    """Return how many questions the Micro-Bench tasks among ``names`` ask, as the last check counted them.

    ``limit`` is the harness's: a share of each task below 1, else a number of questions.
    """
    numbers = [_num_questions.get(name, 0) for name in catalog.tasks_named(names)]
    if limit is None or limit < 0:
        return sum(numbers)
    return sum(math.ceil(number * limit) if limit < 1 else min(number, int(limit)) for number in numbers)


def _check_settings(tasks: list[catalog.Task]) -> None:
    """Refuse settings that would stop the run only after the model has been loaded, or after its last answer."""
    if tasks:
        interval_settings.interval_settings()
        _report_image_format()
    if any(task.subject == "boxes" for task in tasks):
        detection.check_setting()


def _report_image_format() -> None:
    # Of lmms-eval, for the images that its clients send to servers: PNG unless set.
    image_format = os.environ.get(_IMAGE_FORMAT, "PNG")
    if image_format.upper() != "PNG":
        warn_once(
            f"{_IMAGE_FORMAT}={image_format}: servers will receive images whose pixels are not those of the data. Scores of such a run compare with no other: unset it."
        )


def _check_source(found: source.Source, tasks: list[catalog.Task]) -> None:
    split = source.load(found)
    counts = {task.name: documents.TaskDocuments(task).check(split, found.label) for task in tasks}
    _num_questions.update(counts)
    _report_counts(split, found, counts)
    _check_images_once(split, json.dumps(dict(found.identity), sort_keys=True), found.label)
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    logger.info(f"Micro-Bench data {found.label}: {len(split)} rows, all images readable; questions: {listed}")


def _report_counts(split: datasets.Dataset, found: source.Source, counts: dict[str, int]) -> None:
    """Warn of data whose numbers of questions or rows differ from the release's public numbers.

    The demo set, which has its own numbers, and the release itself are not checked.
    """
    if found.identity.get("is_release") or found.identity["source"] == dataset_setting.DEMO:
        return
    known = {name: ("release", number) for name, number in catalog.RELEASE_COUNTS.items()}
    known[catalog.COGNITION_TASK] = ("paper", catalog.PAPER_COGNITION_QUESTIONS)
    differing = {name: known[name] for name, count in counts.items() if name in known and known[name][1] != count}
    said = [f"{name} has {counts[name]:,} questions, in the {of} {count:,}" for name, (of, count) in differing.items()]
    rows = collections.Counter(table_rows.dataset_names(split.data.table, found.label))
    said += _other_numbers_of_rows([name for name in counts if name not in known], rows)
    if said:
        warn_once(
            f"{found.label}: is not the release (its hash differs), and its numbers differ, too: {'; '.join(said)}. "
            "Scores on these data cannot be compared with scores on the release."
        )


def _other_numbers_of_rows(names: list[str], rows: collections.Counter[str]) -> Iterator[str]:
    """Yield wrong numbers of rows, for tasks whose number of questions is not public."""
    for datasets_known, number in catalog.RELEASE_ROWS.items():
        concerned = [name for name in names if set(datasets_known) & set(catalog.ALL_TASKS[name].datasets)]
        found = sum(rows[dataset] for dataset in datasets_known)
        if concerned and found != number:
            listed = ", ".join(datasets_known)
            if datasets_known == catalog.CLASSIFICATION_DATASETS:
                listed = f"all {len(datasets_known)} datasets of classification together"
            yield f"{found:,} rows of {listed}, in the release {number:,} ({', '.join(concerned)})"


def _check_images_once(split: datasets.Dataset, identity: str, where: str) -> None:
    """Read every image, unless this very content has passed before on this machine."""
    key = hashlib.sha256(f"{_IMAGE_CHECK_VERSION} {identity}".encode()).hexdigest()
    marker = files.cache_dir() / "readable" / key
    if marker.exists():
        return
    table_images.check_images(split.data.table, where)
    # A cache that cannot be written costs time, not the run.
    with contextlib.suppress(OSError):
        files.write_file(marker, identity.encode())
