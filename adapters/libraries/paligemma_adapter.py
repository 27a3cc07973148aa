"""PaliGemma and PaliGemma 2: models that write an answer to a prompt about one image.

The prompt is the harness's context, unchanged; transformers' processor adds the image tokens and the final line break.
Decoding is greedy. Where the task wants probabilities (see `TaskHooks`), the last line is a JSON object with that of
each letter of the question: the probability of the letter's token as the first one written, among all tokens of the
vocabulary, so that they need not add up to 1 (GitHub ``Ale9806/eVLLM``).
"""

from __future__ import annotations

import collections
import dataclasses
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import transformers
from lmms_eval.api.model import lmms
from loguru import logger
from PIL import Image
from tqdm import tqdm

from microbench_adapters.checkpoints import loading
from microbench_adapters.libraries.paligemma_checkpoint import letter_tokens, load_greedy_module, load_processor
from microbench_adapters.libraries.paligemma_questions import ABILITY, KIND, Question, read_questions, truncate_at
from microbench_adapters.libraries.precision import autocast, check_precision, fallback_advice, input_dtype
from microbench_adapters.libraries.transformers_loading import image_settings, load_config, tokenizer_sha256
from microbench_adapters.models import provenance, smoke_test
from microbench_adapters.models.contract import parse_options, probability_line, round_significant, unsupported
from microbench_adapters.models.dual_encoder import Tensors
from microbench_adapters.models.execution import batches, full_precision, parse_batch_size, prefetch_map, resolve_device

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# The checkpoint of the paper's code (GitHub Ale9806/eVLLM), at the commit that other public code pins.
DEFAULT_MODEL = "google/paligemma-3b-mix-224"
DEFAULT_REVISION = "d1d8734c9c3ad0ccfeea4afc270faa356c2ba515"
# 16 images with 1,024 tokens each, and the weights of 3 billion parameters, fit a GPU with 24 GB in single precision.
DEFAULT_BATCH_SIZE = 16
# One batch is prepared while the other is answered.
_BATCHES_AHEAD = 2
# Prompts of the smoke test.
_TEST_PROMPTS = ("detect cell", "answer en What is shown?")


@dataclass(frozen=True)
class _Answer:
    text: str
    probabilities: list[float]

    def __str__(self) -> str:
        return f"{self.text}\n{probability_line(self.probabilities)}" if self.probabilities else self.text


