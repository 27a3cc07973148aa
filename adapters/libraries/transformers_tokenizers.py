"""The tokenizers of transformers: check them against the text encoder, and find how long a text may be."""

from __future__ import annotations

from typing import Any

from microbench_adapters.checkpoints import loading

# Tokenizers without a limit of their own report a huge one.
_NO_LIMIT = 100_000


def check_tokenizer(tokenizer: Any, config: Any, model: str) -> None:
    """Refuse a tokenizer that is not the text encoder's; the smoke test finds one that knows no words at all.

    Raises:
        ValueError: it has more tokens than the text encoder knows, or less than half as many.
    """
    if len(tokenizer.get_vocab()) > len(tokenizer.all_special_tokens):
        known = getattr(getattr(config, "text_config", None), "vocab_size", None)
        loading.check_vocabulary(max(tokenizer.get_vocab().values()) + 1, known, f"model={model}")


def context_length(processor: Any, config: Any, wanted: int | None) -> int:
    """Return the longest text, in tokens.

    It is ``wanted``, else what the processor pads to, else the smaller of what the tokenizer and the position
    embeddings allow.

    Raises:
        ValueError: none of them says, or more is wanted than the position embeddings allow.
    """
    num_positions = getattr(getattr(config, "text_config", None), "max_position_embeddings", None)
    if wanted is not None and num_positions is not None and wanted > num_positions:
        raise ValueError(f"context_length={wanted}: this model's text encoder reads at most {num_positions} tokens.")
    length = _text_settings(processor).get("max_length") if wanted is None else wanted
    if length is not None:
        return length
    limits = (processor.tokenizer.model_max_length, num_positions)
    known = [limit for limit in limits if limit is not None and limit < _NO_LIMIT]
    if not known:
        raise ValueError(
            f"{type(processor.tokenizer).__name__}: neither the tokenizer nor the configuration says how long a text "
            "may be. Set context_length."
        )
    return int(min(known))


def _text_settings(processor: Any) -> dict[str, Any]:
    """Return the text settings of a processor's class, in the forms of several releases of transformers."""
    kind = type(processor)
    # Of releases to 5.17: the defaults of the processor's options.
    defaults = getattr(getattr(kind, "valid_processor_kwargs", None), "_defaults", {})
    settings = getattr(kind, "text_kwargs", None) or defaults.get("text_kwargs")
    return settings if isinstance(settings, dict) else {}


def tokenizer_sha256(tokenizer: Any) -> str:
    """Hash the vocabulary, and the tokens of texts that try spaces, case, punctuation and length."""
    texts = ["", "A cell.", "h&e-STAINED  section\n(5 µm)", "0123456789 " * 40]
    probe = tokenizer(texts, truncation=False, verbose=False)
    return loading.json_sha256([sorted(tokenizer.get_vocab().items()), dict(sorted(probe.items()))])
