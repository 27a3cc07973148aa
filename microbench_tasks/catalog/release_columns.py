"""Name the columns of the Micro-Bench release and their types.

Source: the release ``jnirschl/uBench`` (config ``perception``, split ``test``) and public code that reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from microbench_tasks.catalog.questions import CAPTION_SETS, QUESTION_KINDS, caption_key

if TYPE_CHECKING:
    import datasets

STRING_COLUMNS = (
    "image_id",
    "label_name",
    "dataset",
    "domain",
    "institution",
    "license",
    "modality",
    "ncbitaxon_id",
    "ncbitaxon_name",
    "pmid",
    "split",
    "stain",
    "subdomain",
    "submodality",
)
IMAGE = "image"
# What every task needs, and what questions need as well. A local copy may lack the release's other columns.
IMAGE_COLUMNS = ("image_id", IMAGE, "dataset", "stain")
QUESTION_COLUMNS = ("questions", "captions")
# Where the instances of a class in an image are. One of the two columns suffices.
INSTANCE_COLUMNS = ("polygon", "bbox")
# What a micrograph shows, how it was taken and at which scale. A copy may lack these columns.
SLICE_COLUMNS = ("modality", "domain", "microns_per_pixel")
# All columns that are read.
READ_COLUMNS = (*IMAGE_COLUMNS, *QUESTION_COLUMNS, *INSTANCE_COLUMNS, *SLICE_COLUMNS)
QUESTION_FIELDS = ("question", "options", "answer", "answer_idx")
CAPTION_FIELDS = ("options", "answer_idx")

# Rows of Held et al. carry no dataset name; their stain tells them apart (the second with
# an en dash, as released).
DATASET_OF_STAIN = {
    "H2B-mCherry": "held_et_al_2010_h2b",
    "GalT\N{EN DASH}EGFP": "held_et_al_2010_galt",
}


def release_features() -> datasets.Features:
    """Return the release's columns as ``datasets.Features``.

    Two types are not fixed by public documentation: ``bbox.points`` is the mapping
    ``{x1, x2, y1, y2}`` of the upstream annotations, ``tags`` (always null) a string.
    """
    from datasets import Features, Image, Value

    question = {
        "id": Value("string"),
        "name": Value("string"),
        "tags": Value("string"),
        "question": Value("string"),
        "options": [Value("string")],
        "answer": Value("string"),
        "answer_idx": Value("int64"),
    }
    # The release stores the index of a caption's answer as text.
    caption = {"question": Value("string"), "options": [Value("string")], "answer_idx": Value("string")}
    box = {side: Value("float64") for side in ("x1", "x2", "y1", "y2")}
    return Features(
        {name: Value("string") for name in STRING_COLUMNS}
        | {
            "image": Image(),
            "label": Value("int64"),
            "microns_per_pixel": Value("float64"),
            "synthetic": Value("bool"),
            "captions": {caption_key(kind, number): caption for kind in QUESTION_KINDS for number in CAPTION_SETS},
            "questions": {kind: question for kind in QUESTION_KINDS},
            "bbox": [{"className": Value("string"), "points": box}],
            "polygon": [{"className": Value("string"), "points": [Value("float64")]}],
        }
    )
