"""Majority answer: the accuracy of a model that never looks at an image, but knows which answers are frequent."""

from __future__ import annotations

import collections
from collections.abc import Hashable, Sequence

import numpy as np


def majority_accuracy(
    kinds: Sequence[Hashable], options: Sequence[Sequence[str]], right_answers: Sequence[str]
) -> float:
    """Compute the accuracy of the best constant answer to each kind of question, without an image.

    A constant answer is either an option's text, which is wrong where it is not offered, or a letter: always the same
    place among the options. Of each kind the best one counts.

    A score below it is no sign that a model looks at the images. Chance, the mean of 1 / number of options, is lower
    wherever some answers are right more often than others.

    Args:
        kinds: shape (n,), the kind of each question; how often an answer is right is counted for each kind by itself.
        options: of each question the texts of its options, in the order in which they are asked.
        right_answers: shape (n,), the text of the right option of each question.

    Returns:
        From 0 to 1; NaN without a question.

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
    # Of each kind how often each text, and each place, is right.
    counts: dict[Hashable, collections.Counter[str | int]] = collections.defaultdict(collections.Counter)
    for kind, offered, right in zip(kinds, options, right_answers):
        counts[kind].update((right, list(offered).index(right)))
    return sum(max(of_kind.values()) for of_kind in counts.values()) / len(kinds)
