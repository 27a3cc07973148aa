"""Image-text-to-text models of transformers, shrunk, with random weights, in the files that transformers writes.

Each has its family's own classes, processor and tokens, and a chat template in the family's manner. Random weights as
they are would repeat one token for ever. So the rows of the output matrix share a direction within each of the groups
of tokens: letters, boxes, and the end. After some prompts and images the answer is a letter, after others boxes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.support.tiny_vlm_configs import PATCH, WIDTH
from tests.support.tiny_vlm_families import FAMILIES, Family, turns

__all__ = ["FAMILIES", "PATCH", "Plain", "box_tokens", "save", "turns"]

CORPUS = [
    "Answer with a single letter, no extra details.\n"
    "Question:What is the most likely microscopy modality used to acquire this image?",
    "detect segment nucleus; cell; gland; mitochondria fluorescence electron light microscopy of none of the above",
]
NUM_PIECES = 420
# Of an answer, where a test does not say.
NEW_TOKENS = 12


def box_tokens(scale: float) -> dict[str, list[float]]:
    """Tokens that are a whole box each, and their numbers; ``scale`` is the largest number."""
    rng = np.random.default_rng(5)
    found = {}
    for _ in range(40):
        low, high = np.sort(rng.uniform(0.02, 0.98, (2, 2)), axis=0) * scale
        numbers = [round(float(value), 3) if scale == 1 else int(value) for value in (*low, *high)]
        found[f"{numbers}\n"] = numbers
    return found


def tokenizer(special: list[str], named: dict[str, str], boxes: list[str]) -> Any:
    """A byte-level tokenizer with pieces learnt from `CORPUS`, special tokens, and boxes as tokens of their own."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        CORPUS * 2, trainers.BpeTrainer(vocab_size=NUM_PIECES, initial_alphabet=alphabet, show_progress=False)
    )
    backend.add_tokens([f"Ġ{letter}" for letter in "ABCDEFGH"])
    found = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="<|im_end|>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=named,
    )
    found.add_special_tokens(
        {"additional_special_tokens": ["<|im_start|>", *special]}, replace_extra_special_tokens=False
    )
    found.add_tokens(boxes)
    return found


def save(folder: Path, family: str, seed: int | None = None) -> Path:
    """Write a checkpoint of one of `FAMILIES`, with its processor and chat template."""
    made = FAMILIES[family]
    words = tokenizer(made.special, made.named, list(box_tokens(made.box_scale)))
    config, processor = made.build(words)
    processor.chat_template = made.template
    torch.manual_seed(made.seed if seed is None else seed)
    module = transformers.AutoModelForImageTextToText.from_config(config)
    _spread(module, words, made)
    module.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _spread(module: Any, words: Any, made: Family) -> None:
    """Make weights so large that images and prompts matter, and the output's rows as the module's docstring says."""
    for name, values in module.named_parameters():
        if values.ndim > 1:
            torch.nn.init.normal_(values, std=1.5 / values.shape[-1] ** 0.5 if values.ndim == 2 else 0.1)
        elif "post_" in name and "layernorm" in name and module.config.model_type == "gemma3":
            # In Gemma 3 this is how much a layer adds.
            torch.nn.init.constant_(values, 6.0)
    rows = module.get_output_embeddings().weight.data
    torch.nn.init.normal_(rows, std=0.15)
    groups = (
        (list(box_tokens(made.box_scale)), 1.0),
        ([*"ABCDEFGH", *(f"Ġ{letter}" for letter in "ABCDEFGH")], 1.0),
        (["<|im_end|>"], 1.2),
    )
    directions = torch.linalg.qr(torch.randn(WIDTH, len(groups)))[0].T
    for (tokens, leaning), direction in zip(groups, directions, strict=True):
        rows[words.convert_tokens_to_ids(tokens)] += leaning * direction


class Plain:
    """One image and one question at a time, as transformers' documentation of chat templates has it."""

    def __init__(self, folder: Path) -> None:
        self.processor = transformers.AutoProcessor.from_pretrained(folder)
        self.model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
        self._known: dict[Any, list[int]] = {}

    def inputs(self, image: Any, prompt: str) -> Any:
        conversation = [
            {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": prompt}]}
        ]
        return self.processor.apply_chat_template(
            conversation, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )

    def tokens(self, image: Any, prompt: str, max_new_tokens: int = NEW_TOKENS) -> list[int]:
        """What is written after the prompt; worked out once."""
        key = (image.size, image.tobytes(), prompt, max_new_tokens)
        if key not in self._known:
            inputs = self.inputs(image, prompt)
            with torch.inference_mode():
                written = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
            self._known[key] = written[0][inputs["input_ids"].shape[-1] :].tolist()
        return self._known[key]

    def text(self, image: Any, prompt: str, max_new_tokens: int = NEW_TOKENS) -> str:
        return self.processor.decode(self.tokens(image, prompt, max_new_tokens), skip_special_tokens=True)

    def shares(self, image: Any, prompt: str, letters: str) -> list[float]:
        """The softmax of the last logits over the whole vocabulary: of each letter, with and without a space."""
        with torch.inference_mode():
            logits = self.model(**self.inputs(image, prompt)).logits[0, -1].double()
        numbers = self.processor.tokenizer.convert_tokens_to_ids
        return [float(logits.softmax(0)[[numbers(letter), numbers(f"Ġ{letter}")]].sum()) for letter in letters]
