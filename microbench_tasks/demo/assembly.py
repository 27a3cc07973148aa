"""Assemble the rows of the demo set in the release's columns."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import numpy as np
from numpy.random import Generator
from PIL import Image

from microbench_tasks.demo import questions
from microbench_tasks.demo.canvas import Mark, Shape
from microbench_tasks.demo.dataset_table import DATASETS
from microbench_tasks.demo.real_tiles import RealTile, load_tiles
from microbench_tasks.demo.specs import INSTITUTION, LICENSE, NO_TAXON, DemoDataset

# The release numbers its labels across all datasets.
LABELS = {
    name: number for number, name in enumerate(sorted({name for dataset in DATASETS for name in dataset.classes}))
}
# The purposes of a row's random streams; part of the seed of a stream.
PICTURE, TEXT, IDENTITY = range(3)
# Row numbers of the real tiles; those of the drawings are smaller.
REAL_TILES_FROM = 1_000_000


def rows(seed: int, rows_per_dataset: int | None = None, real_tiles: bool = True) -> Iterator[dict]:
    """Return the rows grouped by dataset, real tiles at the end of theirs; see `demo_set.rows`."""
    if seed < 0:
        raise ValueError(f"Expected a seed of 0 or more, got {seed}")
    if rows_per_dataset is not None and rows_per_dataset < 1:
        raise ValueError(f"Expected rows_per_dataset of at least 1, got {rows_per_dataset}")
    return _iterate_rows(seed, rows_per_dataset, real_tiles)


def _iterate_rows(seed: int, rows_per_dataset: int | None, real_tiles: bool) -> Iterator[dict]:
    tiles = load_tiles() if real_tiles else ()
    for number, dataset in enumerate(DATASETS):
        count = dataset.default_rows if rows_per_dataset is None else rows_per_dataset
        for index in range(count):
            yield drawn_row(seed, number, index)
        for index, tile in enumerate(tile for tile in tiles if tile.dataset == dataset.name):
            yield tile_row(seed, number, index, tile)


def stream(seed: int, number: int, index: int, purpose: int) -> Generator:
    """Return the random numbers of one row for one purpose, which do not depend on other rows."""
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(number, index, purpose)))


def drawn_row(seed: int, number: int, index: int) -> dict:
    """Return row ``index`` of dataset ``number``; classes take turns by the index."""
    dataset = DATASETS[number]
    label = dataset.classes[index % len(dataset.classes)] if dataset.classes else None
    picture = dataset.paint(stream(seed, number, index, PICTURE), label or "", dataset.size)
    image = encode_png(picture.pixels, dataset.mode, dataset.full_scale)
    row = _row(seed, number, index, dataset, image, label)
    return row | _annotations(picture.marks, dataset.size)


def tile_row(seed: int, number: int, index: int, tile: RealTile) -> dict:
    """Return a row with a tile of a real micrograph."""
    drawn = DATASETS[number]
    first, second = drawn.captions
    dataset = replace(
        drawn,
        setting=replace(drawn.setting, subdomain=tile.subdomain, submodality=tile.submodality, stain=tile.stain),
        # The dataset's wordings name its own stain.
        question=drawn.question.replace(drawn.setting.stain, tile.stain),
        captions=(first.replace(drawn.setting.stain, tile.stain), second.replace(drawn.setting.stain, tile.stain)),
        microns_per_pixel=tile.microns_per_pixel,
        taxon=NO_TAXON,
    )
    row = _row(seed, number, REAL_TILES_FROM + index, dataset, png_bytes(Image.fromarray(tile.pixels)), tile.label)
    return row | {"institution": tile.institution, "license": tile.license} | _annotations((), tile.pixels.shape[:2])


def _row(seed: int, number: int, index: int, dataset: DemoDataset, image: bytes, label: str | None) -> dict:
    """Return every column but the annotations; ``image`` is a PNG."""
    setting = dataset.setting
    asked = questions.ask(stream(seed, number, index, TEXT), dataset, label)
    return {
        "image_id": image_id(seed, number, index),
        "label_name": None if label is None else label.lower().replace("-", "_").replace(" ", "_").replace(".", ""),
        "dataset": dataset.dataset_column,
        "domain": setting.domain,
        "institution": INSTITUTION,
        "license": LICENSE,
        "modality": setting.modality,
        "ncbitaxon_id": dataset.taxon[0],
        "ncbitaxon_name": dataset.taxon[1],
        "pmid": None,
        "split": "test",
        "stain": setting.stain,
        "subdomain": setting.subdomain,
        "submodality": setting.submodality,
        "image": {"bytes": image, "path": None},
        "label": None if label is None else LABELS[label],
        "microns_per_pixel": dataset.microns_per_pixel,
        "synthetic": dataset.synthetic,
        "captions": questions.caption(dataset, asked),
        "questions": asked,
    }


def image_id(seed: int, number: int, index: int) -> str:
    """Draw a UUID from the seed; datasets that share ids use the stream of the first of them."""
    family = DATASETS[number].shares_ids_with
    if family is not None:
        number = next(at for at, dataset in enumerate(DATASETS) if dataset.shares_ids_with == family)
    return str(UUID(bytes=stream(seed, number, index, IDENTITY).bytes(16), version=4))


def _annotations(marks: tuple[Mark, ...], size: Shape) -> dict[str, list | None]:
    """Return ``polygon`` and ``bbox`` of the marks, clipped to the image, in pixels; null without marks."""
    if not marks:
        return {"bbox": None, "polygon": None}
    polygons, boxes = [], []
    for mark in marks:
        outline = np.round(np.clip(mark.outline, 0, np.array(size[::-1]) - 1.0), 2)
        (x1, y1), (x2, y2) = outline.min(axis=0).tolist(), outline.max(axis=0).tolist()
        polygons.append({"className": mark.class_name, "points": outline.ravel().tolist()})
        boxes.append({"className": mark.class_name, "points": {"x1": x1, "x2": x2, "y1": y1, "y2": y2}})
    return {"bbox": boxes, "polygon": polygons}


def encode_png(pixels: np.ndarray, mode: str, full_scale: int) -> bytes:
    """Encode pixels in [0, 1] as a PNG.

    Args:
        pixels: the image.
        mode: Pillow's mode: ``RGB``, ``RGBA`` (opaque), ``L`` or ``I;16``.
        full_scale: the value of 1 in mode ``I;16``.
    """
    if mode == "I;16":
        return png_bytes(Image.fromarray(np.rint(pixels * full_scale).astype(np.uint16)))
    image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    if mode == "RGBA":
        image.putalpha(255)
    return png_bytes(image)


def png_bytes(image: Image.Image) -> bytes:
    """Encode the image as a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()
