"""Warn readers of a ranking whose scores are not comparable with others because of its data."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.leaderboard.data import Data

_OF_DEMO = (
    "Demo data: synthetic micrographs. These figures show that model, tasks and harness work together and say nothing "
    "about microscopy; they are not comparable with the paper's or with any on the release."
)


def caution(group: str, data: Data, images: Sequence[str]) -> str:
    """Say why scores on these data are not comparable with others; return an empty text for the release.

    Args:
        group: a group or task of the leaderboard.
        data: the data of its questions.
        images: dataset and image id of each question.
    """
    if data.kind == "own":
        return (
            f"Own data, no part of the benchmark ({data.shown()}): these figures are comparable only with each other."
        )
    if data.kind == "demo":
        return _OF_DEMO
    if data.kind == "release":
        return _of_release_boxes(images) if group == catalog.LOCALIZATION_GROUP else ""
    if group != catalog.COGNITION_TASK:
        return (
            f"Local data, not the release ({data.shown()}): these figures are not comparable with the paper's "
            "or with any on other data."
        )
    return (
        f"Local data ({data.shown()}): the cognition questions are not public, and nothing here shows that these are "
        f"the paper's ({catalog.PAPER_COGNITION_QUESTIONS} about {catalog.PAPER_COGNITION_IMAGES} images; here are "
        f"{len(images):,} about {len(set(images)):,}). Unless you know that they are, these figures are not comparable "
        "with the paper's or with any on other data."
    )


def _of_release_boxes(images: Sequence[str]) -> str:
    """Warn if a dataset has another number of images than the release; only the datasets of the catalog are checked."""
    asked = collections.Counter(image.partition("/")[0] for image in set(images))
    fewer = [
        f"{asked[dataset]:,} of {dataset}, of which the release has {rows:,}"
        for dataset, rows in catalog.RELEASE_ROWS_OF_BOXES.items()
        if asked[dataset] != rows
    ]
    if not fewer:
        return ""
    return (
        "These submissions state the release as their data, but their numbers of images differ from it "
        f"({'; '.join(fewer)}). Check them with microbench verify. Unless it confirms the release, these figures are "
        "not comparable with any on the release."
    )
