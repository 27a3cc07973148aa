"""Read a folder of images whose boxes are in a COCO JSON file."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from microbench_tasks.data.own_datasets import coco_boxes, image_files
from microbench_tasks.data.own_datasets.entries import ClassBox, Collected, Entry, Labels
from microbench_tasks.data.own_datasets.problems import Problems
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError

_PARTS = ("images", "annotations", "categories")


@dataclass(frozen=True)
class _Annotations:
    """The three lists of a file, each entry checked to be an object."""

    path: Path
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]


def read(folder: Path, path: Path, only_listed: bool, has_groups: bool, problems: Problems) -> Collected:
    """Return the images that have boxes.

    Annotations with ``iscrowd`` are left out.

    Args:
        folder: the images, at any depth.
        path: COCO JSON whose ``file_name`` is relative to ``folder``.
        only_listed: whether ``folder`` may contain other images.
        has_groups: whether the folders in ``folder`` are groups, such as patients.
        problems: gets files that are missing or unlisted, images without a group, and malformed annotations.

    Raises:
        DataError: the folder or the JSON file cannot be read at all.
    """
    stated = _parse(path)
    files = image_files.find(folder, problems)
    class_names = _class_names(stated, problems)
    images = _images(stated, files, problems)
    boxes, crowds = _boxes(stated, images, class_names, problems)
    names = {str(image["file_name"]): key for key, image in images.items()}
    notes = image_files.check_unlisted(files, names.keys(), path, only_listed, problems)
    if crowds:
        notes.append(f"{crowds} annotation(s) of crowds (iscrowd) left out")
    empty = [name for name, key in names.items() if key not in boxes]
    if empty:
        notes.append(f"{len(empty)} image(s) without boxes left out, such as {empty[0]}")
    entries = [
        Entry(
            name,
            functools.partial(image_files.load, files.images[name]),
            Labels(group=_group(name, problems) if has_groups else None),
            boxes=tuple(boxes[key]),
            stated_size=_stated_size(images[key]),
        )
        for name, key in names.items()
        if key in boxes and name in files.images
    ]
    if not entries:
        problems.add(path.name, "no image has a box. Expected annotations with bbox or polygons")
    used = {box.class_name for entry in entries for box in entry.boxes}
    order = [name for name in class_names.values() if name in used]
    return Collected(f"images and {path.name}", entries, order, [*files.notes(), *notes])


def _group(name: str, problems: Problems) -> str | None:
    group, *inner = PurePosixPath(name).parts
    if not inner:
        problems.add(name, f"an image without a group. With --groups, expected GROUP/{name}")
    return group if inner else None


def _parse(path: Path) -> _Annotations:
    try:
        content = untrusted.parse_json(untrusted.read_regular_file(path).removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected COCO JSON, got: {error}. Export the annotations again.") from error
    lists = [content.get(name) if isinstance(content, dict) else None for name in _PARTS]
    for name, entries in zip(_PARTS, lists, strict=True):
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(
                f"{path}: expected COCO JSON for object detection with lists of objects named {', '.join(_PARTS)}; "
                f"{name} is {'missing' if entries is None else 'no such list'}. Export the annotations again."
            )
    images, annotations, categories = lists
    return _Annotations(path, images, annotations, categories)  # type: ignore[arg-type]


def _key(value: Any) -> int | str | None:
    return value if isinstance(value, int | str) else None


def _by_id(entries: list[dict[str, Any]], part: str, path: Path, problems: Problems) -> Iterator[tuple[Any, dict]]:
    seen = set()
    for number, entry in enumerate(entries):
        key = _key(entry.get("id"))
        if key is None or key in seen:
            problem = f"expected an id, got {entry.get('id')!r}" if key is None else "its id occurs twice"
            problems.add(f"{path.name} {part}[{number}]", f"{problem}. Export the annotations again")
            continue
        seen.add(key)
        yield key, entry


def _class_names(stated: _Annotations, problems: Problems) -> dict[Any, str]:
    names: dict[Any, str] = {}
    for key, category in _by_id(stated.categories, "categories", stated.path, problems):
        name = category.get("name")
        place = f"{stated.path.name} category {key}"
        if not isinstance(name, str) or not name.strip():
            problems.add(place, f"expected a name, got {name!r}. Name the class in words")
        elif name in names.values():
            problems.add(place, f"the name {name!r} occurs twice. Give each class a name of its own")
        else:
            names[key] = image_files.normalized(name)
    return names


def _images(stated: _Annotations, files: image_files.ImageFiles, problems: Problems) -> dict[Any, dict[str, Any]]:
    """Return the images that have a file, by id."""
    found: dict[Any, dict[str, Any]] = {}
    names: set[str] = set()
    for key, image in _by_id(stated.images, "images", stated.path, problems):
        place = f"{stated.path.name} image {key}"
        typed = image.get("file_name")
        name = image_files.normalized(typed.replace("\\", "/")).removeprefix("./") if isinstance(typed, str) else None
        if not name:
            problems.add(place, f"expected a file_name, got {typed!r}. Export the annotations again")
        elif name in names:
            problems.add(place, f"{name} is the file of another image already. Keep one of the two")
        elif name not in files.images:
            problems.add(place, f"no image {name} in {files.folder}.{files.suggestion(name)}")
        else:
            found[key] = image | {"file_name": name}
        names.add(name or "")
    return found


def _stated_size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _boxes(
    stated: _Annotations, images: Mapping[Any, Any], class_names: Mapping[Any, str], problems: Problems
) -> tuple[dict[Any, list[ClassBox]], int]:
    """Return the boxes of each image with their class, and the number of crowds."""
    known_images = {_key(image.get("id")) for image in stated.images} - {None}
    boxes: dict[Any, list[ClassBox]] = defaultdict(list)
    crowds = 0
    for number, annotation in enumerate(stated.annotations):
        place = f"{stated.path.name} annotation {annotation.get('id', f'[{number}]')}"
        image_id, category = _key(annotation.get("image_id")), _key(annotation.get("category_id"))
        if image_id not in known_images:
            problems.add(place, f"its image_id {image_id!r} is not among images. Export the annotations again")
        elif category not in class_names:
            problems.add(place, f"its category_id {category!r} is not among categories. Export the annotations again")
        elif annotation.get("iscrowd"):
            crowds += 1
        elif image_id in images:
            place = f"{place} ({images[image_id]['file_name']})"
            if (box := coco_boxes.read_box(annotation, place, problems)) is not None:
                boxes[image_id].append(ClassBox(place, class_names[category], box))
    return boxes, crowds
