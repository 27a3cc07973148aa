"""What models read of the harness's tasks and requests, as typed protocols.

Beside the harness's own interface, models read optional attributes of a task's functions; `TaskHooks` lists them.
Any benchmark may set them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import datasets
import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance
    from PIL.Image import Image

# A document without its image.
Doc = Mapping[str, Any]


class TaskConfig(Protocol):
    """The parts of a task's configuration that models read."""

    doc_to_visual: Any
    doc_to_text: Any
    doc_to_choice: Any


class HarnessTask(Protocol):
    """The parts of a harness task that models read."""

    config: TaskConfig
    dataset: Mapping[str, Any]
    dataset_no_image: Mapping[str, Any]

    def doc_to_choice(self, doc: Doc) -> list[str]:
        """Return the texts to choose among."""

    def doc_to_visual(self, doc: Mapping[str, Any]) -> list[Image]:
        """Return the images of a document."""


class ImageKey(Protocol):
    """``doc_to_visual.image_key``: documents with equal keys have equal pixels, so a known image is not decoded."""

    def __call__(self, doc: Doc, /) -> Hashable:
        """Return the key of a document's image."""


class ImageSource(NamedTuple):
    """``doc_to_visual.image_source``: what the image of a document is made of.

    Attributes:
        column: the only column that the function reads, with one image; the others are not read for it.
        conversion: names what the function does with the decoded image. Under an equal name, equal files give
            equal pixels, so that pixels and vectors can be kept under the content of the file.
    """

    column: str
    conversion: str


class WhenEmpty(Protocol):
    """``doc_to_text.when_empty``: what to ask instead when the answer is the empty string."""

    def __call__(self, doc: Doc, /) -> str | None:
        """Return the second prompt, or None for no second try."""


class RandomAnswer(Protocol):
    """``doc_to_text.random_answer``: how a task without choices is answered at random."""

    def __call__(self, doc: Doc, rng: np.random.Generator, /) -> str:
        """Return a random response."""


@dataclass(frozen=True)
class TaskHooks:
    """The optional attributes of a task's functions that models read.

    Attributes:
        image_key: of ``doc_to_visual``, see `ImageKey`; without it the content of images is compared.
        image_source: of ``doc_to_visual``, see `ImageSource`; without it whole documents are read.
        wants_probabilities: of ``doc_to_choice``: the answer shall have a second line, JSON with the probability of
            each letter. It is opt-in, as other benchmarks' parsers would find letters in that line.
        choice_columns: ``columns`` of ``doc_to_choice``: the only columns that the function reads; the others are not
            converted for it.
        when_empty: of ``doc_to_text``, see `WhenEmpty`.
        random_answer: of ``doc_to_text``, see `RandomAnswer`.
    """

    image_key: ImageKey | None
    image_source: ImageSource | None
    wants_probabilities: bool
    choice_columns: tuple[str, ...] | None
    when_empty: WhenEmpty | None
    random_answer: RandomAnswer | None

    @classmethod
    def of(cls, task: HarnessTask) -> TaskHooks:
        """Read the attributes of the functions that the task's configuration names."""
        config = task.config
        show = getattr(config, "doc_to_visual", None)
        source = getattr(show, "image_source", None)
        return cls(
            image_key=getattr(show, "image_key", None),
            image_source=None if source is None else ImageSource(*source),
            wants_probabilities=bool(getattr(config.doc_to_choice, "wants_probabilities", False)),
            choice_columns=getattr(config.doc_to_choice, "columns", None),
            when_empty=getattr(getattr(config, "doc_to_text", None), "when_empty", None),
            random_answer=getattr(getattr(config, "doc_to_text", None), "random_answer", None),
        )


