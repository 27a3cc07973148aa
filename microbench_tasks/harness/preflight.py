"""Check the data source before any question is asked, so that bad data costs seconds.

The command line checks before it loads the model. The Python API, which builds its model first, checks when it loads
the tasks.
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

# Increase it when `table_images.check_images` gets stricter: images that passed before are checked again.
_IMAGE_CHECK_VERSION = 1
_IMAGE_FORMAT = "LMMS_IMAGE_ENCODE_FORMAT"
# Results of the checks of this process: the data of a run are checked twice, and need not be read twice.
_passed: set[tuple[str, str]] = set()
_num_questions: dict[str, int] = {}


def check(names: list[str]) -> None:
    """Check the settings for the Micro-Bench tasks among ``names``, and the data that they would ask about.

    Data that has passed in this process is not read again. Names of other benchmarks are ignored.

    Raises:
        DataError: a setting is wrong, or the source cannot be loaded or used. The message says where, and what was
            expected.
    """
    tasks_asked = [catalog.ALL_TASKS[name] for name in catalog.tasks_named(names)]
    _check_settings(tasks_asked)
    by_source: dict[str, list[catalog.Task]] = collections.defaultdict(list)
    resolved: dict[str, source.Source] = {}
    # Cognition first: its questions are often missing, which is better known before the release is downloaded.
    for task in sorted(tasks_asked, key=lambda task: task.subject != "cognition"):
        data_source = task_sources.source_of(task, download=True)
        identity = json.dumps([data_source.label, dict(data_source.identity)], sort_keys=True)
        if (identity, task.name) not in _passed:
            by_source[identity].append(task)
            resolved[identity] = data_source
    for identity, tasks in by_source.items():
        _check_source(resolved[identity], tasks)
        _passed.update((identity, task.name) for task in tasks)


def num_questions(names: list[str], limit: float | None = None) -> int:
    """Return how many questions the Micro-Bench tasks among ``names`` ask, as the last check counted them.

    Args:
        names: tasks and groups.
        limit: the harness's ``--limit``: below 1 a fraction of each task, else a number of questions.
    """
    counts = [_num_questions.get(name, 0) for name in catalog.tasks_named(names)]
    if limit is None or limit < 0:
        return sum(counts)
    return sum(math.ceil(count * limit) if limit < 1 else min(count, int(limit)) for count in counts)


def _check_settings(tasks: list[catalog.Task]) -> None:
    """Refuse settings that would end the run only after the model has been loaded, or after its last answer."""
    if tasks:
        interval_settings.interval_settings()
        _warn_of_image_format()
    if any(task.subject == "boxes" for task in tasks):
        detection.check_setting()


def _warn_of_image_format() -> None:
    # A setting of lmms-eval for the images that its clients send to servers: PNG by default.
    image_format = os.environ.get(_IMAGE_FORMAT, "PNG")
    if image_format.upper() != "PNG":
        warn_once(
            f"{_IMAGE_FORMAT}={image_format}: servers will receive images whose pixels differ from those of the data. "
            "Scores of such a run cannot be compared with others. Unset it."
        )


def _check_source(data_source: source.Source, tasks: list[catalog.Task]) -> None:
    label = data_source.label
    split = source.load(data_source)
    counts = {task.name: documents.TaskDocuments(task).check(split, label) for task in tasks}
    _num_questions.update(counts)
    _warn_of_counts(split, data_source, counts)
    _check_images_once(split, json.dumps(dict(data_source.identity), sort_keys=True), label)
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    logger.info(f"Micro-Bench data {label}: {len(split)} rows, all images readable; questions: {listed}")


def _warn_of_counts(split: datasets.Dataset, data_source: source.Source, counts: dict[str, int]) -> None:
    """Warn of data whose numbers of questions or rows differ from the release's public numbers.

    The demo set, which has its own numbers, and the release itself are not checked.
    """
    if data_source.identity.get("is_release") or data_source.identity["source"] == dataset_setting.DEMO:
        return
    public = {name: ("release", number) for name, number in catalog.RELEASE_COUNTS.items()}
    public[catalog.COGNITION_TASK] = ("paper", catalog.PAPER_COGNITION_QUESTIONS)
    differences = [
        f"{name} has {count:,} questions, in the {public[name][0]} {public[name][1]:,}"
        for name, count in counts.items()
        if name in public and public[name][1] != count
    ]
    rows = collections.Counter(table_rows.dataset_names(split.data.table, data_source.label))
    differences += _row_differences([name for name in counts if name not in public], rows)
    if differences:
        warn_once(
            f"{data_source.label}: is not the release (its hash differs), and its numbers differ, too: "
            f"{'; '.join(differences)}. Scores on these data cannot be compared with scores on the release."
        )


def _row_differences(names: list[str], rows: collections.Counter[str]) -> Iterator[str]:
    """Yield differing numbers of rows, for tasks whose number of questions is not public."""
    for dataset_names, expected in catalog.RELEASE_ROWS.items():
        concerned = [name for name in names if set(dataset_names) & set(catalog.ALL_TASKS[name].datasets)]
        actual = sum(rows[dataset] for dataset in dataset_names)
        if concerned and actual != expected:
            listed = ", ".join(dataset_names)
            if dataset_names == catalog.CLASSIFICATION_DATASETS:
                listed = f"all {len(dataset_names)} datasets of classification together"
            yield f"{actual:,} rows of {listed}, in the release {expected:,} ({', '.join(concerned)})"


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
