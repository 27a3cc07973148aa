"""How a contrastive model answers the harness's questions: the request loop.

A contrastive model cannot write; it says which of some given texts fits an image best. Any
task with ``doc_to_choice`` can be asked that way. The answer is the letter of the best text.
Where the task's ``doc_to_choice`` function has a true attribute ``wants_probabilities``, a
second line holds a JSON object with the probability of each letter, so that logs and caches of
the harness carry them; other benchmarks' parsers would find letters in it. Tasks of output type
``multiple_choice`` ask for log-likelihoods of a question with each of its options behind it:
there the best text is the likeliest.

Each distinct image and each distinct text is encoded once. Images are told apart by the
function that the task names as ``doc_to_visual``: if that has an attribute ``image_key``, a
function from a document (without its image) to something hashable, equal keys promise equal
pixels, and a known image is not even decoded. Without it, pixels are compared. Texts are told
apart by their tokens, so that texts which are the same to the model tie exactly.
"""

from __future__ import annotations

import abc
import collections
import contextlib
import string
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from lmms_eval.api.instance import GenerationResult
from lmms_eval.api.model import lmms
from loguru import logger
from tqdm import tqdm

from microbench_adapters import harness
from microbench_adapters.contract import (
    PROBABILITY_DIGITS,
    letters_of,
    options_of,
    probability_line,
    refusal,
    significant,
)
from microbench_adapters.embeddings import Embeddings, digest
from microbench_adapters.execution import batches, chosen_device, documents, positive, read_ahead, without_tf32

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance
    from PIL.Image import Image

# Named tensors of one item, or of a batch of them along the first dimension.
Tensors = dict[str, torch.Tensor]

DEFAULT_BATCH_SIZE = 64
# What messages call a model of this class.
_KIND = "contrastive model"
# Cut texts that a warning quotes; all of them stand in the results file.
_QUOTED_TEXTS = 5
# Images read ahead of the encoder, in batches: enough to keep it busy, bounded in memory.
_BATCHES_AHEAD = 2
# The arguments of a request for a log-likelihood that comes with an image.
_ARGUMENTS_WITH_IMAGE = 6


@dataclass(frozen=True)
class _Choice:
    """One request: which of ``texts`` fits the image that ``load_visuals`` returns?"""

    task_name: str
    split: str
    doc_id: int
    image_key: Hashable | None
    load_visuals: Callable[[], list[Image]]
    texts: list[str]
    wants_probabilities: bool

    @property
    def place(self) -> tuple[str, str, int]:
        return self.task_name, self.split, self.doc_id


@dataclass(frozen=True)
class _Image:
    """An image as the readers give it: its inputs, or its vector where that is kept on disk."""

    key: Hashable
    content: bytes | None
    vector: np.ndarray | None
    inputs: Tensors


