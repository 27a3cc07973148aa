"""Linear layers that compute with 8-bit integers on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

# What an 8-bit weight can be at most.
_LARGEST = 127


class Int8Linear(torch.nn.Linear):
    """A linear layer whose weight is kept as 8-bit integers, a scale for each output, and whose input is rounded to 7 bits as it comes.

    Args:
        linear: the layer in single precision.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        # A linear layer to libraries that ask, without a weight in single precision.
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features, self.bias = linear.in_features, linear.out_features, None
        weight = linear.weight.detach().float()
        scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / _LARGEST
        with warnings.catch_warnings():
            # torch moves its workflows elsewhere, which computes slower than single precision without a compiler; these operators stay.
            warnings.simplefilter("ignore")
            quantized = torch.quantize_per_channel(weight, scales.double(), torch.zeros(len(scales), dtype=torch.long), 0, torch.qint8)
        self._packed = torch.ops.quantized.linear_prepack(quantized, None if linear.bias is None else linear.bias.detach().float())
        # Libraries ask a layer's weight for the type of its inputs.
        self.register_buffer("weight", torch.empty(0), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        # The range is that of 7 bits, as torch's own layers do it: sums of full ones overflow on processors without VNNI.
        return torch.ops.quantized.linear_dynamic(inputs, self._packed, reduce_range=True)


def quantize_linear(module: torch.nn.Module, run: Callable[[], object]) -> None:
    """Replace, in place, the linear layers of ``module`` that ``run`` calls.

    Attention often takes the weights of its projections into an operator of its own; these layers
    are never called, and stay as they are.

    Raises:
        ValueError: none is called.
    """
    places = {child: (parent, name) for parent in module.modules() for name, child in parent.named_children() if type(child) is torch.nn.Linear}
    called: set[torch.nn.Module] = set()
    hooks = [layer.register_forward_hook(lambda layer, inputs, output: called.add(layer)) for layer in places]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    if not called:
        raise ValueError(f"{type(module).__name__}: no linear layer to quantize. Use precision=fp32 or bf16.")
    for layer in called:
        parent, name = places[layer]
        setattr(parent, name, Int8Linear(layer))
