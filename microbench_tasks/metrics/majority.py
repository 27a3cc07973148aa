"""Majority answer: the accuracy of a model that never looks at an image, but knows which answers are frequent."""

from __future__ import annotations

import collections
from collections.abc import Hashable, Sequence

import numpy as np


def majority_accuracy(
    kinds: Sequence[Hashable], options: Sequence[Sequence[str]], right_answers: Sequence[str]
) -> float:
    """Compute the accuracy of the best constant answer to each kind of question, without an image.

    A constant answer is either an option's text (of the options offered, the one that is most often right) or a letter
    (always the same place among the options). Of each kind the better of the two counts.

    A score below it is no sign that a model looks at the images. Chance, the mean of 1 / number of options, is lower
    wherever some answers are right more often than others.

    Args:
        kinds: shape (n,), the kind of each question; how often an answer is right is counted for each kind by itself.
        options: of each question the texts of its options, in the order in which they are asked.
        right_answers: shape (n,), the text of the right option of each question.

    Returns:
        From 0 to 1; NaN without a question. Of texts that are right equally often, the alphabet's first is given.

    Raises:
        ValueError: the arguments are not equally long, or a right answer is not among its options.

    Two of three stains are right with H&E, and the one domain with biology:

    >>> stains, domains = ["H&E", "PAS"], ["biology", "pathology"]
    >>> majority_accuracy(["stain"] * 3 + ["domain"], [stains] * 3 + [domains], ["H&E", "PAS", "H&E", "biology"])
    0.75
    """
    if not len(kinds) == len(options) == len(right_answers):
        numbers = f"{len(kinds)} kinds, {len(options)} lists of options and {len(right_answers)} answers"
        raise ValueError(f"Expected a kind, options and a right answer for each question, got {numbers}.")
    if not len(kinds):
        return np.nan
    by_kind: dict[Hashable, list[tuple[Sequence[str], str]]] = collections.defaultdict(list)
    for kind, offered, right in zip(kinds, options, right_answers):
        by_kind[kind].append((offered, right))
    return sum(max(_right_by_text(asked), _right_by_place(asked)) for asked in by_kind.values()) / len(kinds)


def _right_by_text(asked: Sequence[tuple[Sequence[str], str]]) -> int:
    counts = collections.Counter(right for _, right in asked)
    return sum(right == min(offered, key=lambda text: (-counts[text], text)) for offered, right in asked)


def _right_by_place(asked: Sequence[tuple[Sequence[str], str]]) -> int:
    return max(collections.Counter(list(offered).index(right) for offered, right in asked).values())
