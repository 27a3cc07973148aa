"""PaliGemma and PaliGemma 2: models that write an answer to a prompt about one image.

The prompt is the harness's context as it stands; the places of the image and the closing line
break are added by transformers' processor. What is written is the likeliest token at every step.
Where the task's ``doc_to_choice`` function has a true attribute ``wants_probabilities``, a last
line holds a JSON object with the probability of each letter of the question: that of the letter's
token as the first one written, among all tokens of the vocabulary, so that they need not add up
to 1 (GitHub ``Ale9806/eVLLM``). Where the task's ``doc_to_text`` has an attribute ``when_empty``,
a function from a document (without its image) to a prompt or None, and the answer is the empty
string, that prompt is asked instead.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import string
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import transformers
from lmms_eval.api.model import lmms
from loguru import logger
from PIL import Image
from tqdm import tqdm

from microbench_adapters import harness, loading, smoke_test
from microbench_adapters.checkpoint_model import autocast, check_precision, input_dtype
from microbench_adapters.contract import letters_of, options_of, probability_line, refusal, significant
from microbench_adapters.execution import (
    batches,
    chosen_device,
    documents,
    keep_freed_memory,
    positive,
    read_ahead,
    without_tf32,
)
from microbench_adapters.transformers_adapter import (
    configuration,
    from_pretrained,
    image_settings,
    load_module,
    tokenizer_sha256,
)

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# The one that the paper's code loads (GitHub Ale9806/eVLLM), at the commit that other public code pins.
DEFAULT_MODEL = "google/paligemma-3b-mix-224"
DEFAULT_REVISION = "d1d8734c9c3ad0ccfeea4afc270faa356c2ba515"
# 16 images with 1,024 tokens each, and the weights of 3 billion parameters, fit a GPU with 24 GB in single precision.
DEFAULT_BATCH_SIZE = 16
# Where a task does not say; the paper's code allows as many.
DEFAULT_NEW_TOKENS = 100
# Of what transformers calls a PaliGemma, 2 included.
_MODEL_TYPE = "paligemma"
_LOCATIONS = [f"<loc{bin_index:04d}>" for bin_index in range(1024)]
# What messages call it.
_KIND = "PaliGemma"
_ABILITY = "only writes an answer to a prompt about one image. It runs tasks of output type generate_until with one image each, such as microbench_coarse and microbench_localization."
_ARGUMENTS_WITH_IMAGE = 6
# One is prepared while the other is answered.
_BATCHES_AHEAD = 2
_PROMPTS_TO_TRY = ("detect cell", "answer en What is shown?")
# Generation settings that change nothing where the likeliest token is written, or that other models' images have.
_WITHOUT_EFFECT = ("top_p", "top_k", "length_penalty", "early_stopping", "image_aspect_ratio", "use_cache")
# Those that change nothing at 1.
_ONE = ("num_beams", "repetition_penalty", "num_return_sequences")


@dataclass(frozen=True)
class _Question:
    """One request.

    Attributes:
        prompt: what the model is asked.
        letters: those of which the probabilities are wanted; empty if none are.
        max_new_tokens: after so many, the answer breaks off.
        until: the answer ends before the first of these strings.
    """

    request: Instance
    prompt: str
    letters: str
    max_new_tokens: int
    until: tuple[str, ...]

    @property
    def place(self) -> tuple[str, str, int]:
        """Task, split and number of the document."""
        _, _, _, doc_id, task_name, split = self.request.args
        return task_name, split, doc_id

    @property
    def task(self) -> Any:
        return self.request.args[2].__self__


@dataclass(frozen=True)
class _Answer:
    text: str
    shares: list[float]

    def __str__(self) -> str:
        return f"{self.text}\n{probability_line(self.shares)}" if self.shares else self.text


class _FirstStep(transformers.LogitsProcessor):
    """Keeps the probabilities of some tokens at the first step, shape (N, number of tokens), and changes nothing."""

    def __init__(self, token_ids: list[int]) -> None:
        self._token_ids = token_ids
        self.shares: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self.shares is None:
            probabilities = scores.float().softmax(dim=-1)
            if not bool(torch.isfinite(probabilities).all()):
                # The likeliest of such would be the first token of the vocabulary, which is padding: an empty answer.
                raise ValueError(
                    "the model's scores are not finite: the weights are broken, or their precision has too small a range. Try precision=fp32."
                )
            self.shares = probabilities[:, self._token_ids].double().cpu()
        return scores


class PaliGemma(lmms, harness.Recorded):
    """PaliGemma, or PaliGemma 2, behind the harness's model API.

    Of a task's ``generation_kwargs`` it obeys ``max_new_tokens`` and ``until``. It always writes the
    likeliest token; settings that ask for anything else, such as sampling, are refused. Answers do not
    depend on batch size, order and number of processes in single precision; in half precision rounding
    does.

    Args:
        model: a repository on the Hub or a local folder, with configuration, processor and weights.
        revision: commit, branch or tag of the repository; by default, of `DEFAULT_MODEL`,
            `DEFAULT_REVISION`.
        precision: one of `checkpoint_model.PRECISIONS`.
        batch_size: questions answered at once.
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
        self.batch_size = positive(batch_size)
        self.device = chosen_device(device)
        check_precision(precision, self.device)
        self.precision = precision
        self._name, self._revision = str(model), None if revision is None else str(revision)
        if self._name == DEFAULT_MODEL and self._revision is None:
            self._revision = DEFAULT_REVISION
        config = configuration(self._name, self._revision)
        self._processor = _processor(self._name, self._revision, config)
        self._processing = threading.Lock()
        module, files = _module(self._name, self._revision, config)
        self._record = self._recorded(config, module, files)
        self._letter_ids = _letter_ids(self._processor.tokenizer, self._name)
        self._autocast = autocast(precision, self.device)
        self.module = module.to(self.device, input_dtype(precision)).eval()
        if self.device.type == "cpu":
            keep_freed_memory()
        self._try_out()
        harness.install()

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict | None = None) -> PaliGemma:
        """Build the model from ``--model_args``; see `options_of`."""
        return cls(**options_of(cls, arg_string, additional_config))

    def record(self) -> dict[str, Any]:
        return self._record

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer each request.

        Raises:
            ValueError: a task asks for what this model does not do, or shows another number of images than
                one; if it is so with a task's first question, before any is answered.
        """
        questions = _questions(requests)
        self._check_first_images(questions)
        answers = self._answers(questions, "Answering")
        again = {
            index: prompt
            for index, answer in enumerate(answers)
            if answer.text == "" and (prompt := _prompt_when_empty(questions[index])) is not None
        }
        if again:
            logger.info(
                f"{len(again)} of {len(answers)} answers were empty: asking again, as in {next(iter(again.values()))!r}."
            )
            found = self._answers(
                [dataclasses.replace(questions[index], prompt=prompt) for index, prompt in again.items()],
                "Asking again",
            )
            for index, answer in zip(again, found):
                answers[index] = answer
        return [str(answer) for answer in answers]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refused: multiple choice is asked as a question to answer."""
        raise ValueError(refusal(requests, "log-likelihoods", _KIND, _ABILITY))

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refused: PaliGemma was trained on single prompts."""
        raise ValueError(refusal(requests, "several rounds", _KIND, _ABILITY))

    def clean(self) -> None:
        """Keep the weights, which the harness would drop after a run: the same object may be asked again."""

    def _answers(self, questions: list[_Question], description: str) -> list[_Answer]:
        """The answer to each question; a batch holds questions of one limit of new tokens."""
        by_length: dict[int, list[int]] = collections.defaultdict(list)
        for index, question in enumerate(questions):
            by_length[question.max_new_tokens].append(index)
        order = [batch for indices in by_length.values() for batch in batches(indices, self.batch_size)]
        asked = [[questions[index] for index in batch] for batch in order]
        answers: dict[int, _Answer] = {}
        with tqdm(total=len(questions), desc=description, disable=self.rank != 0 or not questions) as progress:
            for batch, group, inputs in zip(order, asked, read_ahead(self._prepared, asked, _BATCHES_AHEAD)):
                answers.update(zip(batch, self._written(group, inputs)))
                progress.update(len(batch))
        return [answers[index] for index in range(len(questions))]

    def _prepared(self, questions: list[_Question]) -> dict[str, torch.Tensor]:
        """A batch of questions as the model's inputs, its images decoded; called from several threads."""
        return self._inputs(
            [self._image(question) for question in questions], [question.prompt for question in questions]
        )

    def _image(self, question: _Question) -> Image.Image:
        task_name, split, doc_id = question.place
        visuals = question.request.args[2](self.task_dict[task_name][split][doc_id]) or []
        if len(visuals) != 1 or not isinstance(visuals[0], Image.Image):
            found = (
                f"{len(visuals)} images"
                if len(visuals) != 1
                else f"a {type(visuals[0]).__name__} in the place of an image"
            )
            raise ValueError(f"Task {task_name} shows {found} with one question; {_KIND} {_ABILITY}")
        return visuals[0].convert("RGB")

    def _check_first_images(self, questions: list[_Question]) -> None:
        """Load the image of each task's first question, which fails where a task has none or several."""
        for question in {question.place[0]: question for question in reversed(questions)}.values():
            self._image(question)

    def _inputs(self, images: list[Image.Image], prompts: list[str]) -> dict[str, torch.Tensor]:
        # A tokenizer that pads can be used by one thread at a time.
        with self._processing:
            inputs = self._processor(
                images=images,
                text=[f"{self._processor.image_token}{prompt}" for prompt in prompts],
                padding="longest",
                padding_side="left",
                return_tensors="pt",
            )
        # Labels are for training.
        return {name: values for name, values in inputs.items() if name != "labels"}

    def _written(self, questions: list[_Question], inputs: dict[str, torch.Tensor]) -> list[_Answer]:
        first_step = _FirstStep(self._letter_ids)
        tokens = self._generate(inputs, questions[0].max_new_tokens, first_step)
        texts = self._processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [
            _Answer(_cut(text, question.until), [significant(share) for share in shares[: len(question.letters)]])
            for question, text, shares in zip(questions, texts, first_step.shares.tolist(), strict=True)
        ]

    def _generate(self, inputs: dict[str, torch.Tensor], max_new_tokens: int, first_step: _FirstStep) -> torch.Tensor:
        """The tokens written after the prompts, shape (N, at most ``max_new_tokens``)."""
        given = {name: values.to(self.device) for name, values in inputs.items()}
        given["pixel_values"] = given["pixel_values"].to(input_dtype(self.precision))
        with torch.inference_mode(), without_tf32(), self._autocast():
            tokens = self.module.generate(
                **given,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                logits_processor=transformers.LogitsProcessorList([first_step]),
            )
        return tokens[:, given["input_ids"].shape[1] :].cpu()

    def _try_out(self) -> None:
        """Ask about test images, so that a model that cannot run, or ignores image or prompt, fails now."""
        where = f"model={self._name}"
        one, other, *_ = smoke_test.images()
        inputs = self._inputs([one, other, one], [*_PROMPTS_TO_TRY[:1] * 2, _PROMPTS_TO_TRY[1]])
        smoke_test.check_pixels([{"pixel_values": values} for values in inputs["pixel_values"][:2]], where)
        first_step = _FirstStep(list(range(self.module.config.text_config.vocab_size)))
        try:
            self._generate(inputs, 1, first_step)
        # Libraries, devices and precisions each have errors of their own.
        except Exception as error:
            advice = (
                ""
                if self.precision == "fp32"
                else " Use precision=fp32, or amp_bf16 (amp on older GPUs), which leaves the weights as they are."
            )
            reason = f"{type(error).__name__}: {error}.{advice}"
            raise ValueError(
                f"{where}: does not run with precision={self.precision} on {self.device}: {reason}"
            ) from error
        shares = first_step.shares.numpy()
        for row, what, part in ((1, "images", "image encoder or projector"), (2, "prompts", "language model")):
            if not smoke_test.differ(shares[0], shares[row]):
                raise ValueError(
                    f"{where}: does not distinguish {what}: "
                    f"different {what} give the same probabilities of the first token. "
                    f"Its {part} is constant: weights are zero, untrained, or another model's."
                )

    def _recorded(self, config: Any, module: torch.nn.Module, files: dict[str, str]) -> dict[str, Any]:
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


