"""What a reader of a ranking must know of its data."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.leaderboard.data import Data

_OF_DEMO = (
    "Demo data: drawn micrographs. These figures show that model, tasks and harness work together and say nothing "
    "about microscopy; they are not comparable with the paper's or with any on the release."
)


def caution(group: str, data: Data, images: Sequence[str]) -> str:
    """Say why figures on these data are not comparable with others; nothing of what may be the release.

    Args:
        group: a group or task of the leaderboard.
        data: that it was asked about.
        images: dataset and image id of each question.
    """
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
    """The release's numbers of boxes are known of two datasets only, where rows without a box are not asked about."""
    asked = collections.Counter(image.partition("/")[0] for image in set(images))
    fewer = [
        f"{asked[dataset]:,} of {dataset}, of which the release has {rows:,}"
        for dataset, rows in catalog.RELEASE_ROWS_OF_BOXES.items()
        if asked[dataset] != rows
    ]
    if not fewer:
        return ""
    return (
        "Stated to be the release, and perhaps not so: the answers are about other numbers of images "
        f"({'; '.join(fewer)}). Unless microbench verify finds them to be the release's, these figures are not "
        "comparable with any on it."
    )
