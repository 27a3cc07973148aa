"""Encode each distinct image and text once, in batches, and keep the vectors.

Images are told apart by the ``image_key`` of their task (see `TaskHooks`), else by their pixels. Texts are told apart
by their tokens, so that texts which are the same to the model tie exactly.
"""

from __future__ import annotations

import abc
import collections
import contextlib
import functools
import itertools
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
import PIL.Image
import torch
from tqdm import tqdm

from microbench_adapters.models import distribution, image_reading, pixel_store
from microbench_adapters.models.document_images import DocumentImages
from microbench_adapters.models.embeddings import Embeddings, digest
from microbench_adapters.models.execution import batches, full_precision, parse_batch_size, prefetch_map, resolve_device
from microbench_adapters.models.image_reading import LoadedImage, ReadingProcesses
from microbench_adapters.models.pixel_store import PixelFiles

if TYPE_CHECKING:
    from PIL.Image import Image

# Named tensors of one item, or of a batch of them along the first dimension.
Tensors = dict[str, torch.Tensor]
# Vectors, shape (D,), by the key of an image or by the tokens of a text.
Features = dict[Hashable, np.ndarray]

# Images prefetched for the encoder, in batches: enough to keep it busy, bounded in memory.
_BATCHES_AHEAD = 2
# Batches that a GPU is given before the first of them is waited for: enough to keep it busy while texts are read.
_BATCHES_ON_GPU = 3
DEFAULT_BATCH_SIZE = 64