class VisualRequest(NamedTuple):
    """The arguments of a harness request that comes with images.

    Attributes:
        prompt: the text before the answer.
        settings: generation settings; for a log-likelihood, the text that follows the prompt.
        doc_to_visual: the task's own method, which returns the images of a document.
        doc_id: number of the document in its split.
        task_name: name of the task.
        split: name of the split.
    """

    prompt: str
    settings: Any
    doc_to_visual: Callable[[Mapping[str, Any]], list[Image]]
    doc_id: int
    task_name: str
    split: str

    @property
    def task(self) -> HarnessTask:
        """Return the task behind ``doc_to_visual``."""
        return self.doc_to_visual.__self__  # type: ignore[attr-defined]  # a bound method

    @property
    def place(self) -> tuple[str, str, int]:
        """Return task, split and number of the document."""
        return self.task_name, self.split, self.doc_id

    def load_visuals(self) -> list[Image]:
        """Decode the images of the document."""
        return self.doc_to_visual(self.task.dataset[self.split][self.doc_id])


def has_visual(request: Instance) -> bool:
    """Tell whether a request comes with images and with the task behind it."""
    arguments = request.args
    return len(arguments) == len(VisualRequest._fields) and hasattr(arguments[2], "__self__")


def has_choices(request: Instance) -> bool:
    """Tell whether the task behind a request has ``doc_to_choice``."""
    return has_visual(request) and VisualRequest(*request.args).task.config.doc_to_choice is not None


def documents(
    task: HarnessTask, split: str, doc_ids: Sequence[int], names: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield documents of a task without their images; all are converted together, which is fast.

    Args:
        task: the task.
        split: name of the split.
        doc_ids: numbers of documents.
        names: of the columns that are needed; by default all. Others may come, too.
    """
    columns = _columns(task.dataset_no_image[split], doc_ids, names)
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def image_keys(task: HarnessTask, split: str, doc_ids: Sequence[int], image_key: ImageKey) -> list[Hashable]:
    """Return the key of each document's image; only the columns that the function reads are converted."""
    columns = _LazyColumns(task.dataset_no_image[split], doc_ids)
    return [image_key(_LazyDoc(columns, row)) for row in range(len(doc_ids))]


class _LazyColumns(dict[str, list[Any]]):
    """The values of columns, each converted when it is first read."""

    def __init__(self, documents: Any, doc_ids: Sequence[int]) -> None:
        super().__init__()
        self._stored = _stored_rows(documents, doc_ids)
        if self._stored is None:
            self.update(documents[doc_ids])
        self.names = list(self) if self._stored is None else self._stored.table.column_names

    def __missing__(self, name: str) -> list[Any]:
        if self._stored is None or name not in self.names:
            raise KeyError(name)
        self[name] = self._stored.table.column(name).take(self._stored.rows).to_pylist()
        return self[name]


class _LazyDoc(Mapping[str, Any]):
    """One document of lazy columns."""

    __slots__ = ("_columns", "_row")

    def __init__(self, columns: _LazyColumns, row: int) -> None:
        self._columns = columns
        self._row = row

    def __getitem__(self, name: str) -> Any:
        return self._columns[name][self._row]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns.names)

    def __len__(self) -> int:
        return len(self._columns.names)


def _columns(documents: Any, doc_ids: Sequence[int], names: Sequence[str] | None) -> Mapping[str, list[Any]]:
    """Return the values of each column, or at least of those with these names."""
    stored = _stored_rows(documents, doc_ids)
    if stored is None:
        return documents[doc_ids]
    return (stored.table if names is None else stored.table.select(names)).take(stored.rows).to_pydict()


class _StoredRows(NamedTuple):
    """Where documents are stored: which ``rows`` of which ``table``."""

    table: pa.Table
    rows: pa.Array


def _stored_rows(documents: Any, doc_ids: Sequence[int]) -> _StoredRows | None:
    """Return where documents of a selection are stored, if the plain values there are what documents show.

    `datasets` itself gathers the rows of a selection one by one.
    """
    indices = getattr(documents, "_indices", None)
    if indices is None or not _has_plain_values(documents):
        return None
    return _StoredRows(documents.data.table, indices.column(0).combine_chunks().take(pa.array(doc_ids)))


def _has_plain_values(documents: datasets.Dataset) -> bool:
    """Tell whether the stored values are those that the documents show."""
    is_decoded = any(hasattr(feature, "decode_example") for feature in documents.features.values())
    return documents.format["type"] is None and not is_decoded