# --- the checkpoint ------------------------------------------------------------------


def _processor(model: str, revision: str | None, config: Any) -> Any:
    """The processor of images and prompts.

    Raises:
        ValueError: the checkpoint is of another type, files are missing, or the tokenizer is not that of the weights.
    """
    if config.model_type != _MODEL_TYPE:
        raise ValueError(
            f"model={model}: expected a checkpoint of type {_MODEL_TYPE} (PaliGemma and PaliGemma 2), got {config.model_type}. Run it under the harness's own name for it."
        )
    # The processor adds the tokens of places itself, with numbers that no weights were trained for.
    vocabulary = from_pretrained(transformers.AutoTokenizer, model, revision).get_vocab()
    missing = [token for token in _LOCATIONS if token not in vocabulary]
    if missing:
        raise ValueError(
            f"model={model}: its tokenizer lacks {len(missing)} of the tokens {_LOCATIONS[0]} to {_LOCATIONS[-1]}, by which {_KIND} writes boxes. Its files are not {_KIND}'s: copy tokenizer.json and tokenizer_config.json from the checkpoint's base."
        )
    processor = from_pretrained(transformers.AutoProcessor, model, revision, backend="pil")
    if processor.image_token_id != config.image_token_id:
        raise ValueError(
            f"model={model}: its tokenizer has {processor.image_token} as number {processor.image_token_id}, its config.json as {config.image_token_id}. The tokenizer belongs to another model."
        )
    # The image's token may lie beyond the words that the text model knows.
    largest = max(number for token, number in processor.tokenizer.get_vocab().items() if token != processor.image_token)
    loading.check_vocabulary(largest + 1, config.text_config.vocab_size, f"model={model}")
    return processor


