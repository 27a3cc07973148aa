"""Make a dataset folder from the images and labels of a user."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from microbench_tasks.data.own_datasets import (
    class_folders,
    class_names,
    coco,
    image_checks,
    labelled_images,
    table_file,
    writing,
)
from microbench_tasks.data.own_datasets.entries import Collected
from microbench_tasks.data.own_datasets.image_checks import Prepared, Store
from microbench_tasks.data.own_datasets.problems import Problems
from microbench_tasks.data.own_datasets.request import Request
from microbench_tasks.util.progress import Progress

_DEFAULT_GROUPS = "group"


@dataclass(frozen=True)
class NewDataset:
    """What was read, ready to be shown and written.

    Attributes:
        request: what to make.
        form: names the form of input.
        classes: in order.
        images: in the order of the table.
        groups: what a group is; None if there are no groups.
        notes: what the user should know.
        store: keeps the contents of the images.
    """

    request: Request
    form: str
    classes: list[str]
    images: list[Prepared]
    groups: str | None
    notes: list[str]
    store: Store

    def write(self) -> None:
        """Write the folder in one step."""
        writing.write(self.request, self.classes, self.groups, self.images, self.store)


def read(request: Request, workspace: Path, progress: Progress, keep_images: bool = True) -> NewDataset:
    """Read and check all images and labels.

    Args:
        request: checked by `request.check`.
        workspace: an empty folder for temporary files.
        progress: shows the progress.
        keep_images: whether the dataset is to be written.

    Raises:
        DataError: something is wrong; names the files and lines of the first problems.
    """
    problems = Problems()
    collected = _collect(request, workspace, problems)
    classes = class_names.ordered_classes(collected, request.classes, problems)
    groups = request.groups
    if request.coco is None:
        class_names.check_options(collected.entries, classes, problems)
        _check_questions(request, collected, problems)
        groups = _check_groups(request, collected, problems)
    # Before hours of decoding.
    problems.raise_any(request.source)
    if not collected.entries:
        problems.add("images", "found none. Expected TIFF, PNG or JPEG files")
    store = Store(workspace / "images" if keep_images else None)
    images = image_checks.prepare_all(collected.entries, request.max_pixels, store, problems, progress)
    problems.raise_any(request.source)
    counts = Counter(entry.labels.class_name for entry in collected.entries if entry.labels.class_name is not None)
    similar = [] if request.classes else class_names.similar_notes(counts)
    notes = [*collected.notes, *class_names.naming_notes(classes), *similar]
    return NewDataset(request, collected.form, classes, images, groups, notes, store)


def _collect(request: Request, workspace: Path, problems: Problems) -> Collected:
    if request.images is None:
        return table_file.read(str(request.table), request.mapping(), workspace, problems)
    if request.labels is not None:
        return labelled_images.read(request.images, request.labels, request.mapping(), request.only_listed, problems)
    if request.coco is not None:
        return coco.read(request.images, request.coco, request.only_listed, request.groups is not None, problems)
    return class_folders.read(request.images, request.groups is not None, problems)


def _check_questions(request: Request, collected: Collected, problems: Problems) -> None:
    if request.question is not None:
        return
    without = [entry for entry in collected.entries if entry.labels.question is None]
    if len(without) == len(collected.entries) and without:
        problems.add("--question", "expected text, such as 'Which pollen is this?', or a column question")
        return
    for entry in without:
        problems.add(entry.place, "has no question. Type --question, or write one in a column question")


def _check_groups(request: Request, collected: Collected, problems: Problems) -> str | None:
    """Return what a group is; None if there are no groups."""
    without = [entry for entry in collected.entries if entry.labels.group is None]
    if len(without) == len(collected.entries):
        if request.groups is not None and without:
            problems.add(f"--groups {request.groups}", "found no column group. Type --column group=COLUMN")
        return None
    for entry in without:
        problems.add(entry.place, "has no group. An image that is alone gets a group of its own")
    return request.groups or _DEFAULT_GROUPS