class _FirstStepProbabilities(transformers.LogitsProcessor):
    """Record the probabilities of some tokens at the first step, and change nothing.

    Args:
        token_ids: the tokens.
    """

    def __init__(self, token_ids: list[int]) -> None:
        self._token_ids = token_ids
        self._steps: list[torch.Tensor] = []

    @property
    def probabilities(self) -> torch.Tensor:
        """Return the probabilities, shape (N, number of tokens)."""
        return self._steps[0]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return ``scores`` unchanged."""
        if not self._steps:
            probabilities = scores.float().softmax(dim=-1)
            if not bool(torch.isfinite(probabilities).all()):
                # The likeliest of such would be the first token of the vocabulary, which is padding: an empty answer.
                raise ValueError(
                    "the model's scores are not finite: the weights are broken, or their precision has too small a "
                    "range. Try precision=fp32."
                )
            self._steps.append(probabilities[:, self._token_ids].double().cpu())
        return scores


class PaliGemma(lmms, provenance.ProvenanceMixin):
    """PaliGemma, or PaliGemma 2, behind the harness's model API.

    Of a task's ``generation_kwargs`` it obeys ``max_new_tokens`` and ``until``. Decoding is greedy; settings that ask
    for anything else, such as sampling, are refused. In single precision answers do not depend on batch size, order
    and number of processes; in half precision they do, by rounding.

    Args:
        model: a repository on the Hub or a local folder, with configuration, processor and weights.
        revision: commit, branch or tag of the repository; by default, of `DEFAULT_MODEL`,
            `DEFAULT_REVISION`.
        precision: one of `PRECISIONS`.
        batch_size: questions answered together.
        device: a torch device; by default the process's own GPU, else the CPU.
        max_batch_size: accepted, as the harness always passes it, and not used.

    Raises:
        ValueError: an option does not exist or cannot work here, files are missing, weights are not
            those of the architecture or not finite, or the checkpoint is no PaliGemma.
    """

    is_simple = True

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        precision: str = "fp32",
        batch_size: int | str = DEFAULT_BATCH_SIZE,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__()
        self.batch_size = parse_batch_size(batch_size)
        self.device = resolve_device(device)
        check_precision(precision, self.device)
        self.precision = precision
        self._name, self._revision = str(model), None if revision is None else str(revision)
        if self._name == DEFAULT_MODEL and self._revision is None:
            self._revision = DEFAULT_REVISION
        config = load_config(self._name, self._revision)
        self._processor = load_processor(self._name, self._revision, config)
        # A tokenizer that pads can be used by one thread at a time.
        self._processor_lock = threading.Lock()
        module, files = load_greedy_module(self._name, self._revision, config)
        self._record = self._describe(config, module, files)
        self._letter_ids = letter_tokens(self._processor.tokenizer, self._name)
        self._autocast = autocast(precision, self.device)
        self.module: Any = module.to(self.device, input_dtype(precision)).eval()
        self._smoke_test()
        provenance.install()

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict[str, Any] | None = None) -> PaliGemma:
        """Build the model from ``--model_args``; see `parse_options`."""
        return cls(**parse_options(cls, arg_string, additional_config))

    def record(self) -> dict[str, Any]:
        """Describe checkpoint and settings for the results file."""
        return self._record

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer each request; ask again with the task's second prompt where the answer is empty.

        Raises:
            ValueError: a task asks for what this model does not do, or shows another number of images than
                one; if a task's first question does so, it is raised before any is answered.
        """
        questions = read_questions(requests)
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
        raise ValueError(unsupported(requests, "log-likelihoods", KIND, ABILITY))

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refuse: PaliGemma was trained on single prompts."""
        raise ValueError(unsupported(requests, "several rounds", KIND, ABILITY))

    def clean(self) -> None:
        """Keep the weights, which the harness would drop after a run: the same object may be asked again."""

    def _answer_all(self, questions: list[Question], description: str) -> list[_Answer]:
        """Return the answer to each question; the questions of a batch have the same limit of new tokens."""
        by_limit: dict[int, list[int]] = collections.defaultdict(list)
        for index, question in enumerate(questions):
            by_limit[question.max_new_tokens].append(index)
        order = [batch for indices in by_limit.values() for batch in batches(indices, self.batch_size)]
        groups = [[questions[index] for index in batch] for batch in order]
        prepared = prefetch_map(self._prepare, groups, _BATCHES_AHEAD)
        answers: dict[int, _Answer] = {}
        with tqdm(total=len(questions), desc=description, disable=self.rank != 0 or not questions) as progress:
            for batch, group, inputs in zip(order, groups, prepared, strict=True):
                answers.update(zip(batch, self._answer_batch(group, inputs), strict=True))
                progress.update(len(batch))
        return [answers[index] for index in range(len(questions))]

    def _prepare(self, questions: list[Question]) -> Tensors:
        """Return the model's inputs of a batch, its images decoded; called from several threads."""
        return self._inputs([question.load_image() for question in questions], [each.prompt for each in questions])

    def _inputs(self, images: list[Image.Image], prompts: list[str]) -> Tensors:
        with self._processor_lock:
            inputs = self._processor(
                images=images,
                text=[f"{self._processor.image_token}{prompt}" for prompt in prompts],
                padding="longest",
                padding_side="left",
                return_tensors="pt",
            )
        # Labels are for training.
        return {name: values for name, values in inputs.items() if name != "labels"}

    def _answer_batch(self, questions: list[Question], inputs: Tensors) -> list[_Answer]:
        first_step = _FirstStepProbabilities(self._letter_ids)
        tokens = self._generate(inputs, questions[0].max_new_tokens, first_step)
        texts = self._processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [
            _Answer(
                truncate_at(text, question.until),
                [round_significant(probability) for probability in probabilities[: len(question.letters)]],
            )
            for question, text, probabilities in zip(questions, texts, first_step.probabilities.tolist(), strict=True)
        ]

    def _generate(self, inputs: Tensors, max_new_tokens: int, first_step: _FirstStepProbabilities) -> torch.Tensor:
        """Return the tokens written after the prompts, shape (N, at most ``max_new_tokens``)."""
        on_device = {name: values.to(self.device) for name, values in inputs.items()}
        on_device["pixel_values"] = on_device["pixel_values"].to(input_dtype(self.precision))
        with torch.inference_mode(), full_precision(), self._autocast():
            tokens = self.module.generate(
                **on_device,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                logits_processor=transformers.LogitsProcessorList([first_step]),
            )
        return tokens[:, on_device["input_ids"].shape[1] :].cpu()

    def _smoke_test(self) -> None:
        """Ask about test images, so that a model that cannot run, or ignores image or prompt, fails now."""
        where = f"model={self._name}"
        one, other, *_ = smoke_test.images()
        inputs = self._inputs([one, other, one], [_TEST_PROMPTS[0], _TEST_PROMPTS[0], _TEST_PROMPTS[1]])
        smoke_test.check_pixels([{"pixel_values": values} for values in inputs["pixel_values"][:2]], where)
        first_step = _FirstStepProbabilities(list(range(self.module.config.text_config.vocab_size)))
        try:
            self._generate(inputs, 1, first_step)
        # Libraries, devices and precisions each have errors of their own.
        except Exception as error:
            raise ValueError(
                f"{where}: does not run with precision={self.precision} on {self.device}: "
                f"{type(error).__name__}: {error}.{fallback_advice(self.precision)}"
            ) from error
        probabilities = first_step.probabilities.numpy()
        for row, what, part in ((1, "images", "image encoder or projector"), (2, "prompts", "language model")):
            if not smoke_test.differ(probabilities[0], probabilities[row]):
                raise ValueError(
                    f"{where}: does not distinguish {what}: "
                    f"different {what} give the same probabilities of the first token. "
                    f"Its {part} is constant: weights are zero, untrained, or another model's."
                )

    def _describe(self, config: Any, module: torch.nn.Module, files: dict[str, str]) -> dict[str, Any]:
        tokenizer = self._processor.tokenizer
        return {
            "checkpoint": self._name + (f"@{self._revision}" if self._revision else ""),
            "files": {"model": self._name, "revision": getattr(config, "_commit_hash", None) or self._revision} | files,
            "architecture": json.loads(config.to_json_string(use_diff=False)),
            "weights_sha256": loading.weights_sha256(module.state_dict()),
            "preprocessing": image_settings(self._processor.image_processor),
            "tokenizer": {"class": type(tokenizer).__name__, "sha256": tokenizer_sha256(tokenizer)},
            "precision": self.precision,
            "device": self.device.type,
        }
