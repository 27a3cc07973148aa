"""Shrunk configurations and processors of families of image-text-to-text models; see `tests.support.tiny_vlm`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers

WIDTH = 64
PATCH = 14
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


def _number(words: Any, token: str) -> int:
    return words.convert_tokens_to_ids(token)


def _text(words: Any, kind: str, **more: Any) -> dict[str, Any]:
    tokens = {
        "pad_token_id": words.pad_token_id,
        "eos_token_id": words.eos_token_id,
        "bos_token_id": words.bos_token_id,
    }
    return TEXT | tokens | {"model_type": kind, "vocab_size": len(words) + 8} | more


def qwen(name: str, kind: str, patch: int = PATCH) -> Callable[[Any], tuple[Any, Any]]:
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


def llava(words: Any) -> tuple[Any, Any]:
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


def llava_next(words: Any) -> tuple[Any, Any]:
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


def llava_onevision(words: Any) -> tuple[Any, Any]:
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


def internvl(words: Any) -> tuple[Any, Any]:
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


def gemma3(words: Any) -> tuple[Any, Any]:
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


def idefics3(words: Any) -> tuple[Any, Any]:
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


def smolvlm(words: Any) -> tuple[Any, Any]:
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


def idefics2(words: Any) -> tuple[Any, Any]:
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


def mistral3(words: Any) -> tuple[Any, Any]:
    config = transformers.Mistral3Config(
        vision_config={"model_type": "pixtral"} | VISION | {"image_size": 112, "head_dim": 16},
        text_config=_text(words, "mistral", sliding_window=None, head_dim=16),
        image_token_index=_number(words, "[IMG]"),
        spatial_merge_size=2,
        vision_feature_layer=-1,
    )
    images = transformers.PixtralImageProcessor(size={"longest_edge": 112}, patch_size={"height": 28, "width": 28})
    return config, transformers.PixtralProcessor(images, words, patch_size=PATCH, spatial_merge_size=2)


def glm4v(words: Any) -> tuple[Any, Any]:
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
