"""Folders of real micrographs (tiles of those in scikit-image), as users have them, and the datasets made of them."""

from __future__ import annotations

import io
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from microbench_tasks.data.own_datasets import creation, request
from microbench_tasks.data.own_datasets.creation import NewDataset
from microbench_tasks.data.own_datasets.request import Request
from microbench_tasks.util.progress import no_progress

TILE = 64
GLAND, CELL = "colonic gland", "floating cell"
WORDS = {"question": "What is shown?", "captions": "A micrograph of a {class}."}


@cache
def _micrograph(class_name: str) -> np.ndarray:
    from skimage import data

    return data.immunohistochemistry() if class_name == GLAND else data.cell()


def tile(class_name: str, number: int) -> np.ndarray:
    """Return one of 48 tiles of 64 x 64 pixels; those of glands have three channels."""
    top, left = divmod(number, 8)
    return _micrograph(class_name)[top * TILE : (top + 1) * TILE, left * TILE : (left + 1) * TILE]


def save(pixels: np.ndarray, path: Path, **options: Any) -> Path:
    """Save pixels in the format of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def class_folders(root: Path, per_class: int = 3) -> Path:
    """Write a folder per class."""
    for class_name in (GLAND, CELL):
        for number in range(per_class):
            save(tile(class_name, number), root / class_name / f"{class_name} {number}.png")
    return root


def flat_folder(root: Path, per_class: int = 3) -> Path:
    """Write the images ``gland_0.png``, …, ``cell_0.png``, … into one folder."""
    for stem, class_name in (("gland", GLAND), ("cell", CELL)):
        for number in range(per_class):
            save(tile(class_name, number), root / f"{stem}_{number}.png")
    return root


LABELS = "\n".join(
    ["file,class", *(f"gland_{n}.png,{GLAND}" for n in range(3)), *(f"cell_{n}.png,{CELL}" for n in range(3)), ""]
)


def coco(**changes: Any) -> dict[str, Any]:
    """Return annotations of the images of `flat_folder`: one box in each image of a gland, two in that of a cell."""
    images = [
        {"id": 10 * kind + number, "file_name": f"{stem}_{number}.png", "width": TILE, "height": TILE}
        for kind, stem in enumerate(("gland", "cell"))
        for number in range(3)
    ]
    annotations = [
        {"id": 100 + number, "image_id": number, "category_id": 7, "bbox": [1, 2, 30, 40]} for number in range(3)
    ]
    annotations += [
        {"id": 200 + number, "image_id": 10 + number, "category_id": 3, "segmentation": [[5, 6, 25, 6, 25, 46.5]]}
        for number in range(3)
    ]
    annotations += [{"id": 300, "image_id": 10, "category_id": 3, "bbox": [0, 0, 64, 64]}]
    categories = [{"id": 7, "name": "gland"}, {"id": 3, "name": "cell"}, {"id": 9, "name": "never annotated"}]
    return {"images": images, "annotations": annotations, "categories": categories} | changes


def write_coco(path: Path, **changes: Any) -> Path:
    """Write the annotations of `coco`."""
    path.write_text(json.dumps(coco(**changes)))
    return path


def write_annotations(photos: Path, target: Path) -> None:
    """Write labels.csv, boxes.json and table.parquet about the images of `class_folders` into ``target``."""
    names = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    rows = [f"{name},{name.split('/')[0]},slide {number % 4}" for number, name in enumerate(names)]
    (target / "labels.csv").write_text("\n".join(["file,class,group", *rows, ""]))
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    boxes = [
        {"id": number, "image_id": number, "category_id": 1, "bbox": [8, 8, 40, 30]} for number in range(len(names))
    ]
    write_coco(target / "boxes.json", images=images, annotations=boxes, categories=[{"id": 1, "name": "nucleus"}])
    table = pa.table(
        {
            "img": [(photos / name).read_bytes() for name in names],
            "label": [name.split("/")[0] for name in names],
            "slide": [number % 4 for number in range(len(names))],
        }
    )
    pq.write_table(table, target / "table.parquet")


def wanted(out: Path, **options: Any) -> Request:
    """Return a request that states what every dataset of questions needs."""
    return Request(**{"name": "mine", "out": out, **({} if "coco" in options else WORDS), **options})


def read(asked: Request, workspace: Path) -> NewDataset:
    """Check a request, and read all that it names."""
    request.check(asked)
    return creation.read(asked, workspace, no_progress)


def make(out: Path, **options: Any) -> list[dict[str, Any]]:
    """Make a dataset and return its rows."""
    with tempfile.TemporaryDirectory() as workspace:
        read(wanted(out, **options), Path(workspace)).write()
    return rows(out)


def rows(out: Path) -> list[dict[str, Any]]:
    """Return the rows of a dataset as pyarrow reads them."""
    return pq.read_table(out / "data" / "test-00000-of-00001.parquet").to_pylist()


def pixels(row: dict[str, Any]) -> np.ndarray:
    """Return the pixels of a row's image as Pillow reads them."""
    return np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
