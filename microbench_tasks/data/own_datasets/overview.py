"""Describe what was read for a new dataset."""

from __future__ import annotations

import math
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from microbench_tasks.catalog.own_tasks import box_task, question_task
from microbench_tasks.data.own_datasets.creation import NewDataset
from microbench_tasks.data.own_datasets.image_checks import Prepared

# Fewer images, or groups, say little: the interval of an accuracy is then wider than +-0.18.
_FEW = 30
_MOST_KINDS = 5
# An appearance that gives the class of so many images is reported.
_NEARLY_ALL = 0.9


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


def _share_told(classes: Sequence[str | None], values: Sequence[str]) -> float:
    """Return how often the value alone gives the class: the most frequent class of the other images with that value.

    Without the image itself, since a value that stands for one image only would always be right.
    """
    of_value: dict[str, Counter[str | None]] = defaultdict(Counter)
    for name, value in zip(classes, values, strict=True):
        of_value[value][name] += 1
    told = 0
    for name, value in zip(classes, values, strict=True):
        others = of_value[value] - Counter([name])
        told += others[name] > max((count for other, count in others.items() if other != name), default=0)
    return told / len(classes)


def _tells_classes(share: float, classes: Sequence[str | None]) -> bool:
    """Tell whether nearly all classes follow from a value, with half the errors of always giving one class."""
    largest = max(Counter(classes).values()) / len(classes)
    return share >= _NEARLY_ALL and 1 - share <= (1 - largest) / 2


def _kinds(values: Iterable[str]) -> str:
    counts = sorted(Counter(values).items(), key=lambda kind: (-kind[1], kind[0]))
    listed = ", ".join(f"{value} ({count})" for value, count in counts[:_MOST_KINDS])
    return listed if len(counts) <= _MOST_KINDS else f"{listed} and {len(counts) - _MOST_KINDS} more"


def _told_by_appearance(images: Sequence[Prepared]) -> Iterator[str]:
    classes = [image.entry.labels.class_name for image in images]
    for what, value in _APPEARANCE.items():
        share = _share_told(classes, list(map(value, images)))
        if _tells_classes(share, classes):
            # Rounded down: not all unless it is all.
            yield (
                f"the {what} alone give the class of {math.floor(share * 100)} % of the images, so a model need not "
                "look at what they show"
            )


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
    if dataset.request.coco is None and len(dataset.classes) > 1:
        yield from _told_by_appearance(images)
    if dataset.request.coco is None and len(dataset.classes) > 8:
        others = len(dataset.classes) - 1
        yield (
            f"a question offers at most 8 options: the right one, and 7 of the other {others}, chosen by a hash of the "
            "image"
        )
    if dataset.request.licence is None:
        yield "no licence stated. If you may publish the images, type --licence, such as CC-BY-4.0"