def _module(model: str, revision: str | None, config: Any) -> tuple[torch.nn.Module, dict[str, str]]:
    """Return the model with its weights, set to greedy decoding, and the record of the weight files.

    Raises:
        ValueError: weights cannot be read, are not those of the architecture, or not finite.
    """
    module, files = load_module(transformers.PaliGemmaForConditionalGeneration, model, revision, config)
    loading.check_finite(module, f"model={model}")
    if config.tie_word_embeddings and module.get_output_embeddings().weight is not module.get_input_embeddings().weight:
        logger.warning(
            f"model={model}: its config.json ties the output matrix to the embeddings, but the weights contain a separate "
            f"output matrix, which is evaluated. If it was trained, set tie_word_embeddings to false; otherwise save the weights without it."
        )
    own = module.generation_config
    # Nothing else that a checkpoint may ask for: sampling, penalties, lengths.
    module.generation_config = transformers.GenerationConfig(
        bos_token_id=own.bos_token_id, eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id
    )
    return module, files


def _letter_ids(tokenizer: Any, model: str) -> list[int]:
    """The token of each letter.

    Raises:
        ValueError: letters share a token.
    """
    token_ids = [tokenizer.encode(letter, add_special_tokens=False)[0] for letter in string.ascii_uppercase]
    if len(set(token_ids)) < len(token_ids):
        raise ValueError(
            f"model={model}: its tokenizer does not tell the letters A to Z apart. Its files seem to be missing or another model's: copy tokenizer.json and tokenizer_config.json from the checkpoint's base."
        )
    return token_ids


