"""Build open_clip's modules and tokenizers, and load weights that are exactly those of the architecture."""

from __future__ import annotations

import json
import logging
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict

from microbench_adapters.checkpoints import fitting, loading, selection, state_dicts, weight_files
from microbench_adapters.libraries.open_clip_sources import Source

try:
    from transformers.initialization import no_init_weights
except ImportError:
    # Before transformers 5.
    from transformers.modeling_utils import no_init_weights  # type: ignore[no-redef, attr-defined]

# Of a checkpoint whose text tower is a transformers model: the folder of that tower's own configuration.
TEXT_TOWER_FOLDER = "text_tower"
# open_clip reads such files itself, without a check that all weights are in them.
_NUMPY_SUFFIXES = (".npz", ".npy")
# open_clip asks the Hub for the configuration of a text tower even where its weights lie in the
# checkpoint. These are BERT-base with the vocabulary of the paper on PubMedBERT (arXiv 2007.15779);
# everything else is transformers' default for this type.
_PUBMEDBERT = {"model_type": "bert", "vocab_size": 30522}
TEXT_TOWERS = {
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract": _PUBMEDBERT,
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract": _PUBMEDBERT,
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext": _PUBMEDBERT,
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext": _PUBMEDBERT,
}
# A buffer of text towers that transformers computes itself since 4.31.
_POSITION_IDS = "text.transformer.embeddings.position_ids"


def build_module(source: Source, precision: str = "fp32", device: torch.device | str = "cpu") -> torch.nn.Module:
    """Build the architecture with uninitialized weights.

    Initialization would take longer than loading: 4.5 s instead of 0.1 s for ViT-L/14. accelerate's
    ``init_empty_weights`` cannot be used, as ``open_clip.create_model`` moves the module.

    Raises:
        ValueError: open_clip cannot build it.
    """
    is_unchecked = source.weights.suffix in _NUMPY_SUFFIXES
    # open_clip warns that the weights are random; they are loaded next, and checked to be all of them.
    with (
        _offline_text_tower(source) as overrides,
        _without_warnings(),
        nullcontext() if is_unchecked else no_init_weights(),
    ):
        try:
            return open_clip.create_model(
                source.model,
                load_weights=False,
                pretrained_text=False,
                precision=precision,
                device=device,
                force_context_length=source.context_length,
                **source.options,
                **overrides,
            )
        # Each configuration has its own way to be wrong.
        except Exception as error:
            tower = source.architecture.get("text_cfg", {}).get("hf_model_name")
            hint = (
                f" If it lacks the configuration of the text tower {tower}, put that as "
                f"{TEXT_TOWER_FOLDER}/config.json beside the weights."
            )
            raise ValueError(
                f"{source.name}: open_clip cannot build it: {type(error).__name__}: {error}{hint if tower else ''}"
            ) from error


@contextmanager
def _offline_text_tower(source: Source) -> Iterator[dict[str, Any]]:
    """Yield overrides that take a transformers text tower's configuration from a local folder, if it is known."""
    text = source.architecture.get("text_cfg", {})
    tower = text.get("hf_model_name")
    beside = source.weights.parent / TEXT_TOWER_FOLDER
    if not tower or Path(tower).is_dir():
        yield {}
    elif beside.is_dir():
        yield {"text_cfg": text | {"hf_model_name": str(beside), "hf_model_pretrained": False}}
    elif tower in TEXT_TOWERS:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config.json").write_text(json.dumps(TEXT_TOWERS[tower]))
            yield {"text_cfg": text | {"hf_model_name": folder, "hf_model_pretrained": False}}
    else:
        yield {}


