"""Read images and encode them, so that neither the readers nor the device wait for each other."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Generator, Hashable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import PIL.Image
import torch

from microbench_adapters.models import image_reading, pixel_store
from microbench_adapters.models.execution import prefetch_map
from microbench_adapters.models.image_reading import LoadedImage, ReadingProcesses

if TYPE_CHECKING:
    from tqdm import tqdm

    from microbench_adapters.models.document_images import ImageQuestion
    from microbench_adapters.models.dual_encoder import DualEncoder, Encoding, Features, Tensors
    from microbench_adapters.models.embeddings import Embeddings
    from microbench_adapters.models.pixel_store import PixelFiles

# Images prefetched for the encoder, in batches: enough to keep it busy, bounded in memory.
_BATCHES_AHEAD = 2
# Batches that a device which works beside its caller has at a time: so many that it has the next ones when it is done.
_BATCHES_UNDER_WAY = 3


class _Batch(NamedTuple):
    """Images of which the device may encode some.

    Attributes:
        images: all of them.
        new: those that it encodes.
        encoding: what it does with them; None where it has nothing to do.
    """

    images: list[LoadedImage]
    new: list[LoadedImage]
    encoding: Encoding | None

    def is_done(self) -> bool:
        """Tell whether all vectors are known."""
        return self.encoding is None or self.encoding.is_done()


class ImagePipeline:
    """Load images from memory or by readers, and encode each key once.

    Use it in a ``with`` statement, which starts the reading processes if there are any, and iterate over it once.

    Args:
        encoder: the encoder.
        questions: the images.
        features: the vectors that are known; those of the images are entered here.
        progress: counts the images.
    """

    def __init__(
        self, encoder: DualEncoder, questions: list[ImageQuestion], features: Features, progress: tqdm
    ) -> None:
        self._encoder = encoder
        self._features = features
        self._progress = progress
        in_memory = [self._from_memory(question) for question in questions]
        self._in_memory = collections.deque(image for image in in_memory if image)
        self._missing = [question for question, image in zip(questions, in_memory, strict=True) if not image]
        self._next: list[LoadedImage] = []
        self._started: collections.deque[_Batch] = collections.deque()
        self._encoding: set[Hashable] = set()
        self._finished: collections.deque[list[Hashable]] = collections.deque()

    def __enter__(self) -> ImagePipeline:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._progress)
            stack.enter_context(writing(self._encoder.kept_images))
            stack.enter_context(writing(self._encoder.kept_pixels))
            # An error ends the readers, too.
            self._readers = stack.enter_context(contextlib.closing(self._read()))
            self._loaded = iter(self._readers)
            self._exit_stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._exit_stack.close()

    def feed(self) -> None:
        """Give the device the batches that it has room for, of the images that are read by now; wait for nothing.

        To be called now and then by whoever has other things to do before it asks for vectors.
        """
        if self._encoder.works_beside_caller:
            self._finish_down_to(_BATCHES_UNDER_WAY)
            while len(self._started) < _BATCHES_UNDER_WAY and self._collect(may_wait=False):
                self._start()

    def __iter__(self) -> Iterator[list[Hashable]]:
        """Yield the keys of images as soon as their vectors are known.

        While the caller uses them, further images are read, and a device beside it encodes.
        """
        while self._collect(may_wait=True):
            self._finish_down_to(_BATCHES_UNDER_WAY - 1)
            self._start()
            # A device that does not work beside its caller is done with it.
            self._finish_down_to(_BATCHES_UNDER_WAY)
            while self._finished:
                yield self._finished.popleft()
        while self._started or self._finished:
            if not self._finished:
                self._finish()
            yield self._finished.popleft()

    # --- batches ---

    def _collect(self, may_wait: bool) -> bool:
        """Add images to the next batch; tell whether it is complete."""
        while len(self._next) < self._encoder.batch_size:
            if not (may_wait or self._is_ready()):
                return False
            image = self._in_memory.popleft() if self._in_memory else next(self._loaded, None)
            if image is None:
                break
            self._next.append(image)
        return bool(self._next)

    def _is_ready(self) -> bool:
        """Tell whether it is known without waiting which image comes next."""
        if self._in_memory or not self._missing:
            return True
        return isinstance(self._readers, ReadingProcesses) and self._readers.is_ready()

    def _start(self) -> None:
        """Let the device begin with the next batch."""
        images, self._next = self._next, []
        self._features.update((image.key, image.vector) for image in images if image.vector is not None)
        distinct = {image.key: image for image in images if image.key not in self._features}
        new = [image for key, image in distinct.items() if key not in self._encoding]
        self._encoding.update(distinct)
        encoding = None
        if new:
            inputs = _stack([image.inputs for image in new], self._encoder.device)
            self._keep_pixels(new, inputs)
            encoding = self._encoder.start_encoding(inputs, "images")
        self._started.append(_Batch(images, new, encoding))

    def _finish_down_to(self, number: int) -> None:
        """Finish what the device is done with, and wait for it until it has this number of batches."""
        while self._started and (self._started[0].is_done() or len(self._started) > number):
            self._finish()

    def _finish(self) -> None:
        """Enter the vectors of the oldest batch."""
        images, new, encoding = self._started.popleft()
        if encoding is not None:
            kept = self._encoder.kept_images
            for image, vector in zip(new, encoding.wait(), strict=True):
                self._features[image.key] = vector
                if kept is not None:
                    kept.add(image.content, vector)
            if kept is not None:
                kept.end_batch()
        self._progress.update(len(images))
        self._finished.append([image.key for image in images])

    # --- reading ---

    def _read(self) -> ReadingProcesses | Generator[LoadedImage, None, None]:
        """Load the missing images in order, beside the encoder."""
        encoder = self._encoder
        if encoder.resizing is not None and image_reading.use_processes(len(self._missing), encoder.device):
            # After resizing, all images have the size of this one.
            example = encoder.resize(PIL.Image.new("RGB", (64, 48)))
            return ReadingProcesses(encoder.load_image, self._missing, example, encoder.batch_size)
        return prefetch_map(encoder.load_image, self._missing, _BATCHES_AHEAD * encoder.batch_size)

    def _from_memory(self, question: ImageQuestion) -> LoadedImage | None:
        """Return an image that this process has resized before; None if there is none in memory."""
        memory = pixel_store.memory()
        if memory is None or self._encoder.resizing is None or question.key is None:
            return None
        pixels, content = memory.get((self._encoder.resizing, question.key))
        if pixels is None or (self._encoder.needs_content and not content):
            return None
        vector = None if self._encoder.kept_images is None else self._encoder.kept_images.get(content)
        return LoadedImage(question.key, content, {self._encoder.pixel_input: pixels}, vector)

    def _keep_pixels(self, images: list[LoadedImage], inputs: Tensors) -> None:
        """Add the resized images of a batch to those in memory and on disk, where these are kept."""
        resizing = self._encoder.resizing
        if resizing is None:
            return
        pixels = inputs[self._encoder.pixel_input]
        contents = [image.content for image in images]
        memory = pixel_store.memory()
        # Without a key of its task, an image is never looked for in memory.
        if memory is not None and images[0].key != images[0].content:
            memory.add([(resizing, image.key) for image in images], contents, pixels)
        if self._encoder.kept_pixels is not None:
            self._encoder.kept_pixels.add(contents, pixels)


@contextlib.contextmanager
def writing(kept: Embeddings | PixelFiles | None) -> Iterator[None]:
    """Write what is new at the end, also of a run that is stopped."""
    try:
        yield
    finally:
        if kept is not None:
            kept.write()


def _stack(items: list[Tensors], device: torch.device) -> Tensors:
    """Stack items to a batch; for a GPU in pinned memory, which it can read by itself."""
    batch = {}
    for name, first in items[0].items():
        shape = (len(items), *first.shape)
        batch[name] = torch.empty(shape, dtype=first.dtype, pin_memory=device.type == "cuda")
        # One by one: torch.stack would divide the copying among all cores, and wait for those that readers keep busy.
        rows = batch[name].numpy()
        for number, item in enumerate(items):
            if item[name].shape != first.shape:
                raise ValueError(
                    f"Images of one batch have {name} of shapes {[*first.shape]} and {[*item[name].shape]}."
                )
            rows[number] = item[name].numpy()
    return batch
