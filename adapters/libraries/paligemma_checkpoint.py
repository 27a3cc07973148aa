"""Load a PaliGemma checkpoint: processor, weights, and the tokens of the letters."""

from __future__ import annotations

import string
from typing import Any

import torch
import transformers
from loguru import logger

from microbench_adapters.checkpoints import folder_kinds, loading
from microbench_adapters.libraries.transformers_loading import from_pretrained, load_module

# Both PaliGemma and PaliGemma 2 have this type in transformers.
_MODEL_TYPE = "paligemma"
_LOCATIONS = [f"<loc{bin_index:04d}>" for bin_index in range(1024)]
_TOKENIZER_ADVICE = "copy tokenizer.json and tokenizer_config.json from the checkpoint's base."


def load_processor(model: str, revision: str | None, config: Any) -> Any:
    """Load the processor of images and prompts.

    Raises:
        ValueError: the checkpoint is of another type, files are missing, or the tokenizer is not that of the weights.
    """
    if config.model_type != _MODEL_TYPE:
        raise ValueError(
            f"model={model}: expected a checkpoint of type {_MODEL_TYPE} (PaliGemma and PaliGemma 2), "
            f"got {config.model_type}."
            f"{folder_kinds.suggest_for_type(config.model_type, model) or ' lmms_eval models lists other models.'}"
        )
    # The processor adds missing location tokens itself, with numbers that no weights were trained for.
    vocabulary = from_pretrained(transformers.AutoTokenizer, model, revision).get_vocab()
    missing = [token for token in _LOCATIONS if token not in vocabulary]
    if missing:
        raise ValueError(
            f"model={model}: its tokenizer lacks {len(missing)} of the tokens {_LOCATIONS[0]} to {_LOCATIONS[-1]}, "
            f"by which PaliGemma writes boxes. Its files are not PaliGemma's: {_TOKENIZER_ADVICE}"
        )
    processor = from_pretrained(transformers.AutoProcessor, model, revision, backend="pil")
    if processor.image_token_id != config.image_token_id:
        raise ValueError(
            f"model={model}: its tokenizer has {processor.image_token} as number {processor.image_token_id}, "
            f"its config.json as {config.image_token_id}. The tokenizer belongs to another model."
        )
    # The image token may lie beyond the words that the text model knows.
    numbers = [number for token, number in processor.tokenizer.get_vocab().items() if token != processor.image_token]
    loading.check_vocabulary(max(numbers) + 1, config.text_config.vocab_size, f"model={model}")
    return processor


def load_greedy_module(model: str, revision: str | None, config: Any) -> tuple[torch.nn.Module, dict[str, str]]:
    """Load the model with its weights, set to greedy decoding; return the record of the weight files, too.

    Raises:
        ValueError: weights cannot be read, are not those of the architecture, or not finite.
    """
    module: Any
    module, files = load_module(transformers.PaliGemmaForConditionalGeneration, model, revision, config)
    loading.check_finite(module, f"model={model}")
    if config.tie_word_embeddings and module.get_output_embeddings().weight is not module.get_input_embeddings().weight:
        logger.warning(
            f"model={model}: its config.json ties the output matrix to the embeddings, but the weights contain a "
            "separate output matrix, which is evaluated. If it was trained, set tie_word_embeddings to false; "
            "otherwise save the weights without it."
        )
    own = module.generation_config
    # A checkpoint's own sampling, penalties and lengths are dropped.
    module.generation_config = transformers.GenerationConfig(
        bos_token_id=own.bos_token_id, eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id
    )
    return module, files


def letter_tokens(tokenizer: Any, model: str) -> list[int]:
    """Return the token number of each letter.

    Raises:
        ValueError: letters share a token.
    """
    token_ids = [tokenizer.encode(letter, add_special_tokens=False)[0] for letter in string.ascii_uppercase]
    if len(set(token_ids)) < len(token_ids):
        raise ValueError(
            f"model={model}: its tokenizer does not tell the letters A to Z apart. "
            f"Its files seem to be missing or another model's: {_TOKENIZER_ADVICE}"
        )
    return token_ids
