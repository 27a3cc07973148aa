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

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.data import (
    dataset_setting,
    table_images,
    table_rows,
    task_data,
)
from microbench_tasks.data.resolved_data import ResolvedData
from microbench_tasks.harness import own_tasks
from microbench_tasks.harness.served import letter_probabilities, shrinking
from microbench_tasks.tasks import box_format_setting, interval_settings
from microbench_tasks.util import files
from microbench_tasks.util.notices import warn_once

# Increase it when `table_images.check_images` gets stricter: images that passed before are checked again.
_IMAGE_CHECK_VERSION = 1
_IMAGE_FORMAT = "LMMS_IMAGE_ENCODE_FORMAT"
# Results of the checks of this process: the data of a run are checked twice, and need not be read twice.
_passed: set[tuple[ResolvedData, str]] = set()
_num_questions: dict[str, int] = {}


def check(names: list[str]) -> None:
    """Check the settings for the Micro-Bench tasks among ``names``, and the data that they would ask about.

    Data that has passed in this process is not read again. Names of other benchmarks are ignored.

    Raises:
        DataError: a setting is wrong, or the source cannot be loaded or used. The message says where, and what was
            expected.
    """
    tasks_asked = [catalog.task_of(name) for name in own_tasks.tasks_named(names)]
    _check_settings(tasks_asked)
    # The release last: what else is missing is better known before it is downloaded.
    sources = sorted({task.source for task in tasks_asked}, key=lambda source: (source == catalog.MICROGRAPHS, source))
    by_source = [[task for task in tasks_asked if task.source == source] for source in sources]
    resolved = [(task_data.resolve(tasks[0], download=True), tasks) for tasks in by_source]
    for data, tasks in resolved:
        unchecked = [task for task in tasks if (data, task.name) not in _passed]
        if unchecked:
            _check_data(data, unchecked)
        _passed.update((data, task.name) for task in unchecked)


def num_questions(names: list[str], limit: float | None = None) -> int:
    """Return how many questions the Micro-Bench tasks among ``names`` ask, as the last check counted them.

    Args:
        names: tasks and groups.
        limit: the harness's ``--limit``: below 1 a fraction of each task, else a number of questions.
    """
    counts = [_num_questions.get(name, 0) for name in own_tasks.tasks_named(names)]
    if limit is None or limit < 0:
        return sum(counts)
    return sum(math.ceil(count * limit) if limit < 1 else min(count, int(limit)) for count in counts)


def _check_settings(tasks: list[catalog.Task]) -> None:
    """Refuse settings that would end the run only after the model has been loaded, or after its last answer."""
    if tasks:
        interval_settings.interval_settings()
        # Without effect for some models and tasks, but a wrong value is a mistake for all.
        box_format_setting.format_of_setting()
        shrinking.is_wanted()
        letter_probabilities.requested_number()
        _warn_of_image_format()


def _warn_of_image_format() -> None:
    # A setting of lmms-eval for the images that its clients send to servers: PNG by default.
    image_format = os.environ.get(_IMAGE_FORMAT, "PNG")
    if image_format.upper() != "PNG":
        warn_once(
            f"{_IMAGE_FORMAT}={image_format}: servers will receive images whose pixels differ from those of the data. "
            "Scores of such a run cannot be compared with others. Unset it."
        )


def _check_data(data: ResolvedData, tasks: list[catalog.Task]) -> None:
    counts = {task.name: len(data.documents(task)) for task in tasks}
    _num_questions.update(counts)
    _warn_of_counts(data, counts)
    _check_images_once(data)
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    logger.info(f"Micro-Bench data {data.label}: {len(data.rows)} rows, all images readable; questions: {listed}")


def _warn_of_counts(data: ResolvedData, counts: dict[str, int]) -> None:
    """Warn of data whose numbers of questions or rows differ from the release's public numbers.

    The demo set, which has its own numbers, and the release itself are not checked.
    """
    if data.identity.get("is_release") or data.identity["source"] == dataset_setting.DEMO:
        return
    if differences := count_differences(data, counts):
        warn_once(
            f"{data.label}: is not the release (its hash differs), and its numbers differ, too: "
            f"{'; '.join(differences)}. Scores on these data cannot be compared with scores on the release."
        )


def count_differences(data: ResolvedData, counts: dict[str, int]) -> list[str]:
    """Return how numbers of questions or rows differ from the release's public numbers.

    Args:
        data: in the release's form.
        counts: number of questions of each task that is compared.
    """
    public = {name: ("release", number) for name, number in catalog.RELEASE_COUNTS.items()}
    public[catalog.COGNITION_TASK] = ("paper", catalog.PAPER_COGNITION_QUESTIONS)
    differences = [
        f"{name} has {count:,} questions, in the {public[name][0]} {public[name][1]:,}"
        for name, count in counts.items()
        if name in public and public[name][1] != count
    ]
    rows = collections.Counter(table_rows.dataset_names(data.rows.data.table, data.label))
    return differences + list(_row_differences([name for name in counts if name not in public], rows))


def _row_differences(names: list[str], rows: collections.Counter[str]) -> Iterator[str]:
    """Yield differing numbers of rows, for tasks whose number of questions is not public."""
    for dataset_names, expected in catalog.RELEASE_ROWS.items():
        concerned = [name for name in names if set(dataset_names) & set(catalog.task_of(name).datasets)]
        actual = sum(rows[dataset] for dataset in dataset_names)
        if concerned and actual != expected:
            listed = ", ".join(dataset_names)
            if dataset_names == catalog.CLASSIFICATION_DATASETS:
                listed = f"all {len(dataset_names)} datasets of classification together"
            yield f"{actual:,} rows of {listed}, in the release {expected:,} ({', '.join(concerned)})"


def _check_images_once(data: ResolvedData) -> None:
    """Read every image, unless this very content has passed before on this machine."""
    identity = json.dumps(dict(data.identity), sort_keys=True)
    key = hashlib.sha256(f"{_IMAGE_CHECK_VERSION} {identity}".encode()).hexdigest()
    marker = files.cache_dir() / "readable" / key
    if marker.exists():
        return
    table_images.check_images(data.rows.data.table, data.label)
    # A cache that cannot be written costs time, not the run.
    with contextlib.suppress(OSError):
        files.write_file(marker, identity.encode())
