"""Variance components of repeated answers: between questions and within a question. Pure functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class VarianceComponents:
    """Hold the two sources of the variance of a score, in squared units of the score.

    Attributes:
        between: variance of the questions' expected scores. The estimate is unbiased, so it may come out below 0 where
            the questions do not differ.
        within: mean variance of the scores of one question, which decoding at random causes.
    """

    between: float
    within: float


def variance_components(scores: Sequence[ArrayLike]) -> VarianceComponents:
    """Estimate the variance between and within questions by one-way analysis of variance with random effects.

    With mean squares MSB between and MSW within questions, ``within`` is MSW, and ``between`` is (MSB - MSW) / n0, where
    n0 is the number of answers to each question (or their harmonic-like mean, if the numbers differ).

    Args:
        scores: of each question the scores of its answers, at least one each; finite.

    Returns:
        Unbiased estimates. NaN for ``within`` if no question has two answers, and for ``between`` if that is so or
        there are not two questions.

    Raises:
        ValueError: a question has no answer, or a score is not finite.

    Source: Searle, Casella and McCulloch, *Variance Components*, 1992, sections 3.6 (equal numbers) and 3.7.

    >>> variance_components([[1, 1], [0, 0], [1, 0], [0, 1]])
    VarianceComponents(between=0.0833..., within=0.25)
    """
    answers = [_checked(found, number) for number, found in enumerate(scores)]
    sizes = np.array([len(found) for found in answers], dtype=np.float64)
    total, num_questions = sizes.sum(), len(answers)
    if total == num_questions:
        return VarianceComponents(math.nan, math.nan)
    means = np.array([math.fsum(found) / len(found) for found in answers])
    residual = math.fsum(math.fsum((found - mean) ** 2) for found, mean in zip(answers, means))
    within = residual / (total - num_questions)
    if num_questions < 2:
        return VarianceComponents(math.nan, within)
    overall = math.fsum(sizes * means) / total
    mean_square = math.fsum(sizes * (means - overall) ** 2) / (num_questions - 1)
    num_answers = (total - math.fsum(sizes**2) / total) / (num_questions - 1)
    return VarianceComponents((mean_square - within) / num_answers, within)


def _checked(scores: ArrayLike, number: int) -> np.ndarray:
    found = np.asarray(scores, dtype=np.float64)
    if found.ndim != 1 or not found.size or not np.isfinite(found).all():
        raise ValueError(f"Expected finite scores of at least one answer to question {number}, got {found.tolist()}.")
    return found
