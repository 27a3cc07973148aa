"""Models that write an answer to a prompt about one image: what all of them do behind the harness's model API.

Where the task wants probabilities (see `TaskHooks`), the last line of an answer is a JSON object with that of each
letter of the question: the probability of the letter as the first token written, among all tokens of the vocabulary, so
that they need not add up to 1 (GitHub ``Ale9806/eVLLM``).
"""

from __future__ import annotations

import abc
import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from lmms_eval.api.model import lmms
from loguru import logger
from tqdm import tqdm

from microbench_adapters.checkpoints import folder_kinds
from microbench_adapters.libraries import local_files
from microbench_adapters.libraries.generative_questions import ABILITY, Question, read_questions
from microbench_adapters.libraries.precision import check_precision
from microbench_adapters.models import provenance
from microbench_adapters.models.contract import parse_options, probability_line, unsupported
from microbench_adapters.models.execution import batches, parse_batch_size, prefetch_map, resolve_device

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

Self = TypeVar("Self", bound="AnswerWriter")

# One batch is prepared while the other is answered.
_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Answer:
    """What a model wrote, and the probability of each letter of the question; none if the task does not want them."""

    text: str
    probabilities: list[float]

    def __str__(self) -> str:
        return f"{self.text}\n{probability_line(self.probabilities)}" if self.probabilities else self.text


class AnswerWriter(lmms, provenance.ProvenanceMixin):
    """A model that writes answers.

    Of a task's ``generation_kwargs`` it obeys ``max_new_tokens`` and ``until``; settings that ask for anything but
    greedy decoding are refused.

    A subclass prepares and answers batches, sets ``_record``, and calls `_take` with the loaded module.

    Args:
        precision: one of `PRECISIONS`.
        batch_size: questions answered together.
        device: a torch device; by default the process's own GPU, else the CPU.

    Raises:
        ValueError: an option does not exist or cannot work here.
    """

    is_simple = True
    # What messages call the model.
    kind: ClassVar[str]

    def __init__(self, precision: str, batch_size: int | str, device: str | None) -> None:
        super().__init__()
        self.batch_size = parse_batch_size(batch_size)
        self.device = resolve_device(device)
        check_precision(precision, self.device)
        self.precision = precision
        self._record: dict[str, Any] = {}

    @classmethod
    def create_from_arg_string(
        cls: type[Self], arg_string: str, additional_config: dict[str, Any] | None = None
    ) -> Self:
        """Build the model from ``--model_args``; see `parse_options`."""
        return cls(**parse_options(cls, arg_string, additional_config))

    @classmethod
    def check_files(cls, arguments: Mapping[str, str]) -> None:
        """Check that local weights exist and open, before anything is loaded; see `local_files.check`."""
        local_files.check(arguments, _weights)

    @property
    def _image_token(self) -> str | None:
        """Return the mark of an image's place, which prompts must not contain; None if there is none."""
        return None

    @abc.abstractmethod
    def _prepare(self, questions: list[Question]) -> Any:
        """Return what a batch of questions needs, images decoded; called from several threads."""

    @abc.abstractmethod
    def _answer_batch(self, questions: list[Question], prepared: Any) -> list[Answer]:
        """Answer a batch of questions, given what was prepared for it."""

    @abc.abstractmethod
    def _smoke_test(self) -> None:
        """Raise `ValueError` if the model does not run, or ignores image or prompt."""

    def _take(self, module: Any) -> None:
        """Move the loaded module, in its precision, to its device, and test it.

        Raises:
            ValueError: it does not run, or ignores image or prompt.
        """
        self.module: Any = module.to(self.device).eval()
        self._smoke_test()
        provenance.install()

    def record(self) -> dict[str, Any]:
        """Describe checkpoint and settings for the results file."""
        return self._record

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer each request; ask again with the task's second prompt where the answer is empty.

        Raises:
            ValueError: a task asks for what this model does not do, or shows another number of images than
                one; if a task's first question does so, it is raised before any is answered.
        """
        questions = read_questions(requests, self.kind, self._image_token)
        # Loading the image fails where a task has none or several.
        for question in {question.request.task_name: question for question in reversed(questions)}.values():
            question.load_image()
        answers = self._answer_all(questions, "Answering")
        retries = {
            index: dataclasses.replace(questions[index], prompt=prompt)
            for index, answer in enumerate(answers)
            if answer.text == "" and (prompt := questions[index].prompt_when_empty()) is not None
        }
        if retries:
            example = next(iter(retries.values())).prompt
            logger.info(f"{len(retries)} of {len(answers)} answers were empty: asking again, as in {example!r}.")
            second_answers = self._answer_all(list(retries.values()), "Asking again")
            for index, answer in zip(retries, second_answers, strict=True):
                answers[index] = answer
        return [str(answer) for answer in answers]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refuse: multiple choice is asked as a question to answer."""
        raise ValueError(unsupported(requests, "log-likelihoods", self.kind, ABILITY))

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refuse: a prompt about one image is all that is asked."""
        raise ValueError(unsupported(requests, "several rounds", self.kind, ABILITY))

    def clean(self) -> None:
        """Keep the weights, which the harness would drop after a run: the same object may be asked again."""

    def _answer_all(self, questions: list[Question], description: str) -> list[Answer]:
        """Return the answer to each question."""
        order = list(self._batches(questions))
        groups = [[questions[index] for index in batch] for batch in order]
        prepared = prefetch_map(self._prepare, groups, _BATCHES_AHEAD)
        answers: dict[int, Answer] = {}
        with tqdm(total=len(questions), desc=description, disable=self.rank != 0 or not questions) as progress:
            for batch, group, inputs in zip(order, groups, prepared, strict=True):
                answers.update(zip(batch, self._answer_batch(group, inputs), strict=True))
                progress.update(len(batch))
        return [answers[index] for index in range(len(questions))]

    def _batches(self, questions: list[Question]) -> Iterator[list[int]]:
        """Yield the numbers of the questions that are answered together."""
        alike: dict[Any, list[int]] = collections.defaultdict(list)
        for index, key in enumerate(self._batch_keys(questions)):
            alike[key].append(index)
        for indices in alike.values():
            yield from batches(indices, self.batch_size)

    def _batch_keys(self, questions: list[Question]) -> Iterable[Any]:
        """Return for each question what all questions of its batch have in common."""
        return (question.max_new_tokens for question in questions)


def _weights(folder: Path, where: str) -> list[Path]:
    folder_kinds.check_answers(folder, where)
    return local_files.transformers_weights(folder, where)
