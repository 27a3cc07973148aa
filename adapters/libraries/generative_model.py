"""Models that write an answer to a prompt about one image, behind the harness's model API.

Decoding is greedy. Where the task wants probabilities (see `TaskHooks`), the last line is a JSON object with that of
each letter of the question: the probability of the letter as the first token written, among all tokens of the
vocabulary, so that they need not add up to 1 (GitHub ``Ale9806/eVLLM``).
"""

from __future__ import annotations

import abc
import collections
import dataclasses
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
import transformers
from lmms_eval.api.model import lmms
from loguru import logger
from PIL import Image
from tqdm import tqdm

from microbench_adapters.checkpoints import loading
from microbench_adapters.libraries.first_token import FirstStepProbabilities
from microbench_adapters.libraries.generative_questions import ABILITY, Question, read_questions, truncate_at
from microbench_adapters.libraries.generative_smoke_test import Examiner
from microbench_adapters.libraries.precision import autocast, check_precision, input_dtype
from microbench_adapters.libraries.transformers_loading import image_settings, tokenizer_sha256
from microbench_adapters.models import provenance
from microbench_adapters.models.contract import parse_options, probability_line, round_significant, unsupported
from microbench_adapters.models.dual_encoder import Tensors
from microbench_adapters.models.execution import batches, full_precision, parse_batch_size, prefetch_map, resolve_device

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

Self = TypeVar("Self", bound="GenerativeModel")

# One batch is prepared while the other is answered.
_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class _Answer:
    text: str
    probabilities: list[float]

    def __str__(self) -> str:
        return f"{self.text}\n{probability_line(self.probabilities)}" if self.probabilities else self.text


class GenerativeModel(lmms, provenance.ProvenanceMixin):
    """A model of transformers that writes answers.

    Of a task's ``generation_kwargs`` it obeys ``max_new_tokens`` and ``until``. Decoding is greedy; settings that ask
    for anything else, such as sampling, are refused. In single precision answers do not depend on batch size, order
    and number of processes; in half precision they do, by rounding.

    A subclass sets the processor and calls `_take` with the loaded module.

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

    _processor: Any

    def __init__(self, precision: str, batch_size: int | str, device: str | None) -> None:
        super().__init__()
        self.batch_size = parse_batch_size(batch_size)
        self.device = resolve_device(device)
        check_precision(precision, self.device)
        self.precision = precision
        self._autocast = autocast(precision, self.device)
        # A tokenizer that pads can be used by one thread at a time.
        self._processor_lock = threading.Lock()
        self._record: dict[str, Any] = {}

    @classmethod
    def create_from_arg_string(
        cls: type[Self], arg_string: str, additional_config: dict[str, Any] | None = None
    ) -> Self:
        """Build the model from ``--model_args``; see `parse_options`."""
        return cls(**parse_options(cls, arg_string, additional_config))

    @abc.abstractmethod
    def _inputs(self, images: list[Image.Image], prompts: list[str]) -> Tensors:
        """Return the model's inputs of a batch, texts padded at their left; called from several threads."""

    def _take(self, module: Any, letter_ids: Sequence[Sequence[int]]) -> None:
        """Move the module to its device and test it.

        Args:
            module: with its weights.
            letter_ids: the tokens of each letter from A.

        Raises:
            ValueError: it does not run, or ignores image or prompt.
        """
        self._letter_ids = letter_ids
        self.module: Any = module.to(self.device, input_dtype(self.precision)).eval()
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
        questions = read_questions(requests, self.kind, getattr(self._processor, "image_token", None))
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

    def _answer_all(self, questions: list[Question], description: str) -> list[_Answer]:
        """Return the answer to each question."""
        order = list(self._batches(questions))
        groups = [[questions[index] for index in batch] for batch in order]
        prepared = prefetch_map(self._prepare, groups, _BATCHES_AHEAD)
        answers: dict[int, _Answer] = {}
        with tqdm(total=len(questions), desc=description, disable=self.rank != 0 or not questions) as progress:
            for batch, group, inputs in zip(order, groups, prepared, strict=True):
                answers.update(zip(batch, self._answer_batch(group, inputs), strict=True))
                progress.update(len(batch))
        return [answers[index] for index in range(len(questions))]

    def _batches(self, questions: list[Question]) -> Iterator[list[int]]:
        """Yield the numbers of the questions that are answered together: they have the same limit of new tokens."""
        alike: dict[Any, list[int]] = collections.defaultdict(list)
        for index, key in enumerate(self._batch_keys(questions)):
            alike[key].append(index)
        for indices in alike.values():
            yield from batches(indices, self.batch_size)

    def _batch_keys(self, questions: list[Question]) -> Iterable[Any]:
        """Return for each question what all questions of its batch have in common."""
        return (question.max_new_tokens for question in questions)

    def _prepare(self, questions: list[Question]) -> Tensors:
        """Return the model's inputs of a batch, its images decoded; called from several threads."""
        return self._inputs([question.load_image() for question in questions], [each.prompt for each in questions])

    def _answer_batch(self, questions: list[Question], inputs: Tensors) -> list[_Answer]:
        first_step = FirstStepProbabilities(self._letter_ids)
        tokens = self._generate(inputs, questions[0].max_new_tokens, first_step)
        texts = self._processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [
            _Answer(
                truncate_at(text, question.until),
                [round_significant(probability) for probability in probabilities[: len(question.letters)]],
            )
            for question, text, probabilities in zip(questions, texts, first_step.probabilities.tolist(), strict=True)
        ]

    def _generate(self, inputs: Tensors, max_new_tokens: int, observer: transformers.LogitsProcessor) -> torch.Tensor:
        """Return the tokens written after the prompts, shape (N, at most ``max_new_tokens``)."""
        dtype = input_dtype(self.precision)
        on_device = {
            name: values.to(self.device, dtype) if values.is_floating_point() else values.to(self.device)
            for name, values in inputs.items()
        }
        with torch.inference_mode(), full_precision(), self._autocast():
            tokens = self.module.generate(
                **on_device,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                logits_processor=transformers.LogitsProcessorList([observer]),
            )
        return _without_prompts(tokens, on_device["input_ids"]).cpu()

    def _smoke_test(self) -> None:
        """Ask about test images, so that a model that cannot run, or ignores image or prompt, fails now."""
        self._examiner().check()

    def _examiner(self) -> Examiner:
        where = f"model={self._record['files']['model']}"
        return Examiner(self._inputs, self._generate, self.precision, self.device, where)

    def _describe(
        self, model: str, revision: str | None, config: Any, module: torch.nn.Module, files: dict[str, str]
    ) -> dict[str, Any]:
        """Return the record of a loaded checkpoint for the results file."""
        tokenizer = self._processor.tokenizer
        return {
            "checkpoint": model + (f"@{revision}" if revision else ""),
            "files": {"model": model, "revision": getattr(config, "_commit_hash", None) or revision} | files,
            "architecture": json.loads(config.to_json_string(use_diff=False)),
            "weights_sha256": loading.weights_sha256(module.state_dict()),
            "preprocessing": image_settings(self._processor.image_processor),
            "tokenizer": {"class": type(tokenizer).__name__, "sha256": tokenizer_sha256(tokenizer)},
            "precision": self.precision,
            "device": self.device.type,
        }


def _without_prompts(tokens: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Return the written tokens: an encoder-decoder, or a model that is given vectors, does not repeat the prompt."""
    length = prompts.shape[1]
    is_repeated = tokens.shape[1] >= length and torch.equal(tokens[:, :length], prompts)
    return tokens[:, length:] if is_repeated else tokens