# --- requests ------------------------------------------------------------------------


def _questions(requests: list[Instance]) -> list[_Question]:
    """What each request asks, its settings checked."""
    imageless = [
        request
        for request in requests
        if len(request.args) != _ARGUMENTS_WITH_IMAGE or getattr(request.args[2], "__self__", None) is None
    ]
    if imageless:
        raise ValueError(refusal(imageless, "an answer without an image", _KIND, _ABILITY))
    letters = _letters_wanted(requests)
    questions = []
    for index, request in enumerate(requests):
        prompt, settings, *_ = request.args
        if "<image>" in prompt:
            raise ValueError(
                f"Task {request.task_name}: its prompts contain <image>, which {_KIND}'s processor takes for the place of an image. The image is shown before the prompt: leave it out."
            )
        questions.append(
            _Question(request, prompt, letters.get(index, ""), *_checked_settings(settings, request.task_name))
        )
    return questions


def _letters_wanted(requests: list[Instance]) -> dict[int, str]:
    """The letters of the questions whose task wants their probabilities, by the request's position."""
    positions = collections.defaultdict(list)
    for position, request in enumerate(requests):
        _, _, doc_to_visual, _, task_name, split = request.args
        if getattr(doc_to_visual.__self__.config.doc_to_choice, "wants_probabilities", False):
            positions[task_name, split].append(position)
    letters = {}
    for (task_name, split), members in positions.items():
        task = requests[members[0]].args[2].__self__
        doc_ids = [requests[position].args[3] for position in members]
        for position, doc_id, doc in zip(members, doc_ids, documents(task, split, doc_ids)):
            letters[position] = letters_of(task.doc_to_choice(doc), task_name, doc_id)
    return letters


