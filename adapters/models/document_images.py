"""Read the images of documents, and the files that they are decoded from, without the other columns."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

import datasets

from microbench_adapters.models.embeddings import digest
from microbench_adapters.models.task_functions import ImageSource, TaskHooks, VisualRequest

if TYPE_CHECKING:
    from PIL.Image import Image


class DocumentImages:
    """The images of one task and split; its methods may be called from several threads and after a fork.

    Args:
        request: any request of the task and split.
    """

    def __init__(self, request: VisualRequest) -> None:
        self.task_name = request.task_name
        self._doc_to_visual = request.doc_to_visual
        self._documents = request.task.dataset[request.split]
        self._source = TaskHooks.of(request.task).image_source

    def load(self, doc_id: int) -> Image:
        """Decode the image of a document, as RGB.

        Raises:
            ValueError: the task shows another number of images.
        """
        visuals = self._doc_to_visual(self._stored.decode(doc_id) if self._stored else self._documents[doc_id])
        if len(visuals) != 1:
            raise ValueError(
                f"Task {self.task_name} shows {len(visuals)} images with one question; "
                "a contrastive model compares one image with texts."
            )
        # To convert an RGB image copies it.
        return visuals[0] if visuals[0].mode == "RGB" else visuals[0].convert("RGB")

    def content(self, doc_id: int) -> bytes:
        """Return a digest of the image, equal only for equal pixels.

        It is that of its file where the task says that it decides the pixels, else that of the pixels.
        """
        file = self._stored.read(doc_id)["bytes"] if self._stored else None
        if self._stored and file is not None:
            return digest(self._stored.source.conversion.encode(), file)
        image = self.load(doc_id)
        return digest(repr(image.size).encode(), image.tobytes())

    @functools.cached_property
    def _stored(self) -> _StoredImages | None:
        # Where the images are known already, it is never asked for.
        return _StoredImages.of(self._documents, self._source)


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


class _StoredImages:
    """The image column of documents, as it is stored."""

    def __init__(self, documents: datasets.Dataset, source: ImageSource) -> None:
        self.source = source
        self._feature = documents.features[source.column]
        self._column = documents.select_columns([source.column]).with_format("arrow")

    @classmethod
    def of(cls, documents: Any, source: ImageSource | None) -> _StoredImages | None:
        """Return the column that the task names; None if it names none, or one that stores something else."""
        if source is None or not isinstance(documents, datasets.Dataset):
            return None
        is_image = isinstance(documents.features.get(source.column), datasets.Image)
        return cls(documents, source) if is_image else None

    def read(self, doc_id: int) -> dict[str, Any]:
        """Return ``bytes`` and ``path`` of an image."""
        return self._column[doc_id][self.source.column][0].as_py()

    def decode(self, doc_id: int) -> dict[str, Any]:
        """Return the part of a document that its image is shown from."""
        return {self.source.column: self._feature.decode_example(self.read(doc_id))}
