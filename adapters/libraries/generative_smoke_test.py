"""Check before the first question that a model distinguishes images and prompts, and what it may answer together."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import transformers
from PIL import Image

from microbench_adapters.libraries.first_token import AllProbabilities
from microbench_adapters.libraries.precision import fallback_advice
from microbench_adapters.models import smoke_test
from microbench_adapters.models.dual_encoder import Tensors

# The first image of the smoke test, another of its size, and one of another shape.
_IMAGES = (*smoke_test.images()[:2], smoke_test.noise((150, 60)))
_PROMPTS = ("detect cell", "answer en What is shown?")
# Largest accepted change of a token's probability by the other questions of a batch: as a share of what another
# question changes, and by rounding.
_MOST_BY_BATCH = 0.05
_ROUNDING, _ROUNDING_OF_HALVES = 1e-4, 0.03


class Case(NamedTuple):
    """A question of the smoke test."""

    image: Image.Image
    prompt: str


# The second differs from the first by its image, the third by its prompt, the last by both and in shape.
CASES = (
    Case(_IMAGES[0], _PROMPTS[0]),
    Case(_IMAGES[1], _PROMPTS[0]),
    Case(_IMAGES[0], _PROMPTS[1]),
    Case(_IMAGES[2], _PROMPTS[1]),
)
# Probabilities of all tokens at each step, shape (steps, tokens).
Steps = torch.Tensor


class Together(enum.Enum):
    """Which questions a model may answer in one batch without a change of their answers."""

    ALL = "any questions"
    SAME_SIZE = "questions about images of one size"
    NONE = "no questions"


class Examiner:
    """Ask a model test questions.

    Args:
        inputs: prepares a batch of images and prompts.
        generate: writes at most so many tokens, observed by a logits processor.
        precision: as the user calls it.
        device: where the model is.
        where: names the checkpoint in messages.
    """

    def __init__(
        self,
        inputs: Callable[[list[Image.Image], list[str]], Tensors],
        generate: Callable[[Tensors, int, transformers.LogitsProcessor], torch.Tensor],
        precision: str,
        device: torch.device,
        where: str,
    ) -> None:
        self._inputs = inputs
        self._generate = generate
        self._precision = precision
        self._device = device
        self._where = where

    def check(self, cases: Sequence[Case] = CASES[:3], num_tokens: int = 1) -> list[Steps]:
        """Ask each question alone.

        Args:
            cases: begin with three that differ as those of `CASES` do.
            num_tokens: of an answer.

        Returns:
            The probabilities of each.

        Raises:
            ValueError: the model does not run, or gives different images or prompts the same probabilities.
        """
        prepared = [self._inputs([case.image], [case.prompt]) for case in cases]
        smoke_test.check_pixels([{"pixels": _pixels(each)} for each in prepared[:2]], self._where)
        try:
            steps = [self._steps(each, num_tokens)[0] for each in prepared]
        # Libraries, devices and precisions each have errors of their own.
        except Exception as error:
            raise ValueError(
                f"{self._where}: does not run with precision={self._precision} on {self._device}: "
                f"{type(error).__name__}: {error}.{fallback_advice(self._precision)}"
            ) from error
        for row, what, part in ((1, "images", "image encoder or projector"), (2, "prompts", "language model")):
            if not smoke_test.differ(steps[0][0].numpy(), steps[row][0].numpy()):
                raise ValueError(
                    f"{self._where}: does not distinguish {what}: "
                    f"different {what} give the same probabilities of the first token. "
                    f"Its {part} is constant: weights are zero, untrained, or another model's."
                )
        return steps

    def find_together(self, alone: list[Steps]) -> tuple[Together, str]:
        """Return which questions may be answered together, and what went wrong with more of them.

        Args:
            alone: the probabilities of `CASES`, each asked alone.
        """
        reason = ""
        for together, rows in ((Together.ALL, (0, 3, 1)), (Together.SAME_SIZE, (0, 2, 1))):
            difference = self._difference([alone[row] for row in rows], [CASES[row] for row in rows])
            if not difference:
                return together, reason
            reason = reason or difference
        return Together.NONE, reason

    def _difference(self, alone: list[Steps], cases: list[Case]) -> str:
        """Return how a batch's probabilities differ from those of its questions alone; empty if they do not."""
        num_tokens = max(map(len, alone))
        try:
            batch = self._steps(
                self._inputs([case.image for case in cases], [case.prompt for case in cases]), num_tokens
            )
        # A processor that cannot put unlike images together raises whatever its arrays raise.
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        nearest = min(float((one[0] - other[0]).abs().max()) for one, other in itertools.combinations(alone, 2))
        rounding = _ROUNDING if self._precision == "fp32" else _ROUNDING_OF_HALVES
        change = max(_change(one, other) for one, other in zip(alone, batch, strict=True))
        if change <= max(_MOST_BY_BATCH * nearest, rounding):
            return ""
        return f"a token's probability changes by {change:.1e}, by another question {nearest:.1e}"

    def _steps(self, inputs: Tensors, num_tokens: int) -> list[Steps]:
        """Return the probabilities of each question of a batch."""
        observer = AllProbabilities()
        self._generate(inputs, num_tokens, observer)
        return list(torch.stack(observer.steps, dim=1))


def _change(alone: Steps, batched: Steps) -> float:
    """Return the largest difference of a probability, up to the first step at which other tokens are the likeliest."""
    largest = 0.0
    for one, other in zip(alone, batched, strict=False):
        largest = max(largest, float((one - other).abs().max()))
        # What follows another token is another answer.
        if one.argmax() != other.argmax():
            break
    return largest


def _pixels(inputs: Tensors) -> torch.Tensor:
    """Return the pixels among the inputs, with at least three dimensions: some processors return rows of patches."""
    pixels = max((values for values in inputs.values() if values.is_floating_point()), key=torch.Tensor.numel)
    return pixels if pixels.ndim >= 3 else pixels[None]
