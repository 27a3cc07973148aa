"""State what a new dataset is to be made of, and check it before anything is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from microbench_tasks.catalog.own_tasks import NAME_RULE, is_dataset_name
from microbench_tasks.data.own_datasets import columns, images
from microbench_tasks.data.own_datasets.description import CLASS_PLACEHOLDER
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

_DEFAULT_MEGAPIXELS = 50.0
_OTHER_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Request:
    """State what to make a dataset of.

    Attributes:
        name: of the dataset.
        out: the folder to write.
        images: a folder of images; alone it has one folder per class.
        labels: a CSV file about ``images``.
        coco: a COCO JSON file about ``images``.
        table: a ``datasets`` table, in place of ``images``.
        columns: ``ROLE=COLUMN`` of ``labels`` or ``table``.
        question: about every image.
        captions: the text that contrastive models score, with ``{class}``.
        classes: all classes, in order; empty if they are to be taken from the source.
        licence: of the images.
        groups: what a group is.
        only_listed: whether ``images`` may contain images that ``labels`` or ``coco`` does not list.
        max_megapixels: the most pixels of an image, in millions.
    """

    name: str
    out: Path
    images: Path | None = None
    labels: Path | None = None
    coco: Path | None = None
    table: str | None = None
    columns: tuple[str, ...] = ()
    question: str | None = None
    captions: str | None = None
    classes: tuple[str, ...] = ()
    licence: str | None = None
    groups: str | None = None
    only_listed: bool = False
    max_megapixels: float = _DEFAULT_MEGAPIXELS

    @property
    def max_pixels(self) -> int:
        """The most pixels of an image."""
        return round(self.max_megapixels * 1_000_000)

    @property
    def source(self) -> str:
        """The source as it was typed, for messages."""
        return f"--table {self.table}" if self.images is None else f"--images {self.images}"

    def mapping(self) -> dict[str, str]:
        """Return the column names by role."""
        return columns.parse_mapping(
            self.columns, (columns.FILE if self.labels else columns.IMAGE, *columns.LABEL_ROLES)
        )


def check(request: Request) -> None:
    """Raise `DataError` for options that exclude each other, miss another one, or have a wrong value."""
    if not is_dataset_name(request.name):
        raise DataError(f"NAME {request.name}: expected {NAME_RULE}, at most 64 characters.")
    _check_source(request)
    _check_words(request)
    _check_out(request)
    if not 0 < request.max_megapixels <= images.MOST_MEGAPIXELS:
        raise DataError(f"--max-megapixels {request.max_megapixels:g}: expected at most {images.MOST_MEGAPIXELS}.")


def _check_source(request: Request) -> None:
    if (request.images is None) == (request.table is None):
        raise DataError("Expected either --images FOLDER or --table PATH.")
    if request.labels and request.coco:
        raise DataError("--labels and --coco cannot be used together. Make a dataset of each.")
    if request.table and (request.labels or request.coco):
        raise DataError("--labels and --coco are about --images; a --table has labels of its own. Leave one out.")
    if request.only_listed and not (request.labels or request.coco):
        raise DataError("--only-listed is about the images that --labels or --coco lists. Leave it out.")
    if request.columns and not (request.labels or request.table):
        raise DataError("--column is about the columns of --labels or --table. Leave it out.")
    request.mapping()


def _check_words(request: Request) -> None:
    if request.groups is not None and not request.groups.strip():
        raise DataError("--groups: expected what a group is, such as slide.")
    if request.coco:
        for option in ("question", "captions"):
            if getattr(request, option) is not None:
                raise DataError(f"--{option}: models are asked for boxes by the names of the classes. Leave it out.")
        return
    if request.question is not None and not request.question.strip():
        raise DataError("--question: expected text, such as 'Which pollen is this?'.")
    if request.captions is None:
        raise DataError(
            f"--captions: expected a text with {CLASS_PLACEHOLDER}, such as "
            f"'A micrograph of {CLASS_PLACEHOLDER} pollen.'. Contrastive models compare the image with it."
        )
    if CLASS_PLACEHOLDER not in request.captions:
        raise DataError(
            f"--captions {request.captions!r}: expected {CLASS_PLACEHOLDER} where the name of the class belongs."
        )
    others = set(_OTHER_PLACEHOLDER.findall(request.captions)) - {CLASS_PLACEHOLDER}
    if others:
        raise DataError(f"--captions: only {CLASS_PLACEHOLDER} is replaced, got {', '.join(sorted(others))} as well.")


def _check_out(request: Request) -> None:
    out = request.out
    if out.exists() or out.is_symlink():
        raise DataError(f"--out {out}: exists already. Name a folder that does not exist yet, or delete it.")
    if "," in str(out.absolute()):
        raise DataError(f"--out {out}: a comma separates folders in MICROBENCH_OWN. Name a folder without one.")
    if request.images is not None and out.resolve().is_relative_to(request.images.resolve()):
        raise DataError(f"--out {out}: is within --images {request.images}. Name a folder elsewhere.")
    if request.table is not None and out.resolve().is_relative_to(Path(request.table).resolve()):
        raise DataError(f"--out {out}: is within --table {request.table}. Name a folder elsewhere.")
    if reason := files.why_unwritable(out.parent):
        raise DataError(f"--out {out}: {reason}. Name another place.")
