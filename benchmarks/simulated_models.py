"""Simulate 0/1 answers of several models to questions about images, with known true accuracies.

An answer is right if a normal variable is below a threshold, set by the model's true accuracy. The variance of the
variable has these parts:

- ``agreement`` is shared by all models: half is the difficulty of the question, half that of the image;
- `OWN_IMAGE_SHARE` of the rest is the model's own effect for the image, which all its answers about the image share;
- what is left is independent noise for each answer.

So all pairs of models agree equally often, and a model's answers about one image are correlated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

OWN_IMAGE_SHARE = 0.3


@dataclass(frozen=True)
class Setting:
    """Describe a part of the benchmark: its name, and its numbers of questions per image, ``{questions: images}``."""

    name: str
    images: dict[int, int]

    def sizes(self) -> np.ndarray:
        """Return the number of questions about each image."""
        return np.repeat(list(self.images), list(self.images.values()))

    def shown(self) -> str:
        """Return the name with the numbers of questions and images."""
        return f"{self.name}: {self.sizes().sum():,} questions, {self.sizes().size:,} images"

    def labels(self) -> np.ndarray:
        """Return the image of each question."""
        return np.repeat(np.arange(len(self.sizes())), self.sizes())

    def answers(
        self,
        rates: np.ndarray,
        agreement: float,
        rng: np.random.Generator,
        families: np.ndarray | None = None,
        family_share: float = 0.0,
    ) -> np.ndarray:
        """Draw 0/1 answers of models of true accuracies ``rates``, shape (models, questions).

        Args:
            rates: shape (models,).
            agreement: share of the variance that all models have in common.
            rng: of the draws.
            families: shape (models,): of each model the number of its family, from 0.
            family_share: share of the variance that the models of a family have in common beside that.
        """
        image, num_images = self.labels(), len(self.sizes())
        shape = (len(rates), len(image))

        def difficulty(rows: int) -> np.ndarray:
            of_images = rng.standard_normal((rows, num_images))[:, image]
            return (rng.standard_normal((rows, len(image))) + of_images) / math.sqrt(2)

        own = math.sqrt(OWN_IMAGE_SHARE) * rng.standard_normal((shape[0], num_images))[:, image]
        own += math.sqrt(1 - OWN_IMAGE_SHARE) * rng.standard_normal(shape)
        number = math.sqrt(agreement) * difficulty(1) + math.sqrt(1 - agreement - family_share) * own
        if families is not None:
            number += math.sqrt(family_share) * difficulty(families.max() + 1)[families]
        return (number < stats.norm.ppf(rates)[:, None]).astype(float)


TINY = Setting("tiny", {1: 2, 2: 6})
SINGLE = Setting("single", {1: 121})
COGNITION = Setting("cognition", {3: 13, 2: 41})
FIFTY = Setting("fifty", {5: 50})
DEMO = Setting("demo, coarse", {5: 289, 4: 26})
LARGER = Setting("larger", {5: 2_000})
FINE = Setting("fine", {1: 14_644})
COARSE = Setting("coarse", {5: 15_196, 4: 934})
