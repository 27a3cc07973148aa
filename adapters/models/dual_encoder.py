"""Encode each distinct image and text once, in batches, and keep the vectors.

Images are told apart by the ``image_key`` of their task (see `TaskHooks`), else by their pixels. Texts are told apart
by their tokens, so that texts which are the same to the model tie exactly.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from tqdm import tqdm

from microbench_adapters.models import distribution
from microbench_adapters.models.embeddings import Embeddings, digest
from microbench_adapters.models.execution import batches, full_precision, parse_batch_size, prefetch_map, resolve_device

if TYPE_CHECKING:
    from PIL.Image import Image

# Named tensors of one item, or of a batch of them along the first dimension.
Tensors = dict[str, torch.Tensor]
# Vectors, shape (D,), by the key of an image or by the tokens of a text.
Features = dict[Hashable, np.ndarray]

# Images prefetched for the encoder, in batches: enough to keep it busy, bounded in memory.
_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class ImageQuestion:
    """An image to encode.

    Attributes:
        key: equal for equal images; None if the task does not say.
        load_visuals: decodes the images of the question's document.
        task_name: names the task in messages.
    """

    key: Hashable | None
    load_visuals: Callable[[], list[Image]]
    task_name: str


@dataclass(frozen=True)
class _LoadedImage:
    """An image from the reader threads: its inputs, or its vector where that is kept on disk."""

    key: Hashable
    content: bytes
    vector: np.ndarray | None
    inputs: Tensors


class DualEncoder(abc.ABC):
    """An image encoder and a text encoder whose unit vectors are compared.

    Args:
        batch_size: images, and texts, encoded together; results do not depend on it.
        device: a torch device; by default the process's own GPU, else the CPU.

    Raises:
        ValueError: ``batch_size`` is not a positive integer, or the device does not exist.
    """

    def __init__(self, batch_size: int | str, device: str | None) -> None:
        super().__init__()
        self.batch_size = parse_batch_size(batch_size)
        self.device = resolve_device(device)
        self._image_features: Features = {}
        self._text_features: Features = {}
        self._tokens_of: dict[str, bytes] = {}
        # Of a model that keeps them on disk.
        self.kept_images: Embeddings | None = None
        self.kept_texts: Embeddings | None = None

    @abc.abstractmethod
    def preprocess(self, image: Image) -> Tensors:
        """Convert one RGB image to the encoder's inputs, without a batch dimension; called from several threads."""

    @abc.abstractmethod
    def encode_images(self, images: Tensors) -> torch.Tensor:
        """Return unit vectors, shape (N, D), of N preprocessed images."""

    @abc.abstractmethod
    def tokenize(self, texts: list[str]) -> Tensors:
        """Return the text encoder's inputs, each of shape (N, L), truncated and padded as the model was trained."""

    @abc.abstractmethod
    def encode_texts(self, tokens: Tensors) -> torch.Tensor:
        """Return unit vectors, shape (N, D), of N tokenized texts."""

    def encode(self, batch: Tensors, kind: Literal["images", "texts"]) -> np.ndarray:
        """Encode one batch on the model's device.

        Returns:
            Vectors in double precision, shape (N, D).

        Raises:
            ValueError: the encoder returned values that are not finite.
        """
        encoder = self.encode_images if kind == "images" else self.encode_texts
        # Not inference_mode: under autocast on the CPU it copies each attention weight for each image.
        with torch.no_grad(), full_precision():
            on_device = {name: values.to(self.device, non_blocking=True) for name, values in batch.items()}
            vectors = encoder(on_device).double().cpu().numpy()
        if not np.isfinite(vectors).all():
            # The best of such similarities would be the first option, whatever the image.
            raise ValueError(
                f"{type(self).__name__}: encode_{kind} returned vectors that are not finite: the weights are broken, "
                "or their precision has too small a range. Try precision=fp32."
            )
        return vectors

    def text_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of encoded texts, shape (number of texts, D)."""
        return np.stack([self._text_features[self._tokens_of[text]] for text in texts])

    def image_vector(self, key: Hashable) -> np.ndarray:
        """Return the vector of an encoded image, shape (D,)."""
        return self._image_features[key]

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
        with self._progress("Encoding texts", len(missing)) as progress, _writing(kept):
            for batch in batches(missing, self.batch_size):
                vectors = self.encode({name: values[batch] for name, values in tokens.items()}, "texts")
                for position, vector in zip(batch, vectors, strict=True):
                    self._text_features[rows[position]] = vector
                    if kept is not None:
                        kept.add(digest(rows[position]), vector)
                progress.update(len(batch))

    # --- images ---

    def encode_new_images(self, questions: Sequence[ImageQuestion], together: bool) -> list[Hashable]:
        """Encode the images that are new.

        Args:
            questions: an image each; images may repeat.
            together: whether all processes of the run call this method now, so that they divide the work.

        Returns:
            The key of each image, for `image_vector`.
        """
        by_key = {question.key: question for question in questions if question.key is not None}
        new = [key for key in by_key if key not in self._image_features]
        with self._sharing(new, self._image_features, together) as own:
            self._encode_loaded([by_key[key] for key in own])
        keys_of_content = iter(self._encode_loaded([question for question in questions if question.key is None]))
        return [next(keys_of_content) if question.key is None else question.key for question in questions]

    def _encode_loaded(self, questions: list[ImageQuestion]) -> list[Hashable]:
        """Load and encode images, each content once; return the key of each."""
        keys: list[Hashable] = []
        with self._progress("Encoding images", len(questions)) as progress, _writing(self.kept_images):
            loaded = prefetch_map(self._load, questions, _BATCHES_AHEAD * self.batch_size)
            for batch in batches(loaded, self.batch_size):
                self._image_features.update((image.key, image.vector) for image in batch if image.vector is not None)
                new = {image.key: image for image in batch if image.key not in self._image_features}
                if new:
                    self._encode_image_batch(list(new.values()))
                keys += [image.key for image in batch]
                progress.update(len(batch))
        return keys

    def _encode_image_batch(self, images: list[_LoadedImage]) -> None:
        vectors = self.encode(_stack([image.inputs for image in images], self.device), "images")
        for image, vector in zip(images, vectors, strict=True):
            self._image_features[image.key] = vector
            if self.kept_images is not None:
                self.kept_images.add(image.content, vector)

    def _load(self, question: ImageQuestion) -> _LoadedImage:
        """Decode and preprocess an image; runs on the reader threads."""
        visuals = question.load_visuals()
        if len(visuals) != 1:
            raise ValueError(
                f"Task {question.task_name} shows {len(visuals)} images with one question; "
                "a contrastive model compares one image with texts."
            )
        image = visuals[0].convert("RGB")
        content, vector = b"", None
        # Hashed only where needed: it takes time.
        if question.key is None or self.kept_images is not None:
            content = digest(repr(image.size).encode(), image.tobytes())
        if self.kept_images is not None:
            vector = self.kept_images.get(content)
        key = content if question.key is None else question.key
        return _LoadedImage(key, content, vector, self.preprocess(image) if vector is None else {})

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


@contextlib.contextmanager
def _writing(kept: Embeddings | None) -> Iterator[None]:
    """Write new embeddings at the end, also of a run that is stopped."""
    try:
        yield
    finally:
        if kept is not None:
            kept.write()


def _token_rows(tokens: Tensors) -> list[bytes]:
    """Return all tokens of each text as bytes."""
    arrays = [values.numpy() for values in tokens.values()]
    return [b"".join(array[index].tobytes() for array in arrays) for index in range(len(arrays[0]) if arrays else 0)]


def _stack(items: list[Tensors], device: torch.device) -> Tensors:
    """Stack items to a batch; for a GPU in pinned memory, which it can read by itself."""
    batch = {}
    for name, first in items[0].items():
        is_pinned = device.type == "cuda"
        out = torch.empty((len(items), *first.shape), dtype=first.dtype, pin_memory=True) if is_pinned else None
        batch[name] = torch.stack([item[name] for item in items], out=out)
    return batch
