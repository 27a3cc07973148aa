"""A loaded checkpoint, independent of the library that loaded it, and the checks that all of them share."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from microbench_adapters.checkpoints.preprocessing import SplitPreprocessing

# How many items of a long list a message shows.
_MAX_SHOWN = 5
# The checkpoints loaded within `cache_checkpoints`; None outside of it.
_cache: dict[Any, Loaded] | None = None


@dataclass(frozen=True)
class Loaded:
    """A checkpoint in single precision on the CPU, with all that its encoders need.

    Attributes:
        name: what the user called it.
        architecture: the configuration that the library builds the module from.
        module: the model, in evaluation mode, with its weights.
        preprocess: the library's own preprocessing of one image.
        steps: the same in two steps; None if it cannot be split.
        preprocessing: the settings of ``preprocess``, as JSON values.
        tokenizer: the library's own tokenizer.
        tokenizer_sha256: equal for tokenizers that make the same tokens of the same texts.
        context_length: in tokens.
        files: where weights and settings came from.
        build: builds an uninitialized module in a precision on a device, for libraries that decide the
            precision when they build a module; else None.
        image_processor: the object behind ``preprocess`` that the library saves; None if there is none.
    """

    name: str
    architecture: dict[str, Any]
    module: torch.nn.Module
    preprocess: Callable[..., Any]
    steps: SplitPreprocessing | None
    preprocessing: dict[str, Any]
    tokenizer: Any
    tokenizer_sha256: str
    context_length: int
    files: dict[str, Any]
    build: Callable[[str, torch.device], torch.nn.Module] | None = None
    image_processor: Any = None


@contextlib.contextmanager
def cache_checkpoints() -> Iterator[None]:
    """Keep loaded checkpoints in memory within this context, so that none is read from disk twice.

    A sweep along alpha loads the same two checkpoints for every value.
    """
    global _cache
    _cache = {}
    try:
        yield
    finally:
        _cache = None


def load_cached(key: Any, load: Callable[[], Loaded]) -> Loaded:
    """Return ``load()``, or within `cache_checkpoints` what an equal ``key`` gave before.

    There its module is shared and must not be changed.
    """
    if _cache is None:
        return load()
    if key not in _cache:
        _cache[key] = load()
    return _cache[key]


def is_shared() -> bool:
    """Tell whether loaded checkpoints are shared, so that their modules must be copied before they are changed."""
    return _cache is not None


def weights_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """Compute the SHA-256 of names, types, shapes and values, independent of file format and order."""
    digest = hashlib.sha256()
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def json_sha256(value: Any) -> str:
    """Compute the SHA-256 of a JSON value; other values in it count by their ``repr``."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()


def summarize_names(names: Iterable[str]) -> str:
    """Return the first few of ``names`` and the number of the others, for a message.

    >>> summarize_names("abcdefg")
    'a, b, c, d, e and 2 more'
    """
    names = list(names)
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return ", ".join(names[:_MAX_SHOWN]) + more


def check_finite(module: torch.nn.Module, where: str) -> None:
    """Refuse weights with NaN or infinity: every similarity would be NaN, and every answer the first option.

    Raises:
        ValueError: there are such weights; with their names.
    """
    broken = [
        name
        for name, values in module.state_dict().items()
        if values.is_floating_point() and not bool(torch.isfinite(values).all())
    ]
    if broken:
        raise ValueError(
            f"{where}: {len(broken)} weights contain values that are not finite ({summarize_names(broken)}). "
            "Training diverged, or the file is damaged."
        )


def scale_and_bias(module: torch.nn.Module) -> tuple[float, float | None]:
    """Return the factor of similarities and what is added to them: ALIGN divides by a temperature, SigLIP adds a bias.

    Raises:
        ValueError: one of them is not finite.
    """
    parameters = {name: values for name, values in module.named_parameters(recurse=False)}
    if "logit_scale" in parameters:
        scale = float(parameters["logit_scale"].detach().double().exp())
    else:
        scale = float(1 / parameters["temperature"].detach().double())
    bias = float(parameters["logit_bias"].detach().double()) if "logit_bias" in parameters else None
    if not math.isfinite(scale) or not math.isfinite(bias or 0.0):
        raise ValueError(
            f"The model multiplies similarities by {scale} and adds {bias}: "
            "its logit_scale, temperature or logit_bias is broken."
        )
    return scale, bias


def check_vocabulary(num_tokens: int, num_known: int | None, where: str) -> None:
    """Refuse a tokenizer that cannot belong to the text encoder.

    Args:
        num_tokens: in the tokenizer.
        num_known: tokens that the encoder knows; None if the configuration does not say.
        where: names the checkpoint in messages.

    Raises:
        ValueError: the tokenizer has more tokens than the encoder knows, or less than half as many.
    """
    # Vocabularies are padded to round numbers, never doubled.
    if num_known is not None and not num_known / 2 <= num_tokens <= num_known:
        raise ValueError(
            f"{where}: its tokenizer has {num_tokens} tokens, its text encoder {num_known}. "
            "The tokenizer belongs to another model."
        )
