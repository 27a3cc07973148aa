"""Majority baseline: the accuracy of a model that ignores the images and knows which answers are frequent."""

from __future__ import annotations

import collections
from collections.abc import Hashable, Sequence

import numpy as np


def majority_accuracy(
    kinds: Sequence[Hashable], options: Sequence[Sequence[str]], right_answers: Sequence[str]
) -> float:
    """Compute the accuracy of the best constant answer to each kind of question, without an image.

    A constant answer is either the text of an option or a letter. A text is wrong for questions that do not offer it.
    A letter is always the same position among the options. For each kind, the best constant answer counts.

    A score below this baseline is no evidence that a model uses the images. Chance, the mean of 1 / number of options,
    is lower than the baseline if some answers are right more often than others.

    Args:
        kinds: shape (n,), the kind of each question; the best answer is chosen for each kind separately.
        options: for each question, the texts of its options, in the order in which they are asked.
        right_answers: shape (n,), the text of the right option of each question.

    Returns:
        From 0 to 1; NaN without questions.

    Raises:
        ValueError: the arguments have different lengths, or a right answer is not among its options.

    The constant answers H&E and biology are right for two of three stains and for the only domain:

    >>> stains, domains = ["H&E", "PAS"], ["biology", "pathology"]
    >>> majority_accuracy(["stain"] * 3 + ["domain"], [stains] * 3 + [domains], ["H&E", "PAS", "H&E", "biology"])
    0.75
    """
    if not len(kinds) == len(options) == len(right_answers):
        numbers = f"{len(kinds)} kinds, {len(options)} lists of options and {len(right_answers)} answers"
        raise ValueError(f"Expected a kind, options and a right answer for each question, got {numbers}.")
    if not len(kinds):
        return np.nan
    # For each kind, how often each text and each position is right.
    counts: dict[Hashable, collections.Counter[str | int]] = collections.defaultdict(collections.Counter)
    for kind, offered, right in zip(kinds, options, right_answers, strict=True):
        counts[kind].update((right, list(offered).index(right)))
    return sum(max(of_kind.values()) for of_kind in counts.values()) / len(kinds)
