"""The families of `tests.support.tiny_vlm`: tokens, chat template and boxes of each."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support import tiny_vlm_configs as configs

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chatml(image: str, system: str = "") -> str:
    """Qwen's manner of turns, around the family's tokens for an image."""
    before = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    return before + CHATML.replace("IMAGE", image)


def turns(user: str, assistant: str, image: str) -> str:
    """Other families' manner: words or tokens before a turn."""
    template = (
        "{{ bos_token }}{% for message in messages %}USER"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
        "{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT{% endif %}"
    )
    for name, text in (("USER", user), ("ASSISTANT", assistant), ("IMAGE", image)):
        template = template.replace(name, text)
    return template


@dataclass(frozen=True)
class Family:
    """How a family's checkpoint is made.

    Attributes:
        special: its special tokens.
        build: returns configuration and processor, given the tokenizer.
        template: its chat template.
        named: special tokens that its tokenizer has as attributes.
        box_scale: the largest number in its boxes.
        seed: of weights that write boxes, among others.
    """

    special: list[str]
    build: Callable[[Any], tuple[Any, Any]]
    template: str
    named: dict[str, str] = field(default_factory=dict)
    box_scale: float = 1000
    seed: int = 5


_QWEN_TOKENS = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
_QWEN_TEMPLATE = chatml("<|vision_start|><|image_pad|><|vision_end|>", "You are a helpful assistant.")
_GLM_TOKENS = ["image", "video", "begin_of_image", "end_of_image", "begin_of_video", "end_of_video"]
_SPLIT_TOKENS = (
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    "<end_of_utterance>",
    *(f"<row_{row}_col_{column}>" for row, column in itertools.product(range(1, 5), range(1, 5))),
)

FAMILIES = {
    "qwen2_vl": Family(_QWEN_TOKENS, configs.qwen("Qwen2VL", "qwen2_vl"), _QWEN_TEMPLATE),
    "qwen2_5_vl": Family(_QWEN_TOKENS, configs.qwen("Qwen2_5_VL", "qwen2_5_vl"), _QWEN_TEMPLATE, box_scale=80),
    "qwen3_vl": Family(
        _QWEN_TOKENS, configs.qwen("Qwen3VL", "qwen3_vl", 16), chatml("<|vision_start|><|image_pad|><|vision_end|>")
    ),
    "llava": Family(["<image>"], configs.llava, turns("USER: ", " ASSISTANT:", "<image>\n"), box_scale=1),
    "llava_next": Family(["<image>"], configs.llava_next, turns("[INST] ", " [/INST]", "<image>\n"), box_scale=1),
    "llava_onevision": Family(["<image>", "<video>"], configs.llava_onevision, chatml("<image>\n"), box_scale=60),
    "internvl": Family(
        [],
        configs.internvl,
        chatml("<IMG_CONTEXT>\n"),
        {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
    ),
    "gemma3": Family(
        [],
        configs.gemma3,
        turns("<|im_start|>user\n", "<|im_end|>\n<|im_start|>model\n", "<start_of_image>"),
        {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"},
        seed=1,
    ),
    "idefics3": Family(
        [*_SPLIT_TOKENS],
        configs.idefics3,
        turns("<|im_start|>User:", "<end_of_utterance>Assistant:", "<image>"),
        box_scale=60,
    ),
    "smolvlm": Family(
        [*_SPLIT_TOKENS, "<video>"],
        configs.smolvlm,
        turns("<|im_start|>User:", "<end_of_utterance>Assistant:", "<image>"),
        box_scale=60,
    ),
    "idefics2": Family(
        ["<image>", "<fake_token_around_image>", "<end_of_utterance>"],
        configs.idefics2,
        turns("User:", "<end_of_utterance>Assistant:", "<image>"),
        box_scale=60,
    ),
    "mistral3": Family(
        ["[IMG]", "[IMG_BREAK]", "[IMG_END]"], configs.mistral3, turns("[INST]", "[/INST]", "[IMG]"), box_scale=60
    ),
    "glm4v": Family(
        [f"<|{token}|>" for token in _GLM_TOKENS],
        configs.glm4v,
        turns("<|im_start|>user\n", "<|im_start|>assistant\n", "<|begin_of_image|><|image|><|end_of_image|>"),
    ),
}
