"""Questions about drawn images for contrastive adapters, without a harness run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from lmms_eval.api.instance import Instance
from PIL import Image

OPTIONS = [
    [
        "A micrograph acquired through light microscopy.",
        "A micrograph acquired through electron microscopy.",
        "A micrograph of none of the above.",
    ],
    ["a tissue", "h&e stained tissue, brightfield", "a phase contrast image of a cell", "an image of a cell"],
]
COUNT = 24


def images(count=COUNT):
    """RGB images that differ in colour, texture and shape."""
    rng = np.random.default_rng(3)
    found = []
    for index in range(count):
        height, width = (60, 90) if index % 3 else (80, 80)
        y, x = np.mgrid[:height, :width]
        waves = np.sin(x[..., None] / rng.uniform(2, 30, 3) + y[..., None] / rng.uniform(2, 30, 3))
        pixels = 127 + 60 * waves + rng.uniform(-60, 60, 3)
        found.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    return found


class Captions:
    """What the request loop uses of a harness task: 24 images, two questions about each.

    Args:
        has_keys: whether the task says which images are the same.
    """

    name = "captions"

    def __init__(self, has_keys=False):
        self.images = images()
        docs = [{"image": image, "options": options} for image in range(COUNT) for options in OPTIONS]
        self.dataset = {"test": docs}
        self.dataset_no_image = {"test": Columns(docs)}

        def choices(doc):
            return doc["options"]

        choices.wants_probabilities = True

        def show(doc):
            return [self.images[doc["image"]]]

        if has_keys:
            show.image_key = lambda doc: doc["image"]
        self.config = SimpleNamespace(doc_to_choice=choices, doc_to_visual=show)

    def doc_to_visual(self, doc):
        return self.config.doc_to_visual(doc)

    def doc_to_choice(self, doc):
        return self.config.doc_to_choice(doc)

    def requests(self):
        return [
            Instance(
                "generate_until",
                ("", {}, self.doc_to_visual, doc_id, self.name, "test"),
                0,
                {"task": self.name, "doc_id": doc_id, "repeats": 1},
            )
            for doc_id in range(len(self.dataset["test"]))
        ]

    def shares(self, probabilities_of):
        """For each document what ``probabilities_of(image, texts)`` gives."""
        return [list(probabilities_of(self.images[doc["image"]], doc["options"])) for doc in self.dataset["test"]]


class Columns:
    """A split as ``datasets`` hands out a selection: a list per column."""

    def __init__(self, docs):
        self.docs = docs

    def __getitem__(self, indices):
        return {name: [self.docs[index][name] for index in indices] for name in self.docs[0]}


def letters(answers):
    return [answer.split("\n")[0] for answer in answers]


def assert_agree(answers, expected, abs=1e-5):
    """Letters equal, probabilities within ``abs``; and the questions do not all have one answer."""
    assert letters(answers) == ["ABCD"[int(np.argmax(shares))] for shares in expected]
    for answer, shares in zip(answers, expected, strict=True):
        assert list(json.loads(answer.split("\n")[1])["probabilities"].values()) == pytest.approx(shares, abs=abs)
    assert len(set(letters(answers))) >= 2
