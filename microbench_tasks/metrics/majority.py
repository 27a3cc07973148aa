"""Majority answer: the accuracy of a model that never looks at an image, but knows which answers are frequent."""

from __future__ import annotations

import collections
from collections.abc import Hashable, Sequence

import numpy as np


def majority_accuracy(
    kinds: Sequence[Hashable], options: Sequence[Sequence[str]], right_answers: Sequence[str]
) -> float:
    """Compute the accuracy of always giving, of the options offered, the one that is most often right.

    A score below it is no sign that a model looks at the images. Chance, the mean of 1 / number of options, is lower
    wherever some answers are right more often than others.

    Args:
        kinds: shape (n,), the kind of each question; how often an answer is right is counted for each kind by itself.
        options: of each question the texts of its options.
        right_answers: shape (n,), the text of the right option of each question.

    Returns:
        From 0 to 1; NaN without a question. Of options that are right equally often, the alphabet's first is given.

    Raises:
        ValueError: the arguments are not equally long.

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
    counts: dict[Hashable, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for kind, answer in zip(kinds, right_answers):
        counts[kind][answer] += 1
    given = (min(offered, key=lambda text: (-counts[kind][text], text)) for kind, offered in zip(kinds, options))
    return sum(answer == right for answer, right in zip(given, right_answers)) / len(kinds)
