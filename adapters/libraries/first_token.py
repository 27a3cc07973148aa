"""Probabilities of the first token that a model writes: how sure it is of each letter."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import torch
import transformers

# How vocabularies write a space before a word: plainly, as SentencePiece, and as byte-level BPE.
_SPACES = (" ", "▁", "Ġ")


def letter_tokens(tokenizer: Any, model: str) -> list[list[int]]:
    """Return the tokens of the vocabulary that are one of the letters A to Z, with or without a space before it.

    Chat templates end with a line break, a colon or a control token. Whether the answer's first token then begins with
    a space depends on how the tokenizer joins words, so that the letter's probability is the sum over both spellings.

    Args:
        tokenizer: of transformers.
        model: names the checkpoint in messages.

    Returns:
        The numbers of each letter's tokens.

    Raises:
        ValueError: a letter has no token of its own.
    """
    vocabulary = tokenizer.get_vocab()
    special = set(tokenizer.all_special_tokens)
    token_ids = [
        sorted(
            {
                vocabulary[token]
                for token in (letter, *(space + letter for space in _SPACES))
                if token in vocabulary and token not in special
            }
        )
        for letter in string.ascii_uppercase
    ]
    missing = [letter for letter, numbers in zip(string.ascii_uppercase, token_ids, strict=True) if not numbers]
    if missing:
        raise ValueError(
            f"model={model}: its tokenizer has no token for the letters {', '.join(missing)}, by which the model "
            "answers. Its files seem to be missing or another model's: copy tokenizer.json and tokenizer_config.json "
            "from the checkpoint's base."
        )
    return token_ids


class FirstStepProbabilities(transformers.LogitsProcessor):
    """Record probabilities at the first step, among all tokens of the vocabulary, and change nothing.

    Args:
        token_ids: groups of tokens, whose probabilities are added.
    """

    def __init__(self, token_ids: Sequence[Sequence[int]]) -> None:
        self._token_ids = token_ids
        self._steps: list[torch.Tensor] = []

    @property
    def probabilities(self) -> torch.Tensor:
        """Return the probability of each group of tokens, shape (N, number of groups)."""
        return self._steps[0]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return ``scores`` unchanged."""
        if not self._steps:
            shares = softmax(scores)
            self._steps.append(
                torch.stack([shares[:, list(group)].double().sum(dim=-1) for group in self._token_ids], dim=-1).cpu()
            )
        return scores


class AllProbabilities(transformers.LogitsProcessor):
    """Record the probabilities of all tokens at every step, and change nothing.

    Attributes:
        steps: of shape (N, tokens of the vocabulary) each.
    """

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return ``scores`` unchanged."""
        self.steps.append(softmax(scores).cpu())
        return scores


def softmax(scores: torch.Tensor) -> torch.Tensor:
    """Return the probabilities of a step in single precision, shape (N, tokens of the vocabulary).

    Raises:
        ValueError: they are not finite.
    """
    probabilities = scores.float().softmax(dim=-1)
    if not bool(torch.isfinite(probabilities).all()):
        # The likeliest of such would be the first token of the vocabulary, which is padding: an empty answer.
        raise ValueError(
            "the model's scores are not finite: the weights are broken, or their precision has too small a "
            "range. Try precision=fp32."
        )
    return probabilities
