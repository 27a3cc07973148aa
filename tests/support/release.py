"""Small data in the release's columns, written by hand: the tests' own idea of the release."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NONE = "none of the above"
# kind: (question as released, some options, caption template of set 0, of set 1)
KINDS = {
    "domain": (
        "What is the most likely field of study this micrograph would be used for?",
        ["pathology", "radiology", "biology", "cytology", "dermatology"],
        "A {class} micrograph.",
        "An image for {class}.",
    ),
    "subdomain": (
        "What is the most likely subfield of study this micrograph would be used for?",
        ["hematopathology", "cardiovascular pathology", "cell biology"],
        "A micrograph of {class}.",
        "A {class} image.",
    ),
    "modality": (
        "What is the most likely microscopy modality used to acquire this image?",
        ["fluorescence microscopy", "electron microscopy", "light microscopy"],
        "A micrograph acquired through {class}.",
        "Acquired by {class}.",
    ),
    "submodality": (
        "What is the most likely microscopy submodality used to acquire this image?",
        ["mixed", "darkfield microscopy", "brightfield microscopy"],
        "A {class} picture.",
        "Taken with {class}.",
    ),
    "stain": (
        "What is the most likely technique used to stain this micrograph?",
        ["H&E", "PAS", "IHC(HDab)"],
        "Stained with {class}.",
        "A {class} stain.",
    ),
    "classification": ("What is shown?", ["left", "right"], "A cell facing {class}.", "The {class} side."),
}


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def question(kind: str, answer_idx: int) -> dict[str, Any]:
    text, options, _, _ = KINDS[kind]
    options = [*options, NONE]
    return {
        "id": str(uuid.UUID(int=answer_idx)),
        "name": kind,
        "tags": None,
        "question": text,
        "options": options,
        "answer": options[answer_idx],
        "answer_idx": answer_idx,
    }


def caption(kind: str, number: int, answer_idx: int) -> dict[str, Any]:
    _, options, *templates = KINDS[kind]
    template = templates[number]
    return {
        "question": template,
        "answer_idx": str(answer_idx),
        "options": [*(template.replace("{class}", option) for option in options), NONE],
    }


def row(index: int, dataset: str | None = "acevedo_et_al_2020", **changes: Any) -> dict[str, Any]:
    """Row ``index``: answers run through the options, the image is one colour of its own."""
    answers = {kind: index % len(options) for kind, (_, options, _, _) in KINDS.items()}
    shade = np.full((24, 32, 3), (index * 37 % 256, index * 91 % 256, index * 53 % 256), dtype=np.uint8)
    made = {
        "image_id": str(uuid.UUID(int=index)),
        "image": {"bytes": png(shade), "path": None},
        "label": index,
        "label_name": "left",
        "dataset": dataset,
        "domain": "pathology",
        "institution": "none",
        "license": "CC0-1.0",
        "microns_per_pixel": 0.5,
        "modality": "light microscopy",
        "ncbitaxon_id": "NCBITaxon_9606",
        "ncbitaxon_name": "Homo sapiens",
        "pmid": None,
        "split": "test",
        "stain": "H&E",
        "subdomain": "hematopathology",
        "submodality": "brightfield microscopy",
        "synthetic": False,
        "questions": {kind: question(kind, answer) for kind, answer in answers.items()},
        "captions": {
            f"{kind}_{number}": caption(kind, number, answer) for kind, answer in answers.items() for number in (0, 1)
        },
        "bbox": None,
        "polygon": None,
    }
    return made | changes


def instance(class_name: str | None, points: Any) -> dict[str, Any]:
    """One entry of ``polygon`` or ``bbox``."""
    return {"className": class_name, "points": points}


def table(rows: list[dict[str, Any]], **column_types: Any):
    """The rows as a ``datasets.Dataset`` with the release's column types, but for those given here."""
    import datasets
    import pyarrow as pa

    from microbench_tasks.catalog.release_columns import release_features

    known = release_features() | column_types
    features = datasets.Features({name: known[name] for name in rows[0]})
    # The fingerprint that `from_list` computes takes most of its time.
    return datasets.Dataset(
        pa.Table.from_pylist(rows, schema=features.arrow_schema),
        info=datasets.DatasetInfo(features=features),
        split=datasets.Split.TEST,
        fingerprint=hashlib.sha256(repr(rows).encode()).hexdigest()[:16],
    )


def write_parquet(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table(rows).to_parquet(folder / "test-00000-of-00001.parquet")
    return folder


def cognition_question(answer_idx: int = 0, **changes: Any) -> dict[str, Any]:
    """A question with six options, the last of them "None of the above", in the evaluation code's form."""
    options = ["actin", "tubulin", "collagen", "keratin", "lamin", "None of the above"]
    return {"question": "Which protein is stained?", "options": options, "answer": options[answer_idx]} | changes


def write_cognition(folder: Path, asked: dict[str, list[dict[str, Any]]]) -> Path:
    """Write a split in the evaluation code's layout: the questions of each image, and images of different shades."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (image, questions) in enumerate(asked.items()):
        (folder / image).write_bytes(png(np.full((20, 30 + number, 3), 40 * number, dtype=np.uint8)))
        fields = {
            "domain": "biology",
            "microns_per_pixel": 0.1,
            "questions": {f"cognition_{index}": question for index, question in enumerate(questions)},
        }
        (folder / image).with_suffix(".json").write_text(
            json.dumps({"metadata": {"name": image}, "custom_metadata": fields})
        )
    return folder
