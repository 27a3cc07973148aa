"""Validate the scores of several models on the same questions, weight them, and add them up by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# Tests round the sum of an image to multiples of 1 / 360. So 0/1 scores and means of up to six answers stay exact.
UNITS_PER_QUESTION = 360


@dataclass(frozen=True)
class PairedScores:
    """Hold the scores of k models on n questions about m images, in a canonical order of models and images.

    The order depends on the scores alone. So results do not depend on the order of models, questions and images in
    the input, nor on names.

    Attributes:
        order: shape (k,): index of each model in the input.
        sums: shape (m, k): weighted sum of scores for each image and model; weights have the mean 1.
        whole: ``sums`` as integers, in units of 1 / `UNITS_PER_QUESTION` or a multiple of it.
        sizes: shape (m,): sum of the weights of each image's questions.
        correlation: shape (k, k): Pearson correlation of scores over questions; NaN for constant scores.
        effective_questions: effective number of equally weighted questions (Kish).
    """

    order: np.ndarray
    sums: np.ndarray
    whole: np.ndarray
    sizes: np.ndarray
    correlation: np.ndarray
    effective_questions: float

    @classmethod
    def of(cls, scores: ArrayLike, clusters: ArrayLike, weights: ArrayLike | None) -> PairedScores:
        """Validate scores, shape (k, n), labels of images and weights, each of shape (n,), and add them up by image.

        Raises:
            ValueError: shapes differ, a score is not from 0 to 1, or a weight is not above 0.
        """
        values, images, weight = _validate(scores, clusters, weights)
        weight = weight * (weight.size / weight.sum())
        sums, sizes = _sum_by_image(values * weight, images), _sum_by_image(weight[None], images)[:, 0]
        whole = np.rint(sums * UNITS_PER_QUESTION).astype(np.int64)
        whole //= max(1, int(np.gcd.reduce(whole, axis=None)))
        order, by_content = _content_order(whole, sizes)
        return cls(
            order=order,
            sums=sums[by_content][:, order],
            whole=whole[by_content][:, order],
            sizes=sizes[by_content],
            correlation=_correlation(values[order], weight),
            effective_questions=float(weight.sum() ** 2 / (weight @ weight)),
        )


def _validate(
    scores: ArrayLike, clusters: ArrayLike, weights: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(
            f"Expected scores of shape (models, questions), at least one of each; got shape {values.shape}."
        )
    if not ((values >= 0) & (values <= 1)).all():
        number = np.count_nonzero(~((values >= 0) & (values <= 1)))
        raise ValueError(f"Expected scores from 0 to 1, got {number} others.")
    for name, of_questions in (("clusters", clusters), ("weights", weights)):
        if of_questions is not None and np.shape(of_questions) != values.shape[1:]:
            expected = f"Expected one entry for each question in {name}, shape {values.shape[1:]}"
            raise ValueError(f"{expected}; got shape {np.shape(of_questions)}.")
    weight = np.ones(values.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    is_weight = np.isfinite(weight) & (weight > 0)
    if not is_weight.all():
        raise ValueError(f"Expected weights above 0, got {np.count_nonzero(~is_weight)} others.")
    return values, np.unique(clusters, return_inverse=True)[1].ravel(), weight


def _sum_by_image(values: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Sum each row's values over each image, shape (m, rows), in ascending order for reproducible rounding."""
    rows = []
    for row in values:
        order = np.lexsort((row, images))
        rows.append(np.bincount(images[order], weights=row[order]))
    return np.column_stack(rows)


def _content_order(whole: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return canonical orders of models and of images, which depend on the scores alone.

    Models are sorted by their own scores. Ties are broken by the scores that other models have on the same images.
    """
    num_models = whole.shape[1]
    classes = np.unique(sizes, return_inverse=True)[1]
    colors = np.zeros(num_models, dtype=np.int64)
    for _ in range(3):
        keys = [np.stack([classes, row])[:, np.lexsort((row, classes))].tobytes() for row in whole.T]
        ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
        colors = np.array([ranks[key] for key in keys])
        if len(ranks) == num_models:
            break
        within = np.lexsort((whole, np.broadcast_to(colors, whole.shape)), axis=1)
        classes = _ranks_of_rows(np.column_stack([classes, np.take_along_axis(whole, within, axis=1)]))
    models = np.argsort(colors, kind="stable")
    return models, np.argsort(_ranks_of_rows(np.column_stack([classes, whole[:, models]])), kind="stable")


def _ranks_of_rows(rows: np.ndarray) -> np.ndarray:
    """Return the rank of each row among the sorted distinct rows."""
    packed = np.ascontiguousarray(rows, dtype=np.int64)
    as_bytes = packed.view(np.dtype((np.void, packed.itemsize * packed.shape[1])))
    return np.unique(as_bytes.ravel(), return_inverse=True)[1].ravel()


def _correlation(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Compute the weighted Pearson correlations of all pairs of rows, NaN for constant rows."""
    share = weight / weight.sum()
    centred = (values - (values @ share)[:, None]) * np.sqrt(share)
    covariance = centred @ centred.T
    scale = np.sqrt(np.diag(covariance))
    scale[np.ptp(values, axis=1) == 0] = np.nan
    # Rounded, so that the result does not depend on the order of summation.
    return np.clip(np.round(covariance / scale / scale[:, None], 12), -1.0, 1.0)
