"""Variance components of repeated answers: between questions and within a question."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class VarianceComponents:
    """Hold the two sources of the variance of a score, in squared units of the score.

    Attributes:
        between: variance of the questions' expected scores. The estimate is unbiased, so it may be below 0 if the
            questions hardly differ.
        within: mean variance of the scores of one question, caused by sampling during decoding.
    """

    between: float
    within: float


def variance_components(scores: Sequence[Sequence[float]]) -> VarianceComponents:
    """Estimate the variance between and within questions by one-way analysis of variance with random effects.

    With mean squares MSB between and MSW within questions, ``within`` is MSW and ``between`` is (MSB - MSW) / n0. If
    all questions have the same number of answers, n0 is that number.

    Args:
        scores: for each question, the scores of its answers, at least one each; finite.

    Returns:
        Unbiased estimates. Both are NaN if no question has two answers. ``between`` is also NaN for fewer than two
        questions.

    Raises:
        ValueError: a question has no answer, or a score is not finite.

    Source: Searle, Casella and McCulloch, *Variance Components*, 1992, sections 3.6 (equal numbers) and 3.7.

    >>> variance_components([[1, 1], [0, 0], [1, 0], [0, 1]]).within
    0.25
    """
    sizes = np.fromiter(map(len, scores), dtype=np.int64)
    answers = _validate(scores, sizes)
    num_answers, num_questions = len(answers), len(sizes)
    if num_answers == num_questions:
        return VarianceComponents(math.nan, math.nan)
    means = np.add.reduceat(answers, np.cumsum(sizes) - sizes) / sizes
    # fsum is exact, so that the result does not depend on the order of questions.
    within = math.fsum((answers - np.repeat(means, sizes)) ** 2) / (num_answers - num_questions)
    if num_questions < 2:
        return VarianceComponents(math.nan, within)
    overall = math.fsum(sizes * means) / num_answers
    mean_square = math.fsum(sizes * (means - overall) ** 2) / (num_questions - 1)
    answers_each = (num_answers - math.fsum(sizes**2) / num_answers) / (num_questions - 1)
    return VarianceComponents((mean_square - within) / answers_each, within)


def _validate(scores: Sequence[Sequence[float]], sizes: np.ndarray) -> np.ndarray:
    """Return all scores in one array, shape (answers,), after validating them."""
    invalid = np.flatnonzero(sizes == 0)
    answers = np.fromiter(itertools.chain.from_iterable(scores), dtype=np.float64)
    if not len(invalid):
        invalid = np.repeat(np.arange(len(sizes)), sizes)[~np.isfinite(answers)]
    if len(invalid):
        raise ValueError(
            f"Expected finite scores of at least one answer to question {invalid[0]}, got {scores[invalid[0]]}."
        )
    return answers
