"""Answer the harness's questions with a contrastive model.

A contrastive model cannot write; it says which of some given texts fits an image best. Any task with
``doc_to_choice`` can be asked that way. The answer is the letter of the best text, and on a second line the
probability of each letter where the task wants it (see `TaskHooks`). Tasks of output type ``multiple_choice`` ask for
log-likelihoods of a question followed by each of its options: there the best text is the likeliest.
"""

from __future__ import annotations

import abc
import collections
import contextlib
import itertools
import string
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from lmms_eval.api.instance import GenerationResult
from lmms_eval.api.model import lmms
from tqdm import tqdm

from microbench_adapters.models import distribution, provenance, scoring
from microbench_adapters.models.caching_encoder import CachingEncoder
from microbench_adapters.models.choices import KIND, Choice, Questions, read_choices
from microbench_adapters.models.contract import (
    PROBABILITY_DIGITS,
    parse_options,
    probability_line,
    round_significant,
    unsupported,
)
from microbench_adapters.models.document_images import DocumentImages, ImageQuestion
from microbench_adapters.models.task_functions import (
    VisualRequest,
    has_visual,
)
from microbench_adapters.models.truncation import TruncationLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lmms_eval.api.instance import Instance


class ContrastiveModel(CachingEncoder, lmms, provenance.ProvenanceMixin):
    """A dual encoder behind the harness's model API.

    Args:
        batch_size: see `DualEncoder`.
        device: a torch device; by default the process's own GPU, else the CPU.
        max_batch_size: accepted, as the harness always passes it, and not used.

    Raises:
        ValueError: ``batch_size`` is not a positive integer, or the device does not exist.
    """

    is_simple = True
    # Only tasks with ``doc_to_choice`` are answered: others may leave out the rest before weights are loaded.
    needs_choices: ClassVar[bool] = True

    def __init__(
        self, batch_size: int | str | None = None, device: str | None = None, max_batch_size: int | None = None
    ) -> None:
        super().__init__(batch_size, device)
        self.truncation = TruncationLog()
        provenance.install()

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: dict[str, Any] | None = None
    ) -> ContrastiveModel:
        """Build the model from ``--model_args``; see `parse_options`."""
        return cls(**parse_options(cls, arg_string, additional_config))

    @abc.abstractmethod
    def longer_than_context(self, texts: list[str]) -> list[str]:
        """Return those of ``texts`` that `tokenize` truncates."""

    @property
    @abc.abstractmethod
    def logit_scale(self) -> float:
        """Return the factor of cosine similarities."""

    @property
    def logit_bias(self) -> float | None:
        """Return what a model trained with the sigmoid loss adds to scaled similarities; None for the softmax loss."""
        return None

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer each request with the letter of the best of its task's choices, and with probabilities if wanted.

        Raises:
            ValueError: a task has no choices; raised before anything is encoded.
        """
        questions = Questions(requests)
        answers: dict[int, str] = {}
        for positions, asked, logits in self._logits(questions.images, lambda: questions.read(self.feed_device)):
            answers.update(zip(positions, self._answers(asked, logits), strict=True))
        return [answers[position] for position in range(len(requests))]

    def loglikelihood(self, requests: list[Instance]) -> list[GenerationResult]:
        """Score the texts of ``multiple_choice`` tasks: context and continuation together.

        Returns:
            For each request (loss, whether it is the best of its document's), where loss is minus the
            logarithm of the softmax over the document's texts: the harness takes the smallest.

        Raises:
            ValueError: a request comes without an image; raised before anything is encoded.
        """
        imageless = [request for request in requests if not has_visual(request)]
        if imageless:
            raise ValueError(unsupported(imageless, "the likelihood of a text without an image", KIND))
        asked = [VisualRequest(*request.args) for request in requests]
        texts = [f"{request.prompt}{request.settings}".strip() for request in asked]
        texts_of: dict[tuple[str, str, int], dict[str, None]] = collections.defaultdict(dict)
        image_of: dict[tuple[str, str, int], ImageQuestion] = {}
        images_of: dict[tuple[str, str], DocumentImages] = {}
        for request, text in zip(asked, texts, strict=True):
            texts_of[request.place][text] = None
            if request.place not in image_of:
                images = images_of.setdefault((request.task_name, request.split), DocumentImages(request))
                image_of[request.place] = ImageQuestion(None, images, request.doc_id)
        choices = [Choice(place, image_of[place], list(options)) for place, options in texts_of.items()]
        results = {}
        for _, asked_now, logits in self._logits([choice.image for choice in choices], lambda: choices):
            best = logits.argmax(axis=1)
            for choice, best_text, losses in zip(asked_now, best, scoring.losses(logits).tolist(), strict=True):
                for number, (text, loss) in enumerate(zip(choice.texts, losses, strict=True)):
                    results[choice.place, text] = (loss, number == best_text)
        # Wrapped, as the harness would turn a bare tuple into a string.
        return [GenerationResult(text=results[request.place, text]) for request, text in zip(asked, texts, strict=True)]

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refuse: a contrastive model holds no conversation."""
        raise ValueError(unsupported(requests, "several rounds", KIND))

    def clean(self) -> None:
        """Keep the weights, which the harness would drop after a run: the same object may be asked again."""

    def note_requests(self, requests: list[Instance]) -> None:
        """Count the texts that are truncated, also in questions whose answers are already known."""
        choices = read_choices(requests)
        texts = list(dict.fromkeys(text for choice in choices for text in choice.texts))
        if texts and (truncated := self.longer_than_context(texts)):
            self.truncation.add_texts(truncated, len(texts))
            self.truncation.add_ambiguous({choice.place: choice.texts for choice in choices}, self.text_tokens(texts))

    def run_record(self) -> dict[str, Any]:
        """Return the batch size, and over all processes the truncated texts and the number of questions they spoil."""
        return {
            "batch_size": self.batch_size,
            "texts_cut": sorted(distribution.union_over_processes(self.truncation.texts)),
            "questions_cut_alike": len(distribution.union_over_processes(self.truncation.ambiguous)),
        }

    def _logits(
        self, images: list[ImageQuestion], choices_of_images: Callable[[], list[Choice]]
    ) -> Iterator[tuple[list[int], list[Choice], np.ndarray]]:
        """Compare the texts of questions with their images.

        Args:
            images: the image of each question.
            choices_of_images: returns the questions; called when the work on the images has begun.

        Yields:
            Positions of questions, the questions, and the scaled similarities of their texts, a row for each.
        """
        with contextlib.closing(self.encode_new_images(images, self.asked_together)) as encoded:
            first = next(encoded)
            choices = choices_of_images()
            texts = list(dict.fromkeys(text for choice in choices for text in choice.texts))
            if new := self.encode_new_texts(texts, self.asked_together):
                self.truncation.add_texts(self.longer_than_context(new), len(new))
            if self.truncation.texts:
                self.truncation.add_ambiguous({choice.place: choice.texts for choice in choices}, self._tokens_of)
            vectors = self.text_vectors(texts)
            row_of_text = {text: row for row, text in enumerate(texts)}
            for key_of in itertools.chain([first], encoded):
                row_of_image = {key: row for row, key in enumerate(dict.fromkeys(key_of.values()))}
                scored = scoring.similarities(
                    self.image_vectors(list(row_of_image)),
                    vectors,
                    [row_of_image[key] for key in key_of.values()],
                    [[row_of_text[text] for text in choices[position].texts] for position in key_of],
                )
                positions = list(key_of)
                for block, similarities in scored:
                    asked = [positions[place] for place in block]
                    logits = self.logit_scale * similarities + (self.logit_bias or 0.0)
                    yield asked, [choices[position] for position in asked], logits

    def _answers(self, choices: list[Choice], logits: np.ndarray) -> list[str]:
        """Return the answers to choices among equally many texts, from a row of ``logits`` for each."""
        letters = [string.ascii_uppercase[best] for best in logits.argmax(axis=1)]
        return [
            f"{letter}\n{probability_line(row)}" if choice.wants_probabilities else letter
            for choice, letter, row in zip(choices, letters, self._probabilities(logits), strict=True)
        ]

    def _probabilities(self, logits: np.ndarray) -> list[list[float]]:
        """Return rounded probabilities: the softmax, or with the sigmoid loss one for each text by itself."""
        if self.logit_bias is None:
            return scoring.softmax(logits).round(PROBABILITY_DIGITS).tolist()
        # They need not add up to 1, and may be small: significant digits, not decimals.
        return [[round_significant(value) for value in row] for row in scoring.sigmoid(logits)]

    def _progress(self, description: str, total: int) -> tqdm:
        return tqdm(total=total, desc=description, disable=self.rank != 0 or total == 0)
