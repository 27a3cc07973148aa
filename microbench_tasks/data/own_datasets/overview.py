"""Describe what was read for a new dataset."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from microbench_tasks.catalog.own_tasks import box_task, question_task
from microbench_tasks.data.own_datasets.creation import NewDataset
from microbench_tasks.data.own_datasets.image_checks import Prepared

# Fewer images, or groups, say little: the interval of an accuracy is then wider than +-0.18.
_FEW = 30
_MOST_KINDS = 5


# What has nothing to do with what an image shows.
_APPEARANCE: dict[str, Callable[[Prepared], str]] = {
    "sizes": lambda image: f"{image.seen.width} x {image.seen.height}",
    "bit depths": lambda image: image.seen.depth,
    "formats": lambda image: image.seen.file_format,
}


def describe(dataset: NewDataset) -> list[str]:
    """Return lines about classes, groups, sizes and bit depths, and what the user should know."""
    images = dataset.images
    return [
        f"{dataset.request.name}: {len(images)} images of {_count(dataset.classes)}, from {dataset.form}",
        "",
        *_class_table(dataset),
        "",
        *(f"{what:<11} {_kinds(map(value, images))}" for what, value in _APPEARANCE.items()),
        *([f"{dataset.groups + 's':<11} {len(_groups(images))}"] if dataset.groups else []),
        *(f"note: {note}" for note in (*dataset.notes, *_cautions(dataset))),
    ]


def next_commands(dataset: NewDataset) -> list[str]:
    """Return the commands to type next."""
    name = dataset.request.name
    setting = f"MICROBENCH_OWN={shlex.quote(str(dataset.request.out))}"
    # Contrastive models, such as the demo model, cannot give boxes.
    is_boxes = dataset.request.coco is not None
    task, model = (box_task(name), "microbench_random") if is_boxes else (question_task(name), "demo_clip")
    return [
        f"{setting} lmms_eval --model {model} --tasks {task.name} --log_samples --output_path results_{name}",
        f"{setting} microbench report results_{name} --out report_{name}",
    ]


def _count(classes: list[str]) -> str:
    return "1 class" if len(classes) == 1 else f"{len(classes)} classes"


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


def _tells_classes(dataset: NewDataset, value: Callable[[Prepared], str]) -> bool:
    """Tell whether no two classes share a value, unless most values stand for one image only."""
    of_class = [{value(image) for image in dataset.images if name in _classes(image)} for name in dataset.classes]
    num_values = len(set().union(*of_class))
    return len(of_class) > 1 and sum(map(len, of_class)) == num_values <= len(dataset.images) / 2


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
    for what, value in _APPEARANCE.items():
        if dataset.request.coco is None and _tells_classes(dataset, value):
            yield f"the {what} alone tell the classes apart, so a model need not look at what the images show"
    if dataset.request.coco is None and len(dataset.classes) > 8:
        others = len(dataset.classes) - 1
        yield f"a question offers at most 8 options: the right one, and 7 of the other {others} by a fixed draw"
    if dataset.request.licence is None:
        yield "no licence stated. If you may publish the images, type --licence, such as CC-BY-4.0"
