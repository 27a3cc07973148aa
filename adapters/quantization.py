"""Linear layers that compute with 8-bit integers on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

# What an 8-bit weight can be at most.
_LARGEST_WEIGHT = 127
# Of an input, as torch's own layers limit it: sums of full 8-bit numbers overflow on processors without VNNI.
_LARGEST_INPUT = 63


class Int8Linear(torch.nn.Linear):
    """A linear layer that multiplies 8-bit integers: a scale for each output's weights, and one for each vector that comes in.

    So a vector's result does not depend on the others of its batch, as it would with one scale for all.

    Args:
        linear: the layer in single precision.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        # A linear layer to libraries that ask, without a weight in single precision.
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features, self.bias = linear.in_features, linear.out_features, linear.bias
        weight = linear.weight.detach().float()
        scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / _LARGEST_WEIGHT
        with warnings.catch_warnings():
            # torch moves its workflows elsewhere, which computes slower than single precision without a compiler; these operators stay.
            warnings.simplefilter("ignore")
            quantized = torch.quantize_per_channel(
                weight, scales.double(), torch.zeros(len(scales), dtype=torch.long), 0, torch.qint8
            )
        self._packed = torch.ops.quantized.linear_prepack(quantized, None)
        # Libraries ask a layer's weight for the type of its inputs.
        self.register_buffer("weight", torch.empty(0), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        largest = inputs.abs().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        outputs = (
            torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
                inputs / largest, 1 / _LARGEST_INPUT, _LARGEST_INPUT + 1, self._packed
            )
            * largest
        )
        return outputs if self.bias is None else outputs + self.bias


def quantize_linear(module: torch.nn.Module, run: Callable[[], object]) -> None:
    """Replace, in place, the linear layers of ``module`` that ``run`` calls.

    Attention often takes the weights of its projections into an operator of its own; these layers
    are never called, and stay as they are.

    Raises:
        ValueError: none is called.
    """
    places = {
        child: (parent, name)
        for parent in module.modules()
        for name, child in parent.named_children()
        if type(child) is torch.nn.Linear
    }
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
