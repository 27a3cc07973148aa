"""Read what requests ask of a contrastive model: the image of each, and the texts to choose among."""

from __future__ import annotations

import collections
import itertools
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from microbench_adapters.models.contract import choice_letters, unsupported
from microbench_adapters.models.document_images import DocumentImages, ImageQuestion
from microbench_adapters.models.task_functions import TaskHooks, VisualRequest, documents, has_choices, image_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lmms_eval.api.instance import Instance


Item = TypeVar("Item")

# What messages call a model that chooses.
KIND = "contrastive model"
# After so many documents, read in a few milliseconds, a GPU may get its next batch.
_DOCS_BETWEEN = 500
# Position of the number of the document among the arguments of a request.
_DOC_ID = VisualRequest._fields.index("doc_id")


class Choice(NamedTuple):
    """One question: which of ``texts`` fits the image best?

    Attributes:
        place: task, split and number of the document.
        image: the image.
        texts: the options.
        wants_probabilities: whether the answer has a line with probabilities.
    """

    place: tuple[str, str, int]
    image: ImageQuestion
    texts: list[str]
    wants_probabilities: bool = False


def read_choices(requests: list[Instance]) -> list[Choice]:
    """Return the question of each request, from the task behind it.

    Raises:
        ValueError: a task has no choices, or a document has none or more than 26.
    """
    return Questions(requests).read(lambda: None)


class Questions:
    """What requests ask, read in two steps: images first, as a device can begin with them.

    Attributes:
        images: the image of each request.

    Raises:
        ValueError: a task has no choices.
    """

    def __init__(self, requests: list[Instance]) -> None:
        asked = [request.args for request in requests]
        positions = collections.defaultdict(list)
        for position, arguments in enumerate(asked):
            positions[arguments[-2:]].append(position)
        firsts = [requests[members[0]] for members in positions.values()]
        if unanswerable := [request for request in firsts if not has_choices(request)]:
            raise ValueError(unsupported(unanswerable, "free text", KIND))
        self._positions = list(itertools.chain.from_iterable(positions.values()))
        self._parts = [
            _QuestionsOfTask(VisualRequest(*asked[part[0]]), [asked[position][_DOC_ID] for position in part])
            for part in positions.values()
        ]
        self.images = self._in_order(part.images for part in self._parts)

    def read(self, meanwhile: Callable[[], None]) -> list[Choice]:
        """Return the question of each request.

        Args:
            meanwhile: called at the first and at every `_DOCS_BETWEEN`-th document of a task.

        Raises:
            ValueError: a document has no choices, or more than 26.
        """
        return self._in_order(part.read(meanwhile) for part in self._parts)

    def _in_order(self, parts: Iterable[list[Item]]) -> list[Item]:
        items = dict(zip(self._positions, itertools.chain.from_iterable(parts), strict=True))
        return [items[position] for position in range(len(items))]


class _QuestionsOfTask:
    """What requests about one task and split ask; see `Questions`."""

    def __init__(self, first: VisualRequest, doc_ids: list[int]) -> None:
        self._first = first
        self._hooks = TaskHooks.of(first.task)
        key = self._hooks.image_key
        keys = image_keys(first.task, first.split, doc_ids, key) if key else itertools.repeat(None, len(doc_ids))
        images = DocumentImages(first)
        self.images = [ImageQuestion(key, images, doc_id) for key, doc_id in zip(keys, doc_ids, strict=True)]

    def read(self, meanwhile: Callable[[], None]) -> list[Choice]:
        task, split, name = self._first.task, self._first.split, self._first.task_name
        choices: list[Choice] = []
        doc_ids = [image.doc_id for image in self.images]
        docs = documents(task, split, doc_ids, self._hooks.choice_columns)
        for doc, image in zip(docs, self.images, strict=True):
            texts = task.doc_to_choice(doc)
            choice_letters(texts, name, image.doc_id)
            if len(choices) % _DOCS_BETWEEN == 0:
                meanwhile()
            choices.append(Choice((name, split, image.doc_id), image, texts, self._hooks.wants_probabilities))
        return choices
