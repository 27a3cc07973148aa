"""Try an encoder before the first question, so that one that cannot run or tell inputs apart fails at once."""

from __future__ import annotations

from collections.abc import Callable

import torch

from microbench_adapters.checkpoints.loading import Loaded
from microbench_adapters.libraries.precision import fallback_advice
from microbench_adapters.models import smoke_test
from microbench_adapters.models.contrastive import ContrastiveModel
from microbench_adapters.models.dual_encoder import Tensors


class SmokeTestedModel(ContrastiveModel):
    """A dual encoder that tests itself; a subclass loads it and sets the attributes.

    Attributes:
        loaded: the checkpoint.
        precision: the option as typed.
    """

    loaded: Loaded
    precision: str
    _is_compiled: bool

    def _smoke_test(self) -> None:
        """Encode test images and texts, so that a model that cannot run or distinguish them fails now."""
        where = self.loaded.name
        # Each text alone: its tokens must not depend on the rest of a batch.
        rows = [self.tokenize([text]) for text in smoke_test.TEXTS]
        smoke_test.check_tokens(rows, self.unknown_token, where)
        smoke_test.check_pooling([self.pooled_tokens(row) for row in rows], where)
        smoke_test.check_pixels([self.preprocess(image) for image in smoke_test.images()], where)
        resized = [self.resize(image) for image in smoke_test.images()]
        batch = self.tokenize(list(smoke_test.TEXTS))
        unpadded = self.unpadded(smoke_test.TEXTS[0])
        try:
            images = self.encode({name: torch.stack([item[name] for item in resized]) for name in resized[0]}, "images")
            texts = self.encode(batch, "texts")
            alone = texts[0] if _is_as_long(unpadded, batch) else self.encode(unpadded, "texts")[0]
        # Libraries, devices and precisions each have errors of their own.
        except Exception as error:
            advice = " Leave compile out to see whether the compiler is the reason." if self._is_compiled else ""
            advice += fallback_advice(self.precision)
            raise ValueError(
                f"{where}: does not run with precision={self.precision} on {self.device}: "
                f"{type(error).__name__}: {error}.{advice}"
            ) from error
        if images.shape[1] != texts.shape[1]:
            raise ValueError(
                f"{where}: images and texts are encoded as vectors of different lengths, "
                f"{images.shape[1]} and {texts.shape[1]}; they cannot be compared."
            )
        smoke_test.check_vectors(images, "images", where, self.precision)
        smoke_test.check_vectors(texts, "texts", where, self.precision)
        smoke_test.check_padding(alone, texts[0], texts[1:], self.precision, _is_as_long(rows[0], batch), where)

    def _test_encoders(self) -> list[Callable[[int], object]]:
        """Return functions that encode this many images, and texts as long as the context."""
        pixels = self.resize(smoke_test.images()[0])
        tokens = self.tokenize([smoke_test.TEXTS[-1]])
        return [
            lambda size: self.encode({name: torch.stack([values] * size) for name, values in pixels.items()}, "images"),
            lambda size: self.encode({name: values.repeat(size, 1) for name, values in tokens.items()}, "texts"),
        ]

    def unpadded(self, text: str) -> Tensors:
        """Return the text encoder's inputs for one text with the least padding that the model allows."""
        return self.tokenize([text])

    def pooled_tokens(self, tokens: Tensors) -> torch.Tensor | None:
        """Return the token number at which each text is pooled, -1 if the text lacks it; None if no token decides."""
        return None

    @property
    def unknown_token(self) -> int | None:
        """Return the number of the token for unknown words."""
        tokenizer = getattr(self.loaded.tokenizer, "tokenizer", self.loaded.tokenizer)
        number = getattr(tokenizer, "unk_token_id", None)
        # Some tokenizers use the end token for unknown words, too.
        return None if number == getattr(tokenizer, "eos_token_id", None) else number


def _is_as_long(tokens: Tensors, others: Tensors) -> bool:
    return all(values.shape[1] == others[name].shape[1] for name, values in tokens.items())
