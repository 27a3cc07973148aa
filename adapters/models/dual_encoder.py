"""What a library provides of a model with an image encoder and a text encoder, and how a device works with it."""

from __future__ import annotations

import abc
import contextlib
import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch

from microbench_adapters.models.execution import full_precision, parse_batch_size, resolve_device
from microbench_adapters.models.image_reading import LoadedImage

if TYPE_CHECKING:
    from PIL.Image import Image

    from microbench_adapters.models.document_images import ImageQuestion
    from microbench_adapters.models.embeddings import Embeddings
    from microbench_adapters.models.pixel_store import PixelFiles

# Named tensors of one item, or of a batch of them along the first dimension.
Tensors = dict[str, torch.Tensor]
# Vectors, shape (D,), by the key of an image or by the tokens of a text.
Features = dict[Hashable, np.ndarray]

DEFAULT_BATCH_SIZE = 64


@dataclass(frozen=True)
class Encoding:
    """A batch that a device encodes.

    Attributes:
        is_done: tells whether the vectors are known.
        wait: waits for the vectors and returns them in double precision, shape (N, D). It raises ValueError where
            they are not finite.
    """

    is_done: Callable[[], bool]
    wait: Callable[[], np.ndarray]


class DualEncoder(abc.ABC):
    """An image encoder and a text encoder whose unit vectors are compared.

    Args:
        batch_size: images, and texts, encoded together; by default `DEFAULT_BATCH_SIZE`. Only the rounding of results
            depends on it.
        device: a torch device; by default the process's own GPU, else the CPU.

    Raises:
        ValueError: ``batch_size`` is not a positive integer, or the device does not exist.
    """

    # The name of the pixels among the encoder's inputs.
    pixel_input: ClassVar[str] = "pixels"

    def __init__(self, batch_size: int | str | None, device: str | None) -> None:
        super().__init__()
        self.batch_size = parse_batch_size(DEFAULT_BATCH_SIZE if batch_size is None else batch_size)
        self.device = resolve_device(device)
        # Vectors kept on disk from run to run (`cache_dir`).
        self.kept_images: Embeddings | None = None
        self.kept_texts: Embeddings | None = None
        # Resized images kept on disk (`pixels_dir`).
        self.kept_pixels: PixelFiles | None = None

    @abc.abstractmethod
    def preprocess(self, image: Image) -> Tensors:
        """Convert one RGB image to the encoder's inputs, without a batch dimension; called from several threads.

        Most encoders take one tensor, shape (3, height, width), under the name ``pixel_input``.
        """

    def resize(self, image: Image) -> Tensors:
        """Do the part of `preprocess` that needs the CPU; called from several threads, or in processes."""
        return self.preprocess(image)

    def normalize(self, images: Tensors) -> Tensors:
        """Do the rest of `preprocess` for a batch of resized images, on the model's device."""
        return images

    @property
    def resizing(self) -> str | None:
        """Return a text that names everything that decides the resized pixels, except the image.

        Equal texts mean equal pixels. None if `resize` returns something else than 8-bit pixels of one size under the
        name ``pixel_input``.
        """
        return None

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

        Args:
            batch: resized images, or tokens.
            kind: which of them.

        Returns:
            Vectors in double precision, shape (N, D).

        Raises:
            ValueError: the encoder returned values that are not finite.
        """
        return self.start_encoding(batch, kind).wait()

    @property
    def works_beside_caller(self) -> bool:
        """Tell whether `start_encoding` returns before the vectors are known."""
        return self._is_on_gpu

    @property
    def _is_on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def start_encoding(self, batch: Tensors, kind: Literal["images", "texts"]) -> Encoding:
        """Let the device encode a batch; see `encode`."""
        is_gpu = self._is_on_gpu
        stream = torch.cuda.stream(self._text_stream) if is_gpu and kind == "texts" else contextlib.nullcontext()
        # Not inference_mode: under autocast on the CPU it copies each attention weight for each image.
        with stream, torch.no_grad(), full_precision():
            inputs = {name: values.to(self.device, non_blocking=is_gpu) for name, values in batch.items()}
            encoded = self.encode_images(self.normalize(inputs)) if kind == "images" else self.encode_texts(inputs)
            on_cpu = encoded.to("cpu", non_blocking=is_gpu)
            # To wait for the stream instead would be to wait for later batches, too.
            arrived = torch.cuda.Event() if is_gpu else None
            if arrived is not None:
                # Of the model's GPU, which need not be the current one.
                arrived.record(torch.cuda.current_stream(self.device))

        def wait() -> np.ndarray:
            if arrived is not None:
                arrived.synchronize()
            vectors = on_cpu.double().numpy()
            if not np.isfinite(vectors).all():
                # The best of such similarities would be the first option, whatever the image.
                raise ValueError(
                    f"{type(self).__name__}: encode_{kind} returned vectors that are not finite: the weights are "
                    "broken, or their precision has too small a range. Try precision=fp32."
                )
            return vectors

        return Encoding(lambda: arrived is None or arrived.query(), wait)

    @functools.cached_property
    def _text_stream(self) -> torch.cuda.Stream:
        """The stream of a GPU for texts, which need not wait for the images that it was given before."""
        stream = torch.cuda.Stream(self.device)
        # The weights may be on their way.
        stream.wait_stream(torch.cuda.current_stream(self.device))
        return stream

    @property
    def needs_content(self) -> bool:
        """Tell whether a digest of each image is needed, as vectors or pixels are kept on disk."""
        return self.kept_images is not None or self.kept_pixels is not None

    def load_image(self, question: ImageQuestion) -> LoadedImage:
        """Read an image up to the inputs that are normalized on the device; called in reading threads or processes."""
        content = b""
        # It takes time, so it is asked for only where it is needed.
        if question.key is None or self.needs_content:
            content = question.images.content(question.doc_id)
        key = content if question.key is None else question.key
        vector = None if self.kept_images is None else self.kept_images.get(content)
        if vector is not None:
            return LoadedImage(key, content, {}, vector)
        pixels = None if self.kept_pixels is None else self.kept_pixels.get(content)
        if pixels is not None:
            return LoadedImage(key, content, {self.pixel_input: pixels})
        return LoadedImage(key, content, self.resize(question.images.load(question.doc_id)))
