"""Derive the tasks of datasets of one's own from their names alone.

A dataset ``NAME`` has the task ``microbench_own_NAME`` if its images have questions, and ``microbench_own_NAME_boxes``
if they have boxes. So a logged run or a submission of such a task can be read where the dataset is not installed.
These tasks are in no group and no total of the benchmark.
"""

from __future__ import annotations

import re

from microbench_tasks.catalog.questions import CLASSIFICATION_KIND
from microbench_tasks.catalog.tasks import BOXES, COGNITION, DATASETS, Task

# All tasks of own datasets together. They have no total, since their datasets have nothing in common.
OWN_TAG = "microbench_own"
_PREFIX = f"{OWN_TAG}_"
_BOXES_ENDING = f"_{BOXES}"
NAME_RULE = (
    f"lowercase letters, digits and single underscores, beginning with a letter, not ending in {_BOXES_ENDING}, "
    "and not the name of a dataset of the benchmark"
)
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", re.ASCII)
_MAX_LENGTH = 64


def is_dataset_name(name: str) -> bool:
    """Tell whether an own dataset may have this name (`NAME_RULE`, at most 64 characters).

    >>> is_dataset_name("pollen_2025"), is_dataset_name("Pollen"), is_dataset_name("pollen_boxes")
    (True, False, False)
    """
    is_well_formed = len(name) <= _MAX_LENGTH and _NAME.fullmatch(name) is not None
    return is_well_formed and not f"_{name}".endswith(_BOXES_ENDING) and name not in (*DATASETS, COGNITION)


def question_task(dataset: str) -> Task:
    """Return the task that asks the questions of an own dataset."""
    return Task(f"{_PREFIX}{dataset}", "own", (CLASSIFICATION_KIND,), (dataset,), source=f"{_PREFIX}{dataset}")


def box_task(dataset: str) -> Task:
    """Return the task that asks for the boxes of an own dataset."""
    return Task(f"{_PREFIX}{dataset}{_BOXES_ENDING}", "boxes", (BOXES,), (dataset,), source=f"{_PREFIX}{dataset}")


def is_own(name: str) -> bool:
    """Tell whether ``name`` is that of a task of an own dataset, installed or not."""
    return own_task(name) is not None


def own_task(name: str) -> Task | None:
    """Return the task of an own dataset by its name; None if no such task can have this name.

    >>> own_task("microbench_own_pollen_boxes").datasets, own_task("microbench_own_pollen").subject
    (('pollen',), 'own')
    """
    if not name.startswith(_PREFIX):
        return None
    dataset = name.removeprefix(_PREFIX)
    asks_for_boxes = dataset.endswith(_BOXES_ENDING)
    dataset = dataset.removesuffix(_BOXES_ENDING)
    if not is_dataset_name(dataset):
        return None
    return box_task(dataset) if asks_for_boxes else question_task(dataset)