class ImageQuestion(NamedTuple):
    """An image to encode.

    Attributes:
        key: equal for equal images; None if the task does not say.
        images: of the document's task.
        doc_id: number of the document.
    """

    key: Hashable | None
    images: DocumentImages
    doc_id: int


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
        self._image_features: Features = {}
        self._text_features: Features = {}
        self._tokens_of: dict[str, bytes] = {}
        # Of a model that keeps them on disk.
        self.kept_images: Embeddings | None = None
        self.kept_texts: Embeddings | None = None
        # Of a model that keeps resized images on disk.
        self.kept_pixels: PixelFiles | None = None

    @abc.abstractmethod
    def preprocess(self, image: Image) -> Tensors:
        """Convert one RGB image to the encoder's inputs, without a batch dimension; called from several threads."""

    def resize(self, image: Image) -> Tensors:
        """Do the part of `preprocess` that needs the CPU; called from several threads, or in processes."""
        return self.preprocess(image)

    def normalize(self, images: Tensors) -> Tensors:
        """Do the rest of `preprocess` for a batch of resized images, on the model's device."""
        return images

    @property
    def resizing(self) -> str | None:
        """Return as text what decides resized pixels, without the image itself: equal texts mean equal pixels.

        None if `resize` returns something else than 8-bit pixels of one size under the name ``pixel_input``.
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
        return self._start_encoding(batch, kind)()

    def _start_encoding(self, batch: Tensors, kind: Literal["images", "texts"]) -> Callable[[], np.ndarray]:
        """Let the device encode a batch; return a function that waits for the vectors and returns them."""
        is_gpu = self.device.type == "cuda"
        stream = torch.cuda.stream(self._text_stream) if is_gpu and kind == "texts" else contextlib.nullcontext()
        # Not inference_mode: under autocast on the CPU it copies each attention weight for each image.
        with stream, torch.no_grad(), full_precision():
            inputs = {name: values.to(self.device, non_blocking=is_gpu) for name, values in batch.items()}
            encoded = self.encode_images(self.normalize(inputs)) if kind == "images" else self.encode_texts(inputs)
            on_cpu = encoded.to("cpu", non_blocking=is_gpu)
            # Without it, reading the vectors would wait for all work that a GPU was given since.
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

        return wait

    @functools.cached_property
    def _text_stream(self) -> torch.cuda.Stream:
        """The stream of a GPU for texts, which need not wait for the images that it was given before."""
        stream = torch.cuda.Stream(self.device)
        # The weights may be on their way.
        stream.wait_stream(torch.cuda.current_stream(self.device))
        return stream

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
        with self._progress("Encoding texts", len(missing)) as progress, _writing(kept):
            for batch in batches(missing, self.batch_size):
                vectors = self.encode({name: values[batch] for name, values in tokens.items()}, "texts")
                for position, vector in zip(batch, vectors, strict=True):
                    self._text_features[rows[position]] = vector
                    if kept is not None:
                        kept.add(digest(rows[position]), vector)
                progress.update(len(batch))

    # --- images ---

    def encode_new_images(
        self, questions: Sequence[ImageQuestion], together: bool
    ) -> Generator[dict[int, Hashable], None, None]:
        """Encode the images that are new, and yield those whose vectors are known while others are encoded.

        Args:
            questions: an image each; images may repeat.
            together: whether all processes of the run call this method now, so that they divide the work.

        Yields:
            The keys of images, for `image_vectors`, by their positions in ``questions``; in the end of all of them.
            What comes first has not waited for anything: the device and the readers work while the caller does.
        """
        positions_of: dict[Hashable, list[int]] = {}
        for position, question in enumerate(questions):
            if question.key is not None:
                positions_of.setdefault(question.key, []).append(position)
        known = [key for key in positions_of if key in self._image_features]
        known_of = {position: key for key in known for position in positions_of.pop(key)}
        with self._sharing(list(positions_of), self._image_features, together) as own:
            for keys in self._encode_loaded([questions[positions_of[key][0]] for key in own]):
                yield known_of | {position: key for key in keys for position in positions_of.pop(key)}
                known_of = {}
        # What is left are those that other processes encoded.
        yield {position: key for key, positions in positions_of.items() for position in positions}
        without_key = [position for position, question in enumerate(questions) if question.key is None]
        positions = iter(without_key)
        for keys in self._encode_loaded([questions[position] for position in without_key]):
            yield {next(positions): key for key in keys}

    def _encode_loaded(self, questions: list[ImageQuestion]) -> Iterator[list[Hashable]]:
        """Load and encode images, each content once; yield their keys as soon as their vectors are known.

        While the device encodes a batch, the next one is read, and the one before is used by the caller. The first
        list is empty: it comes when all has begun that need not wait.
        """
        from_memory = [self._from_memory(question) for question in questions]
        known = iter([image for image in from_memory if image])
        missing = [question for question, image in zip(questions, from_memory, strict=True) if not image]
        with (
            self._progress("Encoding images", len(questions)) as progress,
            _writing(self.kept_images),
            _writing(self.kept_pixels),
            # An error ends the readers, too.
            contextlib.closing(self._read(missing)) as loaded,
        ):
            encoding: set[Hashable] = set()
            started: collections.deque[tuple[list[LoadedImage], Callable[[], None] | None]] = collections.deque()

            def start(batch: list[LoadedImage]) -> None:
                self._image_features.update((image.key, image.vector) for image in batch if image.vector is not None)
                new = {image.key: image for image in batch if image.key not in self._image_features}
                started.append(
                    (batch, self._start_image_batch([image for key, image in new.items() if key not in encoding]))
                )
                encoding.update(new)

            def finish() -> list[Hashable]:
                batch, enter = started.popleft()
                if enter is not None:
                    enter()
                progress.update(len(batch))
                return [image.key for image in batch]

            most = _BATCHES_ON_GPU if self.device.type == "cuda" else 1
            for batch in itertools.islice(batches(known, self.batch_size), most):
                start(batch)
            yield []
            for batch in batches(itertools.chain(known, loaded), self.batch_size):
                start(batch)
                if len(started) > most:
                    yield finish()
            while started:
                yield finish()

    def _start_image_batch(self, images: list[LoadedImage]) -> Callable[[], None] | None:
        """Let the device encode images; return a function that waits for their vectors and enters them."""
        if not images:
            return None
        inputs = _stack([image.inputs for image in images], self.device)
        self._keep_pixels(images, inputs)
        wait = self._start_encoding(inputs, "images")

        def enter() -> None:
            for image, vector in zip(images, wait(), strict=True):
                self._image_features[image.key] = vector
                if self.kept_images is not None:
                    self.kept_images.add(image.content, vector)
            if self.kept_images is not None:
                self.kept_images.end_batch()

        return enter

    # --- reading ---

    def _from_memory(self, question: ImageQuestion) -> LoadedImage | None:
        """Return an image that this process has resized before; None if there is none in memory."""
        memory = pixel_store.memory()
        if memory is None or self.resizing is None or question.key is None:
            return None
        pixels, content = memory.get((self.resizing, question.key))
        if pixels is None or (self._needs_content and not content):
            return None
        vector = None if self.kept_images is None else self.kept_images.get(content)
        return LoadedImage(question.key, content, {self.pixel_input: pixels}, vector)

    def _keep_pixels(self, images: list[LoadedImage], inputs: Tensors) -> None:
        """Add the resized images of a batch to those in memory and on disk, where these are kept."""
        if self.resizing is None:
            return
        pixels = inputs[self.pixel_input]
        memory = pixel_store.memory()
        # Without a key of its task, an image is never looked for in memory.
        if memory is not None and images[0].key != images[0].content:
            memory.add([(self.resizing, image.key) for image in images], [image.content for image in images], pixels)
        if self.kept_pixels is not None:
            self.kept_pixels.add([image.content for image in images], pixels)

    @property
    def _needs_content(self) -> bool:
        return self.kept_images is not None or self.kept_pixels is not None

    def _read(self, questions: list[ImageQuestion]) -> ReadingProcesses | Generator[LoadedImage, None, None]:
        """Load images in order, beside the encoder."""
        if self.resizing is not None and image_reading.use_processes(len(questions), self.device):
            # After resizing, all images have the size of this one.
            example = self.resize(PIL.Image.new("RGB", (64, 48)))
            return ReadingProcesses(self._load, questions, example, self.batch_size)
        return prefetch_map(self._load, questions, _BATCHES_AHEAD * self.batch_size)

    def _load(self, question: ImageQuestion) -> LoadedImage:
        """Read an image up to the inputs that are normalized on the device; runs on the readers."""
        content = b""
        # It takes time, so it is asked for only where it is needed.
        if question.key is None or self._needs_content:
            content = question.images.content(question.doc_id)
        key = content if question.key is None else question.key
        vector = None if self.kept_images is None else self.kept_images.get(content)
        if vector is not None:
            return LoadedImage(key, content, {}, vector)
        pixels = None if self.kept_pixels is None else self.kept_pixels.get(content)
        if pixels is not None:
            return LoadedImage(key, content, {self.pixel_input: pixels})
        return LoadedImage(key, content, self.resize(question.images.load(question.doc_id)))

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
def _writing(kept: Embeddings | PixelFiles | None) -> Iterator[None]:
    """Write what is new at the end, also of a run that is stopped."""
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
    if device.type != "cuda":
        return {name: torch.stack([item[name] for item in items]) for name in items[0]}
    batch = {}
    for name, first in items[0].items():
        batch[name] = torch.empty((len(items), *first.shape), dtype=first.dtype, pin_memory=True)
        # One by one: torch.stack would divide the copying among all cores, and wait for those that readers keep busy.
        for row, item in zip(batch[name].numpy(), items, strict=True):
            row[...] = item[name].numpy()
    return batch
