"""The precisions that models compute in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

# fp16 and bf16 cast the weights; amp and amp_bf16 keep them and cast operations.
PRECISIONS = ("fp32", "fp16", "bf16", "amp", "amp_bf16")
# Towers with fewer convolutions (a patch embedding is one) gain nothing from another memory layout.
_MIN_CONVOLUTIONS = 4


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that is unknown or that the device does not compute in.

    Raises:
        ValueError: with the precisions to use instead.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision}: expected one of {', '.join(PRECISIONS)}.")
    if device.type == "cpu" and precision in ("fp16", "amp"):
        raise ValueError(f"precision={precision}: half precision needs a GPU. On the CPU use fp32, bf16 or amp_bf16.")
    if device.type == "cuda" and "bf16" in precision and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ValueError(f"precision={precision}: this GPU has no bfloat16. Use fp32, fp16 or amp.")


def input_dtype(precision: str) -> torch.dtype:
    """Return the type that images are cast to: that of the weights."""
    return {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager]:
    """Return the context that a module runs in: with amp it casts operations, otherwise it does nothing."""
    if not precision.startswith("amp"):
        return nullcontext
    dtype = torch.bfloat16 if precision == "amp_bf16" else torch.float16
    return lambda: torch.autocast(device.type, dtype=dtype)


def fallback_advice(precision: str) -> str:
    """Return what to try when a model does not run in ``precision``, with a space before it; empty for fp32."""
    if precision == "fp32":
        return ""
    return " Use precision=fp32, or amp_bf16 (amp on older GPUs), which leaves the weights as they are."


def in_best_layout(module: torch.nn.Module) -> torch.nn.Module:
    """Return the module with channels last if it has many convolutions: it computes the same in less time."""
    num_convolutions = sum(isinstance(layer, torch.nn.Conv2d) for layer in module.modules())
    if num_convolutions < _MIN_CONVOLUTIONS:
        return module
    # torch's types do not know this way to call it.
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def unit_vectors(vectors: torch.Tensor) -> torch.Tensor:
    """Normalize vectors, shape (N, D), in single precision also where the weights have less."""
    return torch.nn.functional.normalize(vectors.float(), dim=-1)