def _checked_settings(settings: dict[str, Any], task_name: str) -> tuple[int, tuple[str, ...]]:
    """The number of new tokens and the strings that end an answer.

    Raises:
        ValueError: a setting asks for anything but the likeliest token, or cannot be obeyed.
    """
    where = f"Task {task_name}, generation_kwargs"
    further = dict(settings)
    max_new_tokens = further.pop("max_new_tokens", DEFAULT_NEW_TOKENS)
    if type(max_new_tokens) is not int or max_new_tokens < 1:
        raise ValueError(f"{where}: max_new_tokens: expected an integer of at least 1, got {max_new_tokens!r}.")
    until = further.pop("until", None) or []
    until = [until] if isinstance(until, str) else until
    if not all(isinstance(end, str) and end for end in until):
        raise ValueError(f"{where}: until: expected text that is not empty, or a list of such, got {until!r}.")
    do_sample, temperature = further.pop("do_sample", None), further.pop("temperature", None)
    if do_sample is not False and temperature != 0 and (do_sample or temperature):
        raise ValueError(
            f"{where}: do_sample={do_sample}, temperature={temperature}: {_KIND} writes the likeliest token here and draws none at random. Use --gen_kwargs do_sample=False,temperature=0."
        )
    wrong = [
        f"{name}={value}"
        for name, value in further.items()
        if name not in _WITHOUT_EFFECT and not (name in _ONE and value in (1, None))
    ]
    if wrong:
        raise ValueError(
            f"{where}: {', '.join(wrong)}: not supported. {_KIND} writes the likeliest token here, up to max_new_tokens and until."
        )
    return max_new_tokens, tuple(until)


def _prompt_when_empty(question: _Question) -> str | None:
    """What the question's task offers for a second try."""
    when_empty = getattr(question.task.config.doc_to_text, "when_empty", None)
    if when_empty is None:
        return None
    _, split, doc_id = question.place
    return when_empty(question.task.dataset_no_image[split][doc_id])


def _cut(text: str, until: Iterable[str]) -> str:
    """``text`` up to the first of the strings ``until``."""
    return text[: min((place for end in until if (place := text.find(end)) >= 0), default=len(text))]
