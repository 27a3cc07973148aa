"""The protocol in a second hand: what tests compare whole runs with. Shares no code with the package."""

from __future__ import annotations

import collections
import io
import json
import zlib

import numpy as np
import pyarrow.parquet as pq
import torch
from lmms_eval.api.model import lmms
from PIL import Image
from scipy.optimize import linear_sum_assignment

KINDS = ("domain", "subdomain", "modality", "submodality", "stain")
LETTERS = "ABCDEFGH"
BOXES_ONLY = ("opencell", "sirinukunwattana_et_al_2016")
# The protocol's table of fine-grained tasks, by hand.
FINE = {
    "white_blood_cell": ["acevedo_et_al_2020", "jung_et_al_2022"],
    "cell_morphology": ["burgess_et_al_2024_contour", "burgess_et_al_2024_eccentricity", "burgess_et_al_2024_texture"],
    "em_structures": ["empiar_sbfsem"],
    "colocalization": ["colocalization_benchmark"],
    "cell_cycle": [
        "eulenberg_et_al_2017_brightfield",
        "eulenberg_et_al_2017_darkfield",
        "eulenberg_et_al_2017_epifluorescence",
    ],
    "cell_phenotype": ["held_et_al_2010_h2b", "held_et_al_2010_galt"],
    "pap_smear": ["hussain_et_al_2019"],
    "pollen": ["icpr2020_pollen"],
    "colorectal_tissue": ["kather_et_al_2016", "kather_et_al_2018", "kather_et_al_2018_val7k"],
    "heart_failure": ["nirschl_et_al_2018"],
    "fluorescent_structures": ["nirschl_unpub_fluorescence"],
    "amyloid": ["tang_et_al_2019", "wong_et_al_2022"],
    "mitochondria": ["wu_et_al_2023"],
}
OUTSIDE = ("eulenberg_et_al_2017_darkfield", "eulenberg_et_al_2017_epifluorescence")
BOXES = {
    "synthetic_cells": FINE["cell_morphology"],
    "h2b_nuclei": ["held_et_al_2010_h2b"],
    "opencell_nuclei": ["opencell"],
    "mitochondria": ["wu_et_al_2023"],
    "glands": ["sirinukunwattana_et_al_2016"],
}
STAINS = {"H2B-mCherry": "held_et_al_2010_h2b", "GalT–EGFP": "held_et_al_2010_galt"}
READABLE = {"held_et_al_2010_h2b": "nucleus", "wu_et_al_2023": "mitochondria"}


class StandIn(lmms):
    """Answers by a function of prompt and image, and keeps what it was asked and shown."""

    def __init__(self, answer):
        super().__init__()
        self.device = torch.device("cpu")
        self.answer = answer
        self.asked = collections.defaultdict(list)

    def generate_until(self, requests):
        responses = []
        for request in requests:
            context, _, doc_to_visual, doc_id, task, split = request.args
            [image] = doc_to_visual(self.task_dict[task][split][doc_id])
            self.asked[task].append((context, image))
            responses.append(self.answer(context, image))
        return responses

    def loglikelihood(self, requests):
        raise AssertionError("nothing of ours asks for this")

    generate_until_multi_round = loglikelihood


def raw_rows(folder):
    """The stored rows as Arrow reads them, without our code."""
    return [row for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def raw_questions(rows, kind):
    """(row, question) by the release's description: two datasets left out, nulls absent."""
    pairs = ((row, (row["questions"] or {}).get(kind)) for row in rows if row["dataset"] not in BOXES_ONLY)
    return [(row, question) for row, question in pairs if question is not None and question["question"] is not None]


def protocol_prompt(question):
    """Section by section as the protocol words it, not by our function."""
    text = "Answer with a single letter, no extra details." + "\n" + "Question:" + question["question"] + "\n"
    return text + "\n".join(LETTERS[number] + ") " + option for number, option in enumerate(question["options"]))


def reply(prompt):
    """Right, wrong, empty and chatty answers, decided by the prompt alone."""
    lines = prompt.split("\n")[2:]
    choice = zlib.crc32(prompt.encode()) % (len(lines) + 3)
    if choice < len(lines):
        return lines[choice] if choice % 2 else lines[choice][0]
    return ["", "The answer is " + lines[0][0], "I think " + lines[1]][choice - len(lines)]


def protocol_score(response, question):
    gold = question["answer_idx"]
    lettered = LETTERS[gold] + ") " + question["options"][gold]
    return float(lettered in response or response[:1] == LETTERS[gold])


def dataset_of(row):
    return row["dataset"] or STAINS[row["stain"]]


def gold_boxes(row):
    """Class in words -> boxes, from the polygons."""
    found = collections.defaultdict(list)
    for polygon in row["polygon"] or []:
        xs, ys = polygon["points"][::2], polygon["points"][1::2]
        found[READABLE.get(dataset_of(row), polygon["className"])].append([min(xs), min(ys), max(xs), max(ys)])
    return found


def box_cases(rows, task):
    return [
        (row, name, boxes) for row in rows if dataset_of(row) in BOXES[task] for name, boxes in gold_boxes(row).items()
    ]


def neutral_prompt(name, size):
    return (
        f"Detect every {name} in this image. The image is {size[0]} pixels wide and {size[1]} pixels high. "
        "Answer with a JSON array only, with one object per instance: "
        '{"x1": left, "y1": top, "x2": right, "y2": bottom}, in pixels from the top left corner. Answer [] if '
        "there is none."
    )


def box_reply(prompt, image):
    """Boxes, none, prose, broken and doubled boxes, decided by prompt and pixels: (text, boxes that it states)."""
    rng = np.random.default_rng([zlib.crc32(prompt.encode()), zlib.crc32(image.tobytes())])
    corners = [
        [float(value) for value in np.round(np.concatenate([start, start + rng.uniform(5, 90, 2)]), 1)]
        for start in rng.uniform(0, 60, (rng.integers(1, 5), 2))
    ]
    kind = rng.integers(6)
    if kind == 0:
        return "[]", []
    if kind == 1:
        return "I see nothing of the kind.", []
    if kind == 2:
        corners.append(corners[0])
    if kind == 3:
        corners[0] = [corners[0][2], corners[0][1], corners[0][0], corners[0][3]]
    text = json.dumps([dict(zip(("x1", "y1", "x2", "y2"), box, strict=False)) for box in corners])
    return (f"```json\n{text}\n```" if kind == 4 else text), corners


def grit(predicted, gold):
    """The published score, box by box."""
    if not predicted or not gold:
        return float(len(predicted) == len(gold))

    def area(box):
        return (box[2] - box[0]) * (box[3] - box[1]) if box[2] > box[0] and box[3] > box[1] else 0.0

    def iou(one, other):
        width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
        if width <= 0 or height <= 0 or not area(one) or not area(other):
            return 0.0
        return width * height / (area(one) + area(other) - width * height + 1e-6)

    ious = np.array([[iou(one, other) for other in gold] for one in predicted])
    matched = [value for value in ious[linear_sum_assignment(1 - ious)] if value > 0]
    return sum(matched) / (len(predicted) + len(gold) - len(matched))


def shown(row):
    """The pixels of a stored image as a model must see them: 8-bit RGB, deeper grayscale scaled to its maximum."""
    raw = Image.open(io.BytesIO(row["image"]["bytes"]))
    if not raw.mode.startswith("I"):
        return np.asarray(raw.convert("RGB"))
    values = np.asarray(raw).astype(float)
    return np.stack([np.rint(values * 255 / max(values.max(), 255)).astype(np.uint8)] * 3, axis=2)
