"""Encode each distinct image and text once, in batches, and keep the vectors.

Images are told apart by the ``image_key`` of their task (see `TaskHooks`), else by the digest of their file or pixels.
Texts are told apart by their tokens, so that texts which are the same to the model tie exactly.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Generator, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from microbench_adapters.models import distribution
from microbench_adapters.models.dual_encoder import DualEncoder, Features, Tensors
from microbench_adapters.models.embeddings import digest
from microbench_adapters.models.execution import batches
from microbench_adapters.models.image_pipeline import ImagePipeline, writing

if TYPE_CHECKING:
    from tqdm import tqdm

    from microbench_adapters.models.document_images import ImageQuestion


class CachingEncoder(DualEncoder):
    """A dual encoder that keeps the vectors of what it has seen.

    Args:
        batch_size: see `DualEncoder`.
        device: see `DualEncoder`.
    """

    def __init__(self, batch_size: int | str | None, device: str | None) -> None:
        super().__init__(batch_size, device)
        self._image_features: Features = {}
        self._text_features: Features = {}
        self._tokens_of: dict[str, bytes] = {}
        # While `encode_new_images` runs.
        self._images: ImagePipeline | None = None

    def text_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of encoded texts, shape (number of texts, D)."""
        return np.array([self._text_features[self._tokens_of[text]] for text in texts])

    def image_vectors(self, keys: Sequence[Hashable]) -> np.ndarray:
        """Return the vectors of encoded images, shape (number of keys, D)."""
        return np.array([self._image_features[key] for key in keys])

    def text_tokens(self, texts: Sequence[str]) -> dict[str, bytes]:
        """Return all tokens of each text, equal for texts that are the same to the encoder."""
        return dict(zip(texts, _token_rows(self.tokenize(list(texts))), strict=True))

    # --- texts ---

    def encode_new_texts(self, texts: Sequence[str], together: bool) -> list[str]:
        """Encode the texts that are new.

        Args:
            texts: different texts.
            together: whether all processes of the run call this method now, so that they divide the work.

        Returns:
            The texts that were not seen before.
        """
        new = [text for text in texts if text not in self._tokens_of]
        tokens = self.tokenize(new) if new else {}
        rows = _token_rows(tokens)
        self._tokens_of.update(zip(new, rows, strict=True))
        # The first position of every row that is not encoded yet.
        position_of: dict[Hashable, int] = {}
        for position, row in enumerate(rows):
            if row not in self._text_features:
                position_of.setdefault(row, position)
        # Entered without a text, too: the other processes of the run wait for this one.
        with self._sharing(list(position_of), self._text_features, together) as own:
            self._encode_tokens(tokens, rows, [position_of[row] for row in own])
        return new

    def _encode_tokens(self, tokens: Tensors, rows: list[bytes], positions: list[int]) -> None:
        """Encode the texts at ``positions`` that are not kept on disk."""
        kept, missing = self.kept_texts, []
        for position in positions:
            vector = None if kept is None else kept.get(digest(rows[position]))
            if vector is None:
                missing.append(position)
            else:
                self._text_features[rows[position]] = vector
        with self._progress("Encoding texts", len(missing)) as progress, writing(kept):
            for batch in batches(missing, self.batch_size):
                vectors = self.encode({name: values[batch] for name, values in tokens.items()}, "texts")
                for position, vector in zip(batch, vectors, strict=True):
                    self._text_features[rows[position]] = vector
                    if kept is not None:
                        kept.add(digest(rows[position]), vector)
                progress.update(len(batch))
                self.feed_device()

    # --- images ---

    def encode_new_images(
        self, questions: Sequence[ImageQuestion], together: bool
    ) -> Generator[dict[int, Hashable], None, None]:
        """Encode the images that are new, and yield those whose vectors are known while others are encoded.

        Args:
            questions: an image each; images may repeat.
            together: whether all processes of the run call this method now, so that they divide the images that have a
                key among themselves.

        Yields:
            The keys of images, for `image_vectors`, by their positions in ``questions``: first those of images that
            are known already, at once; in the end, all positions have come. A caller that has something else to do
            after the first should call `feed_device` now and then, so that a GPU works meanwhile.
        """
        positions_of: dict[Hashable, list[int]] = {}
        for position, question in enumerate(questions):
            if question.key is not None:
                positions_of.setdefault(question.key, []).append(position)
        known = [key for key in positions_of if key in self._image_features]
        known_of = {position: key for key in known for position in positions_of.pop(key)}
        with (
            self._sharing(list(positions_of), self._image_features, together) as own,
            self._pipeline([questions[positions_of[key][0]] for key in own]) as images,
        ):
            yield known_of
            for keys in images:
                yield {position: key for key in keys for position in positions_of.pop(key)}
        # What is left are those that other processes encoded.
        yield {position: key for key, positions in positions_of.items() for position in positions}
        without_key = [position for position, question in enumerate(questions) if question.key is None]
        positions = iter(without_key)
        # They come in their order.
        with self._pipeline([questions[position] for position in without_key]) as images:
            for keys in images:
                yield {next(positions): key for key in keys}

    def feed_device(self) -> None:
        """Give the device images that are read by now; a GPU has nothing to do otherwise while the caller works."""
        if self._images is not None:
            self._images.feed()

    @contextlib.contextmanager
    def _pipeline(self, questions: list[ImageQuestion]) -> Iterator[ImagePipeline]:
        progress = self._progress("Encoding images", len(questions))
        with ImagePipeline(self, questions, self._image_features, progress) as images:
            self._images = images
            try:
                images.feed()
                yield images
            finally:
                self._images = None

    # --- both ---

    @contextlib.contextmanager
    def _sharing(self, wanted: list[Hashable], features: Features, together: bool) -> Iterator[list[Hashable]]:
        """Yield the wanted keys that this process shall encode into ``features``; then add those of the others."""
        if not together:
            yield wanted
            return
        own, wanted_elsewhere = distribution.divide_work(wanted)
        yield own
        exchanged = distribution.exchange({key: features[key] for key in wanted_elsewhere})
        features.update((key, exchanged[key]) for key in wanted if key not in features)

    @abc.abstractmethod
    def _progress(self, description: str, total: int) -> tqdm:
        """Return a progress bar."""


def _token_rows(tokens: Tensors) -> list[bytes]:
    """Return all tokens of each text as bytes."""
    arrays = [values.numpy() for values in tokens.values()]
    return [b"".join(array[index].tobytes() for array in arrays) for index in range(len(arrays[0]) if arrays else 0)]
