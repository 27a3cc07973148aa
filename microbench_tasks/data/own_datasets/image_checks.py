"""Decode and check all images of a new dataset, and keep them in a file until they are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from microbench_tasks.data.own_datasets import images
from microbench_tasks.data.own_datasets.entries import Box, ClassBox, Entry
from microbench_tasks.data.own_datasets.images import StoredImage
from microbench_tasks.data.own_datasets.problems import Problems
from microbench_tasks.util.progress import Progress

# Annotation tools place the edge of an object up to one pixel beyond the image.
_EDGE_TOLERANCE = 1.0
_ID_LENGTH = 32


@dataclass(frozen=True)
class Prepared:
    """A checked image: what it is labelled, what was seen, and where its content is kept.

    ``image_id`` depends on its pixels alone, so it tells nothing of its class.
    """

    entry: Entry
    seen: StoredImage
    start: int

    @property
    def image_id(self) -> str:
        """The id of the image."""
        return self.seen.pixels_sha256[:_ID_LENGTH]


class Store:
    """Keep the contents of images in one file; without a file only count them."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._size = 0

    def add(self, content: bytes) -> int:
        """Append ``content`` and return where it starts."""
        start = self._size
        self._size += len(content)
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(content)
        return start

    def get(self, image: Prepared) -> bytes:
        """Return the content of an image."""
        if self._path is None:
            raise ValueError("Expected a file of contents, got a store that only counts")
        with self._path.open("rb") as file:
            file.seek(image.start)
            return file.read(image.seen.num_bytes)


def prepare_all(
    entries: list[Entry], max_pixels: int, store: Store, problems: Problems, progress: Progress
) -> list[Prepared]:
    """Check every image, and return the images in the order of their ids, which mixes the classes.

    Args:
        entries: the images.
        max_pixels: the most pixels of one.
        store: keeps the contents.
        problems: gets images that cannot be used, are there twice, or do not match their boxes.
        progress: shows the progress.
    """
    by_pixels: dict[str, Entry] = {}
    prepared = []
    for entry in progress(entries, "images"):
        try:
            content, seen = images.prepare(entry.load(max_pixels * images.BYTES_PER_PIXEL), max_pixels)
        except ValueError as error:
            problems.add(entry.place, str(error))
            continue
        first = by_pixels.setdefault(seen.pixels_sha256, entry)
        if first is not entry:
            problems.add(entry.place, _duplicate(entry, first))
            continue
        prepared.append(Prepared(_with_clipped_boxes(entry, seen, problems), seen, store.add(content)))
    return sorted(prepared, key=lambda image: image.image_id)


def _duplicate(entry: Entry, first: Entry) -> str:
    text = f"has the same pixels as {first.place}"
    classes = (first.labels.class_name, entry.labels.class_name)
    if classes[0] != classes[1]:
        return f"{text}, but the class {classes[1]!r} and not {classes[0]!r}. Find out which is right"
    return f"{text}. Keep one of the two"


def _with_clipped_boxes(entry: Entry, seen: StoredImage, problems: Problems) -> Entry:
    if not entry.boxes:
        return entry
    size = (seen.width, seen.height)
    if seen.is_turned:
        problems.add(
            entry.place,
            "is turned by its EXIF orientation, and whether its boxes were drawn before or after is not known. "
            "Export it upright",
        )
    elif entry.stated_size is not None and entry.stated_size != size:
        stated = " x ".join(map(str, entry.stated_size))
        problems.add(
            entry.place,
            f"has {size[0]} x {size[1]} pixels, but its boxes are for {stated}. Use the image that was annotated",
        )
    else:
        clipped = (replace(box, box=_clip(box, size, problems)) for box in entry.boxes)
        return replace(entry, boxes=tuple(clipped))
    return entry


def _clip(stated: ClassBox, size: tuple[int, int], problems: Problems) -> Box:
    x1, y1, x2, y2 = stated.box
    width, height = size
    beyond = max(-x1, -y1, x2 - width, y2 - height)
    clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    if beyond > _EDGE_TOLERANCE or clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        corners = ", ".join(f"{value:g}" for value in stated.box)
        problems.add(
            stated.place,
            f"the box from x1, y1 to x2, y2 = {corners} is not within the image of {width} x {height} pixels. "
            "Correct or remove it",
        )
    return clipped
