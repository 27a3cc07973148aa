"""Load an image-text-to-text checkpoint of transformers: its type, processor and weights, set to greedy decoding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from loguru import logger

from microbench_adapters.checkpoints import loading
from microbench_adapters.libraries.transformers_loading import from_pretrained, load_module, missing_files_hint

# The class that a checkpoint's own code must offer.
_AUTO_CLASS = "AutoModelForImageTextToText"
# Generation settings that belong to the model: which tokens begin, end and pad an answer, and which it never writes.
_OF_THE_MODEL = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "suppress_tokens",
    "begin_suppress_tokens",
)
# Settings that have no effect on the tokens of a greedy answer.
_WITHOUT_EFFECT = ("transformers_version", "use_cache", "cache_implementation", "_from_model_config", "return_dict")
# Numbers of tokens that stand for an image, in configurations.
_IMAGE_TOKENS = ("image_token_id", "image_token_index")


def find_model_class(config: Any, model: str, revision: str | None, *, trust_remote_code: bool) -> Any:
    """Return the class of transformers, or of the checkpoint's own code, that answers questions about images.

    Args:
        config: of the checkpoint.
        model: a repository on the Hub or a local folder.
        revision: commit, branch or tag of the repository.
        trust_remote_code: whether the checkpoint's own code may be run.

    Raises:
        ValueError: the checkpoint is of another kind, or needs code that may not be run; with what to do instead.
    """
    # transformers' types allow for several classes, which other tasks have.
    known: Any = transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    remote = (getattr(config, "auto_map", None) or {}).get(_AUTO_CLASS)
    if type(config) in known:
        model_class = known[type(config)]
    elif remote and trust_remote_code:
        from transformers.dynamic_module_utils import get_class_from_dynamic_module

        model_class = get_class_from_dynamic_module(remote, model, revision=revision)
    else:
        raise ValueError(f"model={model}: {_reason_for_refusal(config, model, is_remote=bool(remote))}")
    if not hasattr(model_class, "generate"):
        raise ValueError(
            f"model={model}: {model_class.__name__} has no generate(), so it writes no answers. "
            "Name a checkpoint that was trained to answer questions about images."
        )
    return model_class


def _reason_for_refusal(config: Any, model: str, *, is_remote: bool) -> str:
    expected = (
        f"expected an image-text-to-text model, got type {config.model_type}, which transformers "
        f"{transformers.__version__} does not load as one"
    )
    if is_remote:
        return (
            f"{expected}. It comes with code of its own: read that code, then type trust_remote_code=True among the "
            "--model_args to run it."
        )
    if type(config) in transformers.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING:
        return (
            f"{expected}. It compares images with texts: use --model transformers_clip --model_args model={model}, "
            "or --model open_clip for a checkpoint of open_clip."
        )
    if type(config) in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        return f"{expected}. It reads text only. Name a checkpoint that takes images."
    return (
        f"{expected}. See lmms_eval models for the harness's own classes, serve the model and use --model openai, or "
        "install a newer transformers if the model is newer."
    )


def load_processor(model: str, revision: str | None, *, trust_remote_code: bool) -> Any:
    """Load the processor of images and prompts.

    Raises:
        ValueError: files are missing.
    """
    processor = from_pretrained(transformers.AutoProcessor, model, revision, trust_remote_code=trust_remote_code)
    if not (hasattr(processor, "image_processor") and hasattr(processor, "tokenizer")):
        raise ValueError(
            f"model={model}: expected a processor of images and texts, got {type(processor).__name__}. "
            f"{missing_files_hint(Path(model))}"
        )
    return processor


def check_image_tokens(input_ids: torch.Tensor, config: Any, model: str) -> None:
    """Refuse a processor that does not mark the place of the image as the model reads it.

    Args:
        input_ids: of a question about an image.
        config: of the checkpoint.
        model: names the checkpoint in messages.

    Raises:
        ValueError: the question lacks the tokens that stand for the image.
    """
    expected = next((getattr(config, name) for name in _IMAGE_TOKENS if getattr(config, name, None) is not None), None)
    if expected is not None and not bool((input_ids == expected).any()):
        raise ValueError(
            f"model={model}: its config.json has {expected} as the number of the token for an image, which its "
            "processor does not write. The tokenizer belongs to another model, or the chat template leaves out the "
            "image."
        )


def load_greedy_module(
    model_class: Any, model: str, revision: str | None, config: Any, tokenizer: Any, dtype: torch.dtype
) -> tuple[Any, dict[str, str], dict[str, Any]]:
    """Load the model with its weights, set to greedy decoding.

    Returns:
        The module, the record of the weight files, and the checkpoint's generation settings that are not obeyed.

    Raises:
        ValueError: weights cannot be read, are not those of the architecture, or not finite; or the tokenizer is that
            of another model.
    """
    module: Any
    module, files = load_module(model_class, model, revision, config, dtype)
    if not module.can_generate():
        raise ValueError(
            f"model={model}: {model_class.__name__} cannot generate, so it writes no answers. "
            "Name a checkpoint that was trained to answer questions about images."
        )
    loading.check_finite(module, f"model={model}")
    loading.check_vocabulary(_num_tokens(tokenizer), module.get_input_embeddings().num_embeddings, f"model={model}")
    dropped = _make_greedy(module, tokenizer)
    if dropped:
        logger.info(
            f"model={model}: generation settings of the checkpoint that are not used, as the most probable token "
            f"is always written: {json.dumps(dropped, default=str)}"
        )
    return module, files, dropped


def _num_tokens(tokenizer: Any) -> int:
    """Return the number of tokens of a text; those for images may lie beyond the words that the model knows."""
    special = set(tokenizer.all_special_ids)
    return max(number for number in tokenizer.get_vocab().values() if number not in special) + 1


def _make_greedy(module: Any, tokenizer: Any) -> dict[str, Any]:
    """Replace the module's generation settings by those of the model itself; return the others that had an effect."""
    own = module.generation_config.to_diff_dict()
    kept = {name: own[name] for name in _OF_THE_MODEL if own.get(name) is not None}
    if kept.get("eos_token_id") is None:
        kept["eos_token_id"] = tokenizer.eos_token_id
    if kept.get("pad_token_id") is None:
        ends = kept["eos_token_id"]
        first_end = ends[0] if isinstance(ends, list) else ends
        kept["pad_token_id"] = first_end if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    module.generation_config = transformers.GenerationConfig(**kept)
    return {name: value for name, value in own.items() if value and name not in (*_OF_THE_MODEL, *_WITHOUT_EFFECT)}
