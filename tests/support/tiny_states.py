"""A state dict of a few small tensors of every kind."""

from __future__ import annotations

import math

import torch


def checkpoint(seed, dtype=torch.float32):
    """A state like a CLIP model's: matrices, a scalar, an attention mask, position ids, counters, flags."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight": torch.randn(3, 4, generator=generator).to(dtype),
        "logit_scale": torch.randn((), generator=generator).to(dtype),
        "mask": torch.full((2, 2), -math.inf, dtype=dtype).triu(1),
        "position_ids": torch.arange(4) + 10 * seed,
        "num_batches": torch.tensor(seed),
        "flags": torch.tensor([seed % 2 == 0, True]),
        "bias": torch.randn(5, generator=generator).to(dtype),
    }