@contextmanager
def _without_warnings() -> Iterator[None]:
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def load_weights(module: torch.nn.Module, source: Source) -> dict[str, str]:
    """Load the weights; open_clip's own loading would resize position embeddings silently.

    Returns:
        The record of keys and prefix under which they were in the file; empty without them.

    Raises:
        ValueError: the weights are not exactly those of the architecture; with the cause.
    """
    where = f"{source.name}: {source.weights}"
    if source.weights.suffix in _NUMPY_SUFFIXES:
        _load_big_vision(module, source.weights, where)
        return {}
    content = state_dicts.read_file(source.weights)
    if source.in_folder:
        weight_files.refuse_others([source.weights], content, source.name)

    def adapt(state: state_dicts.State) -> tuple[fitting.Faults, state_dicts.State]:
        converted = _convert_legacy_state_dict(dict(state), module)
        return fitting.compare(converted, module), converted

    selected = selection.select(content, adapt, len(module.state_dict()), where)
    module.load_state_dict(selected.adapted, strict=True)
    return selected.record


def _load_big_vision(module: torch.nn.Module, weights: Path, where: str) -> None:
    # open_clip copies only what it finds; weights that it does not find remain NaN.
    with torch.no_grad():
        for values in module.parameters():
            values.fill_(math.nan)
    try:
        open_clip.load_checkpoint(module, str(weights))
    # numpy, missing names and other shapes each have errors of their own.
    except Exception as error:
        raise ValueError(f"{where}: open_clip cannot load it: {type(error).__name__}: {error}") from error
    unset = [name for name, values in module.named_parameters() if bool(values.isnan().all())]
    if unset:
        raise ValueError(
            f"{where}: the file lacks {len(unset)} weights, which would stay random ({loading.summarize_names(unset)})."
        )


def _convert_legacy_state_dict(state: dict[str, torch.Tensor], module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Rename and reshape the weights of older releases of open_clip and of other libraries, as open_clip does."""
    state = convert_state_dict(module, state)
    if "positional_embedding" in state and not hasattr(module, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    state = fitting.with_single_numbers(state, module.state_dict())
    if _POSITION_IDS not in module.state_dict():
        state.pop(_POSITION_IDS, None)
    return state


# --- tokenizers ---


def build_tokenizer(source: Source) -> Any:
    """Return the checkpoint's own tokenizer, or the one that its configuration names.

    Raises:
        ValueError: neither can be loaded.
    """
    text = source.architecture.get("text_cfg", {})
    faults = []
    for name in (source.model, text.get("hf_tokenizer_name")):
        if not name:
            continue
        try:
            return _load_tokenizer(name, source)
        # transformers' errors for a missing file, a bad file and no network have no common class.
        except Exception as error:
            faults.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    raise ValueError(
        f"{source.name}: no tokenizer. Put tokenizer.json and tokenizer_config.json beside the weights. "
        f"Tried {'; '.join(faults)}"
    )


def _load_tokenizer(name: str, source: Source) -> Any:
    length = {} if source.context_length is None else {"context_length": source.context_length}
    if name == source.model:
        return open_clip.get_tokenizer(name, **length)
    text = source.architecture.get("text_cfg", {})
    settings = {"context_length": text.get("context_length", 77), "tokenizer_mode": text.get("tokenizer_mode")}
    return open_clip.tokenizer.HFTokenizer(name, **(settings | length | text.get("tokenizer_kwargs", {})))


def check_tokenizer(tokenizer: Any, module: torch.nn.Module, name: str) -> None:
    """Refuse a tokenizer that is not the text tower's; open_clip's own tokenizers have no vocabulary to compare.

    Raises:
        ValueError: such a tokenizer.
    """
    inner: Any = getattr(tokenizer, "tokenizer", None)
    if hasattr(inner, "get_vocab") and len(inner.get_vocab()) > len(inner.all_special_tokens):
        known = getattr(getattr(module, "text", module), "vocab_size", None)
        loading.check_vocabulary(max(inner.get_vocab().values()) + 1, known, name)


def tokenizer_sha256(tokenizer: Any) -> str:
    """Hash the vocabulary, and the tokens of texts that try spaces, case, punctuation and length."""
    inner: Any = getattr(tokenizer, "tokenizer", None)
    vocabulary = inner.get_vocab() if hasattr(inner, "get_vocab") else getattr(tokenizer, "encoder", {})
    probe = tokenizer(["", "A cell.", "h&e-STAINED  section\n(5 µm)", "0123456789 " * 40])
    return loading.json_sha256([sorted(vocabulary.items()), probe.tolist()])
