"""Models of transformers that write an answer to a prompt about one image, in batches."""

from __future__ import annotations

import abc
import json
import threading
from collections.abc import Sequence
from typing import Any

import torch
import transformers
from PIL import Image

from microbench_adapters.checkpoints import loading
from microbench_adapters.libraries.first_token import FirstStepProbabilities
from microbench_adapters.libraries.generative_questions import Question, truncate_at
from microbench_adapters.libraries.generative_smoke_test import Examiner
from microbench_adapters.libraries.precision import autocast, input_dtype
from microbench_adapters.libraries.transformers_loading import image_settings
from microbench_adapters.libraries.transformers_tokenizers import tokenizer_sha256
from microbench_adapters.libraries.written_answers import Answer, AnswerWriter
from microbench_adapters.models.contract import round_significant
from microbench_adapters.models.dual_encoder import Tensors
from microbench_adapters.models.execution import full_precision


class GenerativeModel(AnswerWriter):
    """A model of transformers that writes answers; see `AnswerWriter`.

    Decoding is greedy. In single precision answers do not depend on batch size, order and number of processes; in half
    precision they do, by rounding.

    A subclass sets the processor and the tokens of each letter from A, and calls `_take` with the loaded module.
    """

    _processor: Any
    _letter_ids: Sequence[Sequence[int]]

    def __init__(self, precision: str, batch_size: int | str, device: str | None) -> None:
        super().__init__(precision, batch_size, device)
        self._autocast = autocast(precision, self.device)
        # A tokenizer that pads can be used by one thread at a time.
        self._processor_lock = threading.Lock()

    @property
    def _image_token(self) -> str | None:
        return getattr(self._processor, "image_token", None)

    @abc.abstractmethod
    def _inputs(self, images: list[Image.Image], prompts: list[str]) -> Tensors:
        """Return the model's inputs of a batch, texts padded at their left; called from several threads."""

    def _prepare(self, questions: list[Question]) -> Tensors:
        return self._inputs([question.load_image() for question in questions], [each.prompt for each in questions])

    def _answer_batch(self, questions: list[Question], prepared: Tensors) -> list[Answer]:
        first_step = FirstStepProbabilities(self._letter_ids)
        tokens = self._generate(prepared, questions[0].max_new_tokens, first_step)
        self._note_lengths(questions, prepared, tokens)
        texts = self._processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [
            Answer(
                truncate_at(text, question.until),
                [round_significant(probability) for probability in probabilities[: len(question.letters)]],
            )
            for question, text, probabilities in zip(questions, texts, first_step.probabilities.tolist(), strict=True)
        ]

    def _note_lengths(self, questions: list[Question], inputs: Tensors, tokens: torch.Tensor) -> None:
        """Take note of the lengths of prompts and answers, where a model reports them."""

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
