"""Choose and order the options of questions, so that no letter makes a class easy."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.data.own_datasets.description import CLASS_PLACEHOLDER

# Stays last, since the other options must stand above it.
_LAST = "none of the above"


@dataclass(frozen=True)
class Asked:
    """What a question offers, and the index of the right option."""

    options: list[str]
    answer_idx: int


def arrange(images: Iterable[tuple[str, str, tuple[str, ...]]]) -> list[Asked]:
    """Return the options of each image's question.

    Of more than eight candidates, the right one and seven others are offered. The images of a class take turns in the
    place of the right option, so a model that always answers the same letter is equally often right in each class, but
    for ``none of the above``, which stays last.
    Which others are offered, and their order, depend on the image alone.

    Args:
        images: id, right option and candidates of each image, in the order of the dataset.

    >>> [asked.options for asked in arrange([("0", "birch", ("birch", "hazel")), ("1", "birch", ("birch", "hazel"))])]
    [['birch', 'hazel'], ['hazel', 'birch']]
    """
    ranks: Counter[tuple[str, int]] = Counter()
    starts: dict[str, int] = {}
    arranged = []
    for image_id, right, candidates in images:
        # Each class starts at another letter, so that letters are also balanced among few images.
        others = _others(image_id, right, candidates)
        turn = starts.setdefault(right, len(starts)) + ranks[right, len(others)]
        ranks[right, len(others)] += 1
        arranged.append(_arrange_one(right, others, turn))
    return arranged


def caption(template: str, option: str) -> str:
    """Return the text of an option that contrastive models score, as the release has it."""
    return option if _is_last(option) else template.replace(CLASS_PLACEHOLDER, option)


def _others(image_id: str, right: str, candidates: tuple[str, ...]) -> list[str]:
    """Return the wrong options in the order of their hashes, at most seven."""
    wrong = (candidate for candidate in candidates if candidate != right)
    by_hash = sorted(wrong, key=lambda option: hashlib.sha256(f"{image_id}/{option}".encode()).digest())
    return by_hash[: len(LETTERS) - 1]


def _arrange_one(right: str, others: list[str], turn: int) -> Asked:
    moving = [option for option in others if not _is_last(option)]
    last = [option for option in others if _is_last(option)]
    if _is_last(right):
        last = [right]
    else:
        moving.insert(turn % (len(moving) + 1), right)
    options = moving + last
    return Asked(options, options.index(right))


def _is_last(option: str) -> bool:
    return option.strip().casefold() == _LAST
