"""Describe what was read for a new dataset."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator

from microbench_tasks.catalog.own_tasks import box_task, question_task
from microbench_tasks.data.own_datasets.creation import NewDataset
from microbench_tasks.data.own_datasets.image_checks import Prepared

# Fewer images, or groups, say little: the interval of an accuracy is then wider than +-0.18.
_FEW = 30
_MOST_KINDS = 5


def describe(dataset: NewDataset) -> list[str]:
    """Return lines about classes, groups, sizes and bit depths, and what the user should know."""
    images = dataset.images
    return [
        f"{dataset.request.name}: {len(images)} images of {len(dataset.classes)} classes, from {dataset.form}",
        "",
        *_class_table(dataset),
        "",
        f"sizes       {_kinds(f'{image.seen.width} x {image.seen.height}' for image in images)}",
        f"bit depths  {_kinds(image.seen.depth for image in images)}",
        *([f"{dataset.groups + 's':<11} {len(_groups(images))}"] if dataset.groups else []),
        *(f"note: {note}" for note in (*dataset.notes, *_cautions(dataset))),
    ]


def next_commands(dataset: NewDataset) -> list[str]:
    """Return the commands to type next."""
    out = str(dataset.request.out)
    task = question_task if dataset.request.coco is None else box_task
    model = "demo_clip" if dataset.request.coco is None else "MODEL"
    return [
        f"MICROBENCH_OWN={shlex.quote(out)} lmms_eval --model {model} --tasks {task(dataset.request.name).name} "
        "--log_samples --output_path results",
        f"MICROBENCH_OWN={shlex.quote(out)} microbench report results --out report",
    ]


def _class_table(dataset: NewDataset) -> Iterator[str]:
    boxes = [box for image in dataset.images for box in image.entry.boxes]
    has_boxes = dataset.request.coco is not None
    headers = ["class", "images", *(["boxes"] if has_boxes else []), *(["groups"] if dataset.groups else [])]
    rows = []
    for name in dataset.classes:
        of_class = [image for image in dataset.images if name in _classes(image)]
        row = [name, str(len(of_class))]
        if has_boxes:
            row.append(str(sum(box.class_name == name for box in boxes)))
        if dataset.groups:
            row.append(str(len(_groups(of_class))))
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for cells in (headers, *rows):
        numbers = (f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
        yield "  ".join((f"{cells[0]:<{widths[0]}}", *numbers))


def _classes(image: Prepared) -> set[str | None]:
    return {image.entry.labels.class_name, *(box.class_name for box in image.entry.boxes)}


def _groups(images: Iterable[Prepared]) -> set[str | None]:
    return {image.entry.labels.group for image in images}


def _kinds(values: Iterable[str]) -> str:
    counts = sorted(Counter(values).items(), key=lambda kind: (-kind[1], kind[0]))
    listed = ", ".join(f"{value} ({count})" for value, count in counts[:_MOST_KINDS])
    return listed if len(counts) <= _MOST_KINDS else f"{listed} and {len(counts) - _MOST_KINDS} more"


def _cautions(dataset: NewDataset) -> Iterator[str]:
    images = dataset.images
    num_groups = len(_groups(images))
    if len(images) < _FEW:
        yield f"{len(images)} images say little: an accuracy from fewer than {_FEW} has a wide interval"
    elif dataset.groups and num_groups < _FEW:
        yield f"intervals count {num_groups} {dataset.groups}s, not {len(images)} images, and will be wide"
    blank = [image for image in images if image.seen.is_blank]
    if blank:
        yield f"{len(blank)} image(s) have one color only, such as {blank[0].entry.place}"
    if dataset.request.coco is None and len(dataset.classes) > 8:
        others = len(dataset.classes) - 1
        yield f"a question offers at most 8 options: the right one, and 7 of the other {others} by a fixed draw"
    if dataset.request.licence is None:
        yield "no licence stated. If you may publish the images, type --licence, such as CC-BY-4.0"
