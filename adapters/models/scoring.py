"""Compare images with the texts of many questions at once, and turn similarities into probabilities.

Every function gives each question exactly what it would get alone: no result depends on the questions beside it.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence

import numpy as np

# Of the products of vectors of questions compared at once: they stay in a core's cache.
_VALUES_AT_ONCE = 65_536


def similarities(
    images: np.ndarray, texts: np.ndarray, image_of: Sequence[int], texts_of: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Compute the similarity of each question's image to each of its texts.

    Args:
        images: unit vectors, shape (number of images, D).
        texts: unit vectors, shape (number of texts, D).
        image_of: the row of each question's image.
        texts_of: the rows of each question's texts.

    Yields:
        For each number of texts, the positions of questions with so many, and their similarities, a row for each.
    """
    positions_by_count = collections.defaultdict(list)
    for position, rows in enumerate(texts_of):
        positions_by_count[len(rows)].append(position)
    image_rows = np.asarray(image_of)
    for num_texts, positions in positions_by_count.items():
        text_rows = np.array([texts_of[position] for position in positions])
        result = np.empty(text_rows.shape)
        questions_at_once = max(1, _VALUES_AT_ONCE // (num_texts * images.shape[1]))
        for start in range(0, len(positions), questions_at_once):
            block = slice(start, start + questions_at_once)
            products = texts[text_rows[block]] * images[image_rows[positions[block]], None]
            # Summed row by row, not by a matrix product, whose rounding depends on a row's place: equal texts must tie.
            products.sum(axis=-1, out=result[block])
        yield positions, result


def losses(logits: np.ndarray) -> np.ndarray:
    """Return minus the logarithm of the softmax over the last axis."""
    log_probabilities = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities -= np.log(np.exp(log_probabilities).sum(axis=-1, keepdims=True))
    return -log_probabilities


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the logistic function of each value."""
    return 1 / (1 + np.exp(-logits))
