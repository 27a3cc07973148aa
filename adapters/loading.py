"""What a loaded checkpoint is, whatever library loaded it, and the checks that all of them share."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

# Of long lists in messages, how many are named.
_NAMED = 5
_kept: dict[Any, Loaded] | None = None


@dataclass(frozen=True)
class Loaded:
    """A checkpoint in single precision on the CPU, with all that its encoders need.

    Attributes:
        name: what the user called it.
        architecture: the configuration that the library builds the module from.
        module: the model, in evaluation mode, with its weights.
        preprocess: the library's own preprocessing of one image.
        preprocessing: the settings of ``preprocess``, as JSON values.
        tokenizer: the library's own tokenizer.
        tokenizer_sha256: equal for tokenizers that make the same tokens of the same texts.
        context_length: in tokens.
        files: where weights and settings came from.
        build: where the precision is decided when a module is built, what builds it, with weights
            that mean nothing, in a precision and on a device.
    """

    name: str
    architecture: dict[str, Any]
    module: torch.nn.Module
    preprocess: Callable
    preprocessing: dict[str, Any]
    tokenizer: Any
    tokenizer_sha256: str
    context_length: int
    files: dict[str, Any]
    build: Callable[[str, torch.device], torch.nn.Module] | None = None


@contextlib.contextmanager
def kept_in_memory() -> Iterator[None]:
    """Within it, a checkpoint that was loaded once is not read from disk again."""
    global _kept
    _kept = {}
    try:
        yield
    finally:
        _kept = None


def load_once(key: Any, load: Callable[[], Loaded]) -> Loaded:
    """``load()``, or within `kept_in_memory` what an equal ``key`` gave before. Its module must not be changed there."""
    if _kept is None:
        return load()
    if key not in _kept:
        _kept[key] = load()
    return _kept[key]


def is_kept() -> bool:
    """Whether loaded checkpoints are shared, so that their modules must be copied before they are changed."""
    return _kept is not None


def weights_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """The SHA-256 of names, types, shapes and values, whatever the file format and the order."""
    digest = hashlib.sha256()
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def sha256_of(value: Any) -> str:
    """The SHA-256 of a JSON value, or of what ``repr`` makes of other values in it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()


def named(names: Iterable[str]) -> str:
    """The first few of ``names`` and the number of the others, for a message."""
    names = list(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def check_finite(module: torch.nn.Module, where: str) -> None:
    """Refuse weights that hold NaN or infinity: every similarity would be NaN, and every answer the first option.

    Raises:
        ValueError: such weights, by name.
    """
    broken = [
        name
        for name, values in module.state_dict().items()
        if values.is_floating_point() and not bool(torch.isfinite(values).all())
    ]
    if broken:
        raise ValueError(
            f"{where}: {len(broken)} weights contain values that are not finite ({named(broken)}). Training diverged, or the file is damaged."
        )


def scale_and_bias(module: torch.nn.Module) -> tuple[float, float | None]:
    """What similarities are multiplied by and what is added: ALIGN divides by a temperature, SigLIP adds a bias.

    Raises:
        ValueError: one of them is not finite.
    """
    if hasattr(module, "logit_scale"):
        scale = float(module.logit_scale.detach().double().exp())
    else:
        scale = float(1 / module.temperature.detach().double())
    parameter = getattr(module, "logit_bias", None)
    bias = None if parameter is None else float(parameter.detach().double())
    if not math.isfinite(scale) or not math.isfinite(bias or 0.0):
        raise ValueError(
            f"The model multiplies similarities by {scale} and adds {bias}: its logit_scale, temperature or logit_bias is broken."
        )
    return scale, bias


def check_vocabulary(num_tokens: int, num_known: int | None, where: str) -> None:
    """Refuse a tokenizer that cannot be the text encoder's, which knows ``num_known`` tokens (None: not said).

    Raises:
        ValueError: the tokenizer has more tokens than the encoder knows, or less than half as many.
    """
    # Vocabularies are padded to round numbers, never doubled.
    if num_known is not None and not num_known / 2 <= num_tokens <= num_known:
        raise ValueError(
            f"{where}: its tokenizer has {num_tokens} tokens, its text encoder {num_known}. The tokenizer belongs to another model."
        )
