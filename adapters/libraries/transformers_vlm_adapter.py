"""Any image-text-to-text model of transformers, such as Qwen2.5-VL, LLaVA, InternVL, Gemma 3 and SmolVLM.

The prompt is one user turn, the image and then the harness's context, in the processor's chat template.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from loguru import logger
from PIL import Image

from microbench_adapters.libraries.answer_lengths import LengthLog
from microbench_adapters.libraries.first_token import letter_tokens
from microbench_adapters.libraries.generative_model import GenerativeModel
from microbench_adapters.libraries.generative_questions import Question
from microbench_adapters.libraries.generative_smoke_test import CASES, Together
from microbench_adapters.libraries.precision import input_dtype
from microbench_adapters.libraries.transformers_loading import load_config
from microbench_adapters.libraries.vlm_checkpoint import (
    check_image_tokens,
    find_model_class,
    load_greedy_module,
    load_processor,
)
from microbench_adapters.libraries.vlm_prompts import choose_prompts, tensors
from microbench_adapters.models.dual_encoder import Tensors
from microbench_adapters.models.execution import prefetch_map

DEFAULT_BATCH_SIZE = 8
# Tokens of the test whether a batch changes answers: the first comes from the prompt, the others from the cache.
_TEST_TOKENS = 4
_IMAGES_AHEAD = 32


class TransformersVlm(GenerativeModel):
    """An image-text-to-text model of transformers behind the harness's model API; see `GenerativeModel`.

    Whether a batch changes answers is tried when the model is loaded. If it does, only questions about images of one
    size are answered together, or each alone.

    Args:
        model: a repository on the Hub or a local folder, with configuration, processor and weights.
        revision: commit, branch or tag of the repository.
        precision: one of `PRECISIONS`.
        chat_template: a file with a Jinja template that takes the place of the processor's own.
        plain_prompt: ask without a chat template: the image, then the question.
        trust_remote_code: run code that comes with the checkpoint, if transformers has none of its own for it.
        batch_size: questions answered together.
        device: a torch device; by default the process's own GPU, else the CPU.
        max_batch_size: accepted, as the harness always passes it, and not used.

    Raises:
        ValueError: an option does not exist or cannot work here, files are missing, weights are not those of the
            architecture or not finite, or the checkpoint is no image-text-to-text model.
    """

    kind = "transformers_vlm"

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        precision: str = "fp32",
        chat_template: str | None = None,
        plain_prompt: bool = False,
        trust_remote_code: bool = False,
        batch_size: int | str = DEFAULT_BATCH_SIZE,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__(precision, batch_size, device)
        for option, value in (("plain_prompt", plain_prompt), ("trust_remote_code", trust_remote_code)):
            if not isinstance(value, bool):
                raise ValueError(f"{option}={value}: expected True or False.")
        name, version = str(model), None if revision is None else str(revision)
        config = load_config(name, version, trust_remote_code=trust_remote_code)
        model_class = find_model_class(config, name, version, trust_remote_code=trust_remote_code)
        self._processor = load_processor(name, version, trust_remote_code=trust_remote_code)
        self._prompts = choose_prompts(
            self._processor,
            config.model_type,
            name,
            None if chat_template is None else str(chat_template),
            plain_prompt,
        )
        tokenizer = self._processor.tokenizer
        self._letter_ids = letter_tokens(tokenizer, name)
        example = self._inputs([CASES[0].image], [CASES[0].prompt])
        check_image_tokens(example["input_ids"], config, name)
        module, files, dropped = load_greedy_module(
            model_class, name, version, config, tokenizer, input_dtype(precision)
        )
        self._record = self._describe(name, version, config, module, files) | {
            "prompt": self._prompts.record,
            "generation_settings_not_used": dropped,
        }
        self._together = Together.ALL
        self._take(module)
        ends = module.generation_config.eos_token_id
        self._lengths = LengthLog(
            getattr(config.get_text_config(), "max_position_embeddings", None),
            [] if ends is None else ends if isinstance(ends, list) else [ends],
        )

    @property
    def box_family(self) -> dict[str, Any]:
        """Return the checkpoint's type, and how its processor resizes images: tasks choose by it how to ask for boxes.

        ``limits`` are the smallest and the largest area in pixels, ``factor`` is what sides are multiples of; both are
        None where images are resized in another way.
        """
        images = self._processor.image_processor
        size = getattr(images, "size", None) or {}
        limits = (size.get("shortest_edge"), size.get("longest_edge"))
        sides = (getattr(images, "patch_size", None), getattr(images, "merge_size", None))
        is_by_area = all(isinstance(number, int) for number in (*limits, *sides))
        return {
            "model_type": self.module.config.model_type,
            "limits": limits if is_by_area else None,
            "factor": math.prod(sides) if is_by_area else None,
        }

    def run_record(self) -> dict[str, Any]:
        """Log how many answers broke off; nothing is added to the record, which a resumed run must repeat."""
        self._lengths.log_totals()
        return {}

    def _note_lengths(self, questions: list[Question], inputs: Tensors, tokens: torch.Tensor) -> None:
        self._lengths.add(questions, inputs, tokens)

    def _inputs(self, images: list[Image.Image], prompts: list[str]) -> Tensors:
        with self._processor_lock:
            return tensors(self._prompts.inputs(images, prompts))

    def _smoke_test(self) -> None:
        examiner = self._examiner()
        alone = examiner.check(CASES, _TEST_TOKENS)
        if self.batch_size == 1:
            return
        self._together, reason = examiner.find_together(alone)
        if self._together is not Together.ALL:
            logger.warning(
                f"{self._record['checkpoint']}: a batch of different images changes its answers ({reason}), so "
                f"{self._together.value} are answered together."
            )

    def _batch_keys(self, questions: list[Question]) -> Iterable[Any]:
        limits = [question.max_new_tokens for question in questions]
        if self._together is Together.ALL:
            return limits
        if self._together is Together.NONE:
            return range(len(questions))
        sizes = prefetch_map(lambda question: question.load_image().size, questions, _IMAGES_AHEAD)
        return zip(limits, sizes, strict=True)
