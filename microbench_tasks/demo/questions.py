"""Make the questions and captions for one image: options, gold answer, filled templates."""

from __future__ import annotations

import collections
import functools
from uuid import UUID

import numpy as np
from numpy.random import Generator

from microbench_tasks.catalog.questions import (
    CAPTION_SETS,
    CLASSIFICATION_KIND,
    COARSE_KINDS,
    QUESTION_KINDS,
    caption_key,
)
from microbench_tasks.demo.dataset_table import DATASETS
from microbench_tasks.demo.specs import DemoDataset, Setting

NONE_OPTION = "none of the above"
# With "none of the above" at most eight options, the letters A to H.
MAX_CLASSES_ASKED = 7

QUESTIONS = {
    "domain": "What is the most likely field of study this micrograph would be used for?",
    "subdomain": "What is the most likely subfield of study this micrograph would be used for?",
    "modality": "What is the most likely microscopy modality used to acquire this image?",
    "submodality": "What is the most likely microscopy submodality used to acquire this image?",
    "stain": "What is the most likely technique used to stain this micrograph?",
}

CAPTIONS = {
    "domain": ("A micrograph used in {class}.", "A microscopy image from the field of {class}."),
    "subdomain": ("A micrograph used in {class}.", "A microscopy image from the subfield of {class}."),
    "modality": ("A micrograph acquired through {class}.", "An image obtained with {class}."),
    "submodality": ("A micrograph acquired through {class}.", "An image obtained with {class}."),
    "stain": ("A micrograph stained with {class}.", "A microscopy image prepared with {class}."),
}

# The largest number of options of a question, the last one included.
NUM_OPTIONS = {"domain": 6, "subdomain": 6, "modality": 4, "submodality": 6, "stain": 6}

# Offered in addition to the domains that occur, and never right, as in the release.
MORE_DOMAINS = ("radiology", "dermatology")
# Never offered in the same question: they cannot be told apart by an image.
INDISTINCT = (frozenset({"May-Grunwald-Giemsa", "Wright-Giemsa"}),)


@functools.cache
def answer_counts(kind: str) -> dict[str, int]:
    """Count how often each answer to ``kind`` is right in the set of default size."""
    counts: collections.Counter[str] = collections.Counter()
    for dataset in DATASETS:
        if dataset.classes and (kind != "stain" or dataset.asks_stain):
            counts[getattr(dataset.setting, kind)] += dataset.default_rows
    return dict(counts)


def coarse_options(rng: Generator, kind: str, setting: Setting) -> list[str]:
    """Return the answer and distractors, shuffled, then "none of the above".

    Distractors are answers to other images, drawn in proportion to their frequency. With other words or even
    chances, the right option could be guessed without the image.
    """
    answer = getattr(setting, kind)
    counts = {
        option: count
        for option, count in answer_counts(kind).items()
        if option != answer and {option, answer} not in INDISTINCT
    }
    shares = np.array(list(counts.values())) / sum(counts.values())
    wanted = min(NUM_OPTIONS[kind] - 2, len(counts))
    sampled = rng.choice(list(counts), wanted, replace=False, p=shares)
    more = MORE_DOMAINS if kind == "domain" else ()
    return [*map(str, rng.permutation([answer, *sampled, *more])), NONE_OPTION]


def class_options(rng: Generator, classes: tuple[str, ...], answer: str) -> list[str]:
    """Return at most seven classes with the answer, in their fixed order, then "none of the above"."""
    others = [name for name in classes if name != answer]
    asked = {answer, *map(str, rng.permutation(others)[: MAX_CLASSES_ASKED - 1])}
    return [*(name for name in classes if name in asked), NONE_OPTION]


def question_struct(rng: Generator, kind: str, text: str, options: list[str], answer: str) -> dict:
    """Return one entry of the ``questions`` column."""
    return {
        "id": str(UUID(bytes=rng.bytes(16), version=4)),
        "name": kind,
        "tags": None,
        "question": text,
        "options": options,
        "answer": answer,
        "answer_idx": options.index(answer),
    }


def caption_struct(template: str, question: dict) -> dict:
    """Return one entry of the ``captions`` column: the question's options, in its order, as sentences."""
    sentences = [
        option if option == NONE_OPTION else template.replace("{class}", option) for option in question["options"]
    ]
    return {"question": template, "options": sentences, "answer_idx": str(question["answer_idx"])}


def ask(rng: Generator, dataset: DemoDataset, label: str | None) -> dict[str, dict | None]:
    """Return the six questions of an image; None where the dataset has none of that kind."""
    asked: dict[str, dict | None] = {CLASSIFICATION_KIND: None}
    if label is not None:
        options = class_options(rng, dataset.classes, label)
        asked[CLASSIFICATION_KIND] = question_struct(rng, CLASSIFICATION_KIND, dataset.question, options, label)
    for kind in COARSE_KINDS:
        options = coarse_options(rng, kind, dataset.setting)
        asked[kind] = question_struct(rng, kind, QUESTIONS[kind], options, getattr(dataset.setting, kind))
    if not dataset.asks_stain:
        # The release writes a missing question in two ways: no struct, or a struct of nulls.
        asked["stain"] = None if rng.random() < 0.5 else dict.fromkeys(asked["stain"] or ())
    return asked


def caption(dataset: DemoDataset, asked: dict[str, dict | None]) -> dict[str, dict | None]:
    """Return the twelve captions that belong to the questions; None where there is no question."""
    captions: dict[str, dict | None] = {}
    for kind in QUESTION_KINDS:
        templates = dataset.captions if kind == CLASSIFICATION_KIND else CAPTIONS[kind]
        for number in CAPTION_SETS:
            question = asked[kind]
            captions[caption_key(kind, number)] = (
                None
                if question is None or question["question"] is None
                else caption_struct(templates[number], question)
            )
    return captions