class ContrastiveModel(lmms, harness.Recorded):
    """A dual encoder behind the harness's model API.

    Args:
        batch_size: images, and texts, encoded at once; results do not depend on it.
        device: a torch device; by default the process's own GPU, else the CPU.
        max_batch_size: accepted, as the harness always passes it, and not used.

    Raises:
        ValueError: ``batch_size`` is not a positive integer, or the device is not there.
    """

    is_simple = True
    # Only tasks with ``doc_to_choice`` are answered: others may leave out the rest before weights are loaded.
    needs_choices: ClassVar[bool] = True

    def __init__(
        self, batch_size: int | str = DEFAULT_BATCH_SIZE, device: str | None = None, max_batch_size: int | None = None
    ) -> None:
        super().__init__()
        self.batch_size = positive(batch_size)
        self.device = chosen_device(device)
        self.texts_cut: set[str] = set()
        self.questions_cut_alike: set[tuple[str, str, int]] = set()
        self._image_features: dict[Hashable, np.ndarray] = {}
        self._tokens_of: dict[str, bytes] = {}
        self._text_features: dict[bytes, np.ndarray] = {}
        # Of a model that keeps them on disk.
        self.kept_images: Embeddings | None = None
        self.kept_texts: Embeddings | None = None
        harness.install()

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict | None = None) -> ContrastiveModel:
        """Build the model from ``--model_args``; see `options_of`."""
        return cls(**options_of(cls, arg_string, additional_config))

    @abc.abstractmethod
    def preprocess(self, image: Image) -> Tensors:
        """One RGB image as the encoder's inputs, without a batch dimension; called from several threads."""

    @abc.abstractmethod
    def encode_images(self, images: Tensors) -> torch.Tensor:
        """Unit vectors, shape (N, D), of N preprocessed images."""

    @abc.abstractmethod
    def tokenize(self, texts: list[str]) -> Tensors:
        """The text encoder's inputs, each of shape (N, L), cut to the context and padded as the model was trained."""

    @abc.abstractmethod
    def encode_texts(self, tokens: Tensors) -> torch.Tensor:
        """Unit vectors, shape (N, D), of N tokenized texts."""

    @abc.abstractmethod
    def longer_than_context(self, texts: list[str]) -> list[str]:
        """Those of ``texts`` of which `tokenize` cuts something off."""

    @property
    @abc.abstractmethod
    def logit_scale(self) -> float:
        """What cosine similarities are multiplied by."""

    @property
    def logit_bias(self) -> float | None:
        """What a model trained with the sigmoid loss adds to scaled similarities; None for the softmax loss."""
        return None

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer each request with the letter of the best of its task's choices, and with probabilities if asked.

        Raises:
            ValueError: a task has no choices; raised before anything is encoded.
        """
        choices = _choices(requests)
        return [self._answer(choice, logits) for choice, logits in zip(choices, self._logits(choices))]

    def loglikelihood(self, requests: list[Instance]) -> list[GenerationResult]:
        """Score the texts of ``multiple_choice`` tasks: context and continuation together, as they would be read.

        Returns:
            For each request (loss, whether it is the best of its document's), where loss is minus the
            logarithm of the softmax over the document's texts: the harness takes the smallest.

        Raises:
            ValueError: a request comes without an image; raised before anything is encoded.
        """
        imageless = [request for request in requests if len(request.args) != _ARGUMENTS_WITH_IMAGE]
        if imageless:
            raise ValueError(refusal(imageless, "the likelihood of a text without an image", _KIND))
        texts: dict[tuple, dict[str, None]] = collections.defaultdict(dict)
        keys = [
            (task_name, split, doc_id) for _, _, _, doc_id, task_name, split in (request.args for request in requests)
        ]
        asked = [f"{request.args[0]}{request.args[1]}".strip() for request in requests]
        first: dict[tuple, Instance] = {}
        for key, text, request in zip(keys, asked, requests):
            texts[key][text] = None
            first.setdefault(key, request)
        choices = [_Choice(*key, None, _visuals(first[key]), list(texts[key]), False) for key in texts]
        losses = {}
        for choice, logits in zip(choices, self._logits(choices)):
            log_shares = logits - logits.max()
            log_shares -= np.log(np.exp(log_shares).sum())
            best = int(logits.argmax())
            for index, text in enumerate(choice.texts):
                losses[choice.task_name, choice.split, choice.doc_id, text] = (float(-log_shares[index]), index == best)
        # Wrapped, as the harness would turn a bare tuple into a string.
        return [GenerationResult(text=losses[(*key, text)]) for key, text in zip(keys, asked)]

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refused: a contrastive model holds no conversation."""
        raise ValueError(refusal(requests, "several rounds", _KIND))

    def clean(self) -> None:
        """Keep the weights, which the harness would drop after a run: the same object may be asked again."""

    def _logits(self, choices: list[_Choice]) -> list[np.ndarray]:
        """The scaled similarity of each choice's texts to its image, shape (number of texts,)."""
        self._encode_missing_texts(choices)
        image_keys = self._encode_missing_images(choices)
        return [self._similarities(choice.texts, key) for choice, key in zip(choices, image_keys)]

    def _similarities(self, texts: list[str], image_key: Hashable) -> np.ndarray:
        vectors = np.stack([self._text_features[self._tokens_of[text]] for text in texts])
        # Summed row by row, not by a matrix product, whose rounding depends on a row's place: equal texts must tie.
        return self.logit_scale * (vectors * self._image_features[image_key]).sum(axis=1) + (self.logit_bias or 0.0)

    def _encode_missing_texts(self, choices: list[_Choice]) -> None:
        texts = dict.fromkeys(text for choice in choices for text in choice.texts)
        unknown = [text for text in texts if text not in self._tokens_of]
        tokens = self.tokenize(unknown) if unknown else {}
        rows = _rows(tokens)
        self._tokens_of.update(zip(unknown, rows))
        # The first place of every row that is not known yet.
        places = {row: index for index, row in reversed(list(enumerate(rows))) if row not in self._text_features}
        # Entered without a text, too: the other processes of the run wait for this one.
        with self._sharing(sorted(places, key=places.__getitem__), self._text_features) as mine:
            self._encode_tokens(tokens, rows, [places[row] for row in mine])
        if unknown:
            self._note_cut_texts(unknown)
        self._note_options_cut_alike(choices, self._tokens_of)

    def note_asked(self, requests: list[Instance]) -> None:
        """Count the texts that are cut, also in questions whose answers are already known."""
        choices = _choices(requests)
        texts = list(dict.fromkeys(text for choice in choices for text in choice.texts))
        if texts and self.longer_than_context(texts):
            self._note_cut_texts(texts)
            self._note_options_cut_alike(choices, dict(zip(texts, _rows(self.tokenize(texts)))))

    def run_record(self) -> dict[str, Any]:
        """The texts that were cut and the number of questions they spoil, over all processes of the run."""
        texts, questions = harness.in_all_processes(self.texts_cut, self.questions_cut_alike)
        return {"texts_cut": sorted(texts), "questions_cut_alike": len(questions)}

    def _encode_tokens(self, tokens: Tensors, rows: list[bytes], places: list[int]) -> None:
        kept = self.kept_texts
        known = (
            {}
            if kept is None
            else {place: vector for place in places if (vector := kept.get(digest(rows[place]))) is not None}
        )
        self._text_features.update((rows[place], vector) for place, vector in known.items())
        new = [place for place in places if place not in known]
        with self._progress("Encoding texts", len(new)) as progress, _writing(kept):
            for batch in batches(new, self.batch_size):
                vectors = self._run(self.encode_texts, {name: values[batch] for name, values in tokens.items()})
                for place, vector in zip(batch, vectors):
                    self._text_features[rows[place]] = vector
                    if kept is not None:
                        kept.add(digest(rows[place]), vector)
                progress.update(len(batch))

    def _note_cut_texts(self, texts: list[str]) -> None:
        cut = self.longer_than_context(texts)
        if cut:
            quoted = ", ".join(repr(text) for text in cut[:_QUOTED_TEXTS])
            more = f" and {len(cut) - _QUOTED_TEXTS} more" if len(cut) > _QUOTED_TEXTS else ""
            logger.warning(
                f"{len(cut)} of {len(texts)} texts are longer than the model's context, which cuts them: {quoted}{more}. The results file lists all (loaded_model.texts_cut)."
            )
        self.texts_cut.update(cut)

    def _note_options_cut_alike(self, choices: list[_Choice], tokens_of: dict[str, bytes]) -> None:
        """Questions that the model cannot answer, as cutting made two of their options the same."""
        if not self.texts_cut:
            return
        alike = {
            choice.place
            for choice in choices
            if len({tokens_of[text] for text in choice.texts}) < len(set(choice.texts))
        }
        if alike - self.questions_cut_alike:
            task_name, _, doc_id = min(alike)
            logger.warning(
                f"{len(alike)} questions have options that are the same once cut to the context, such as document {doc_id} of {task_name}: the first of them is answered."
            )
        self.questions_cut_alike |= alike

    def _encode_missing_images(self, choices: list[_Choice]) -> list[Hashable]:
        """Encode what is not known yet; the key of each choice's image."""
        keyed = {choice.image_key: index for index, choice in enumerate(choices) if choice.image_key is not None}
        with self._sharing([key for key in keyed if key not in self._image_features], self._image_features) as mine:
            self._encode_images_of([choices[keyed[key]] for key in mine])
        unkeyed = [index for index, choice in enumerate(choices) if choice.image_key is None]
        found = self._encode_images_of([choices[index] for index in unkeyed])
        keys = [choice.image_key for choice in choices]
        for index, key in zip(unkeyed, found):
            keys[index] = key
        return keys

    def _encode_images_of(self, choices: list[_Choice]) -> list[Hashable]:
        """Encode the images of ``choices``, each content once; the key of each."""
        loaded: list[Hashable] = []
        with self._progress("Encoding images", len(choices)) as progress, _writing(self.kept_images):
            for batch in batches(read_ahead(self._load, choices, _BATCHES_AHEAD * self.batch_size), self.batch_size):
                self._image_features.update((image.key, image.vector) for image in batch if image.vector is not None)
                new = {image.key: image for image in batch if image.key not in self._image_features}
                if new:
                    self._encode(list(new.values()))
                loaded += [image.key for image in batch]
                progress.update(len(batch))
        return loaded

    @contextlib.contextmanager
    def _sharing(self, wanted: list[Hashable], features: dict[Any, np.ndarray]) -> Iterator[list[Hashable]]:
        """Of what is wanted, what this process is to put into ``features``; then the processes of the run exchange what several want."""
        if not self.asked_together:
            yield wanted
            return
        mine, shared = harness.divided(wanted)
        yield mine
        found = harness.exchanged({key: features[key] for key in shared})
        features.update((key, found[key]) for key in wanted if key not in features)

    def _encode(self, images: list[_Image]) -> None:
        for image, vector in zip(
            images, self._run(self.encode_images, _stacked([image.inputs for image in images], self.device))
        ):
            self._image_features[image.key] = vector
            if self.kept_images is not None:
                self.kept_images.add(image.content, vector)

    def _load(self, choice: _Choice) -> _Image:
        visuals = choice.load_visuals()
        if len(visuals) != 1:
            raise ValueError(
                f"Task {choice.task_name} shows {len(visuals)} images with one question; a contrastive model compares one image with texts."
            )
        image = visuals[0].convert("RGB")
        key, content, vector = choice.image_key, None, None
        if key is None or self.kept_images is not None:
            content = digest(repr(image.size).encode(), image.tobytes())
            key = content if key is None else key
        if self.kept_images is not None:
            vector = self.kept_images.get(content)
        return _Image(key, content, vector, self.preprocess(image) if vector is None else {})

    def _run(self, encode: Callable[[Tensors], torch.Tensor], batch: Tensors) -> np.ndarray:
        # Not inference_mode: under autocast on the CPU it makes a copy of each attention weight for each image.
        with torch.no_grad(), without_tf32():
            vectors = (
                encode({name: values.to(self.device, non_blocking=True) for name, values in batch.items()})
                .double()
                .cpu()
                .numpy()
            )
        if not np.isfinite(vectors).all():
            # The best of such similarities would be the first option, whatever the image.
            raise ValueError(
                f"{type(self).__name__}: {encode.__name__} gave vectors that are not finite: the weights are broken, or their precision has too small a range. Try precision=fp32."
            )
        return vectors

    def _answer(self, choice: _Choice, logits: np.ndarray) -> str:
        letter = string.ascii_uppercase[int(logits.argmax())]
        return (
            f"{letter}\n{_probability_line(logits, self.logit_bias is not None)}"
            if choice.wants_probabilities
            else letter
        )

    def _progress(self, description: str, total: int) -> tqdm:
        return tqdm(total=total, desc=description, disable=self.rank != 0 or total == 0)


def _choices(requests: list[Instance]) -> list[_Choice]:
    """What each request asks, read from the task behind its ``doc_to_visual``, task by task."""
    arguments = [request.args for request in requests]
    positions = collections.defaultdict(list)
    for position, (_, _, _, _, task_name, split) in enumerate(arguments):
        positions[task_name, split].append(position)
    firsts = [requests[members[0]] for members in positions.values()]
    unanswerable = [request for request in firsts if not _has_choices(request)]
    if unanswerable:
        raise ValueError(refusal(unanswerable, "free text", _KIND))
    choices: dict[int, _Choice] = {}
    for (task_name, split), members in positions.items():
        doc_to_visual = arguments[members[0]][2]
        doc_ids = [arguments[position][3] for position in members]
        read = _choice_reader(doc_to_visual, task_name, split)
        choices.update(
            zip(
                members,
                (read(doc_id, doc) for doc_id, doc in zip(doc_ids, documents(doc_to_visual.__self__, split, doc_ids))),
            )
        )
    return [choices[position] for position in range(len(requests))]


def _has_choices(request: Instance) -> bool:
    task = getattr(request.args[2], "__self__", None)
    return task is not None and task.config.doc_to_choice is not None


def _visuals(request: Instance) -> Callable[[], list[Image]]:
    _, _, doc_to_visual, doc_id, _, split = request.args
    return lambda: doc_to_visual(doc_to_visual.__self__.dataset[split][doc_id])


def _probability_line(logits: np.ndarray, sigmoid: bool) -> str:
    """The probabilities of ``logits``, shape (number of choices,), as JSON by letter.

    With the sigmoid loss each text has a probability of its own, and they need not add up to 1.
    """
    if sigmoid:
        # Such probabilities are small: significant digits, not decimals.
        shares = [significant(share) for share in 1 / (1 + np.exp(-logits))]
    else:
        weights = np.exp(logits - logits.max())
        shares = (weights / weights.sum()).round(PROBABILITY_DIGITS).tolist()
    return probability_line(shares)


def _choice_reader(doc_to_visual: Callable, task_name: str, split: str) -> Callable[[int, dict], _Choice]:
    task = doc_to_visual.__self__
    image_key = getattr(task.config.doc_to_visual, "image_key", None)
    wants_probabilities = bool(getattr(task.config.doc_to_choice, "wants_probabilities", False))
    rows = task.dataset[split]

    def read(doc_id: int, doc: dict[str, Any]) -> _Choice:
        texts = task.doc_to_choice(doc)
        letters_of(texts, task_name, doc_id)
        return _Choice(
            task_name,
            split,
            doc_id,
            image_key(doc) if image_key else None,
            lambda: doc_to_visual(rows[doc_id]),
            texts,
            wants_probabilities,
        )

    return read


@contextlib.contextmanager
def _writing(kept: Embeddings | None) -> Iterator[None]:
    """Write what is new at the end, also of a run that is stopped."""
    try:
        yield
    finally:
        if kept is not None:
            kept.write()


def _rows(tokens: Tensors) -> list[bytes]:
    """All tokens of each text, equal for texts that are the same to the encoder."""
    arrays = [values.numpy() for values in tokens.values()]
    return [b"".join(array[index].tobytes() for array in arrays) for index in range(len(arrays[0]) if arrays else 0)]


def _stacked(items: list[Tensors], device: torch.device) -> Tensors:
    """The items as one batch; for a GPU in memory that it can read by itself."""
    return {
        name: torch.stack(
            [item[name] for item in items], out=_pinned_like(first, len(items)) if device.type == "cuda" else None
        )
        for name, first in items[0].items()
    }


def _pinned_like(item: torch.Tensor, count: int) -> torch.Tensor:
    return torch.empty((count, *item.shape), dtype=item.dtype, pin_memory=True)
