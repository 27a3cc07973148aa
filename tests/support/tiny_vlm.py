"""Image-text-to-text models of transformers, shrunk, with random weights, in the files that transformers writes.

Each has its family's own classes, processor and tokens, and a chat template in the family's manner. Random weights as
they are would repeat one token for ever. So the rows of the output matrix share a direction within each of the groups
of `_LEANINGS`: letters, boxes, and the end. After some prompts and images the answer is a letter, after others boxes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

CORPUS = [
    "Answer with a single letter, no extra details.\n"
    "Question:What is the most likely microscopy modality used to acquire this image?",
    "detect segment nucleus; cell; gland; mitochondria fluorescence electron light microscopy of none of the above",
]
NUM_PIECES = 420
WIDTH = 64
PATCH = 14
# Of an answer, where a test does not say.
NEW_TOKENS = 12
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": PATCH,
}
HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
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
    return (
        (
            "{{ bos_token }}{% for message in messages %}USER"
            "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
            "{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endfor %}"
            "{% if add_generation_prompt %}ASSISTANT{% endif %}"
        )
        .replace("USER", user)
        .replace("ASSISTANT", assistant)
        .replace("IMAGE", image)
    )


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


def _number(words: Any, token: str) -> int:
    return words.convert_tokens_to_ids(token)


def _text(words: Any, kind: str, **more: Any) -> dict[str, Any]:
    tokens = {
        "pad_token_id": words.pad_token_id,
        "eos_token_id": words.eos_token_id,
        "bos_token_id": words.bos_token_id,
    }
    return TEXT | tokens | {"model_type": kind, "vocab_size": len(words) + 8} | more


def _qwen(name: str, kind: str, patch: int = PATCH) -> Callable[[Any], tuple[Any, Any]]:
    def build(words: Any) -> tuple[Any, Any]:
        config_class = getattr(transformers, f"{name}Config")
        ids = {
            "image_token_id": _number(words, "<|image_pad|>"),
            "video_token_id": _number(words, "<|video_pad|>"),
            "vision_start_token_id": _number(words, "<|vision_start|>"),
            "vision_end_token_id": _number(words, "<|vision_end|>"),
        }
        vision = {"depth": 2, "num_heads": 2, "patch_size": patch, "hidden_size": 32, "intermediate_size": 64}
        rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
        if kind == "qwen2_vl":
            vision |= {"embed_dim": 32, "hidden_size": WIDTH, "mlp_ratio": 2}
        else:
            vision |= {"out_hidden_size": WIDTH}
        if kind == "qwen2_5_vl":
            vision |= {"fullatt_block_indexes": [1], "window_size": 56}
        if kind == "qwen3_vl":
            vision |= {"deepstack_visual_indexes": [0], "num_position_embeddings": 64}
            rope["mrope_interleaved"] = True
        config = config_class(
            text_config=_text(words, f"{kind}_text", rope_parameters=rope, head_dim=16), vision_config=vision, **ids
        )
        sizes = {
            "patch_size": patch,
            "size": {"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": 9 * (2 * patch) ** 2},
        }
        images = transformers.Qwen2VLImageProcessor(**sizes)
        videos_class = transformers.Qwen3VLVideoProcessor if kind == "qwen3_vl" else transformers.Qwen2VLVideoProcessor
        processor_class = getattr(transformers, f"{name.replace('_VL', 'VL')}Processor", None) or getattr(
            transformers, f"{name}Processor"
        )
        return config, processor_class(images, words, videos_class(**sizes))

    return build


def _llava(words: Any) -> tuple[Any, Any]:
    config = transformers.LlavaConfig(
        vision_config=VISION | {"model_type": "clip_vision_model", "image_size": 56, "projection_dim": 32},
        text_config=_text(words, "llama"),
        image_token_index=_number(words, "<image>"),
        vision_feature_layer=-1,
        image_seq_length=16,
    )
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    return config, transformers.LlavaProcessor(
        images, words, patch_size=PATCH, vision_feature_select_strategy="default", num_additional_image_tokens=1
    )


def _llava_next(words: Any) -> tuple[Any, Any]:
    pinpoints = [[56, 112], [112, 56], [112, 112]]
    config = transformers.LlavaNextConfig(
        vision_config=VISION | {"model_type": "clip_vision_model", "image_size": 56, "projection_dim": 32},
        text_config=_text(words, "llama"),
        image_token_index=_number(words, "<image>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
        image_seq_length=16,
    )
    images = transformers.LlavaNextImageProcessor(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}, image_grid_pinpoints=pinpoints
    )
    return config, transformers.LlavaNextProcessor(
        images, words, patch_size=PATCH, vision_feature_select_strategy="default", num_additional_image_tokens=1
    )


def _llava_onevision(words: Any) -> tuple[Any, Any]:
    pinpoints = [[56, 112], [112, 56], [112, 112]]
    config = transformers.LlavaOnevisionConfig(
        vision_config=VISION | {"model_type": "siglip_vision_model", "image_size": 56, "vision_use_head": False},
        text_config=_text(words, "qwen2"),
        image_token_index=_number(words, "<image>"),
        video_token_index=_number(words, "<video>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
    )
    images = transformers.LlavaOnevisionImageProcessor(
        size={"height": 56, "width": 56}, image_grid_pinpoints=pinpoints, **HALVES
    )
    return config, transformers.LlavaOnevisionProcessor(
        images,
        words,
        transformers.LlavaOnevisionVideoProcessor(size={"height": 56, "width": 56}),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
    )


def _internvl(words: Any) -> tuple[Any, Any]:
    config = transformers.InternVLConfig(
        vision_config=VISION | {"image_size": [56, 56], "patch_size": [14, 14]},
        text_config=_text(words, "qwen2"),
        image_token_id=_number(words, "<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    images = transformers.GotOcr2ImageProcessor(
        size={"height": 56, "width": 56}, crop_to_patches=True, min_patches=1, max_patches=4, **HALVES
    )
    videos = transformers.InternVLVideoProcessor(size={"height": 56, "width": 56})
    return config, transformers.InternVLProcessor(images, words, videos, image_seq_length=4)


def _gemma3(words: Any) -> tuple[Any, Any]:
    config = transformers.Gemma3Config(
        vision_config=VISION | {"image_size": 56, "vision_use_head": False},
        text_config=_text(
            words,
            "gemma3_text",
            head_dim=16,
            sliding_window=24,
            query_pre_attn_scalar=16,
            layer_types=["sliding_attention", "full_attention"],
        ),
        mm_tokens_per_image=4,
        image_token_index=_number(words, "<image_soft_token>"),
        boi_token_index=_number(words, "<start_of_image>"),
        eoi_token_index=_number(words, "<end_of_image>"),
    )
    images = transformers.Gemma3ImageProcessor(size={"height": 56, "width": 56}, **HALVES)
    return config, transformers.Gemma3Processor(images, words, image_seq_length=4)


def _idefics3(words: Any) -> tuple[Any, Any]:
    config = transformers.Idefics3Config(
        vision_config=VISION | {"image_size": 56},
        text_config=_text(words, "llama"),
        image_token_id=_number(words, "<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    images = transformers.Idefics3ImageProcessor(
        size={"longest_edge": 112}, max_image_size={"longest_edge": 56}, **HALVES
    )
    return config, transformers.Idefics3Processor(images, words, image_seq_len=4)


def _smolvlm(words: Any) -> tuple[Any, Any]:
    config = transformers.SmolVLMConfig(
        vision_config=VISION | {"image_size": 56},
        text_config=_text(words, "llama"),
        image_token_id=_number(words, "<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    sizes = {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}}
    return config, transformers.SmolVLMProcessor(
        transformers.SmolVLMImageProcessor(**sizes, **HALVES),
        words,
        transformers.SmolVLMVideoProcessor(
            **sizes, video_sampling={"fps": 1, "max_frames": 2, "video_size": {"longest_edge": 112}}
        ),
        image_seq_len=4,
    )


def _idefics2(words: Any) -> tuple[Any, Any]:
    config = transformers.Idefics2Config(
        vision_config=VISION | {"image_size": 112},
        perceiver_config={
            "hidden_size": WIDTH,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 16,
            "num_key_value_heads": 1,
        },
        text_config=_text(words, "mistral", sliding_window=None),
        image_token_id=_number(words, "<image>"),
    )
    images = transformers.Idefics2ImageProcessor(
        size={"shortest_edge": 28, "longest_edge": 112}, do_image_splitting=False, **HALVES
    )
    return config, transformers.Idefics2Processor(images, words, image_seq_len=4)


def _mistral3(words: Any) -> tuple[Any, Any]:
    config = transformers.Mistral3Config(
        vision_config={"model_type": "pixtral"} | VISION | {"image_size": 112, "head_dim": 16},
        text_config=_text(words, "mistral", sliding_window=None, head_dim=16),
        image_token_index=_number(words, "[IMG]"),
        spatial_merge_size=2,
        vision_feature_layer=-1,
    )
    images = transformers.PixtralImageProcessor(size={"longest_edge": 112}, patch_size={"height": 28, "width": 28})
    return config, transformers.PixtralProcessor(images, words, patch_size=PATCH, spatial_merge_size=2)


def _glm4v(words: Any) -> tuple[Any, Any]:
    config = transformers.Glm4vConfig(
        vision_config={
            "depth": 2,
            "num_heads": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "out_hidden_size": WIDTH,
            "patch_size": PATCH,
            "image_size": 56,
        },
        text_config=_text(
            words,
            "glm4v_text",
            rope_parameters={
                "rope_type": "default",
                "mrope_section": [2, 1, 1],
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.5,
            },
        ),
        image_token_id=_number(words, "<|image|>"),
        video_token_id=_number(words, "<|video|>"),
        image_start_token_id=_number(words, "<|begin_of_image|>"),
        image_end_token_id=_number(words, "<|end_of_image|>"),
        video_start_token_id=_number(words, "<|begin_of_video|>"),
        video_end_token_id=_number(words, "<|end_of_video|>"),
    )
    sizes = {"size": {"shortest_edge": 56 * 56, "longest_edge": 2 * 84 * 84}, "patch_size": PATCH}
    return config, transformers.Glm4vProcessor(
        transformers.Glm4vImageProcessor(**sizes), words, transformers.Glm4vVideoProcessor(**sizes)
    )


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
    "qwen2_vl": Family(_QWEN_TOKENS, _qwen("Qwen2VL", "qwen2_vl"), _QWEN_TEMPLATE),
    "qwen2_5_vl": Family(_QWEN_TOKENS, _qwen("Qwen2_5_VL", "qwen2_5_vl"), _QWEN_TEMPLATE, box_scale=80),
    "qwen3_vl": Family(
        _QWEN_TOKENS, _qwen("Qwen3VL", "qwen3_vl", 16), chatml("<|vision_start|><|image_pad|><|vision_end|>")
    ),
    "llava": Family(["<image>"], _llava, turns("USER: ", " ASSISTANT:", "<image>\n"), box_scale=1),
    "llava_next": Family(["<image>"], _llava_next, turns("[INST] ", " [/INST]", "<image>\n"), box_scale=1),
    "llava_onevision": Family(["<image>", "<video>"], _llava_onevision, chatml("<image>\n"), box_scale=60),
    "internvl": Family(
        [],
        _internvl,
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
        _gemma3,
        turns("<|im_start|>user\n", "<|im_end|>\n<|im_start|>model\n", "<start_of_image>"),
        {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"},
        seed=1,
    ),
    "idefics3": Family(
        [*_SPLIT_TOKENS],
        _idefics3,
        turns("<|im_start|>User:", "<end_of_utterance>Assistant:", "<image>"),
        box_scale=60,
    ),
    "smolvlm": Family(
        [*_SPLIT_TOKENS, "<video>"],
        _smolvlm,
        turns("<|im_start|>User:", "<end_of_utterance>Assistant:", "<image>"),
        box_scale=60,
    ),
    "idefics2": Family(
        ["<image>", "<fake_token_around_image>", "<end_of_utterance>"],
        _idefics2,
        turns("User:", "<end_of_utterance>Assistant:", "<image>"),
        box_scale=60,
    ),
    "mistral3": Family(
        ["[IMG]", "[IMG_BREAK]", "[IMG_END]"], _mistral3, turns("[INST]", "[/INST]", "[IMG]"), box_scale=60
    ),
    "glm4v": Family(
        [f"<|{token}|>" for token in _GLM_TOKENS],
        _glm4v,
        turns("<|im_start|>user\n", "<|im_start|>assistant\n", "<|begin_of_image|><|image|><|end_of_image|>"),
    ),
}


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
