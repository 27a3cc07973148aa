"""Claims about layers in 8-bit integers; the oracle is the arithmetic, written out."""

import json

import pytest
import torch

from microbench_adapters.open_clip_adapter import OpenClip
from microbench_adapters.quantization import Int8Linear, quantize_linear
from tests.support import questions, tiny_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_clip.save(tmp_path_factory.mktemp("clip") / "tiny", seed=3)


def test_a_weight_is_rounded_to_127th_parts_of_the_largest_in_its_row():
    linear = torch.nn.Linear(2, 2)
    # Steps of 0.01 and of 1: 0.004 rounds to 0, 0.006 to 0.01; 1.6 to 2.
    linear.weight.data = torch.tensor([[1.27, 0.004], [127.0, 1.6]])
    linear.bias.data = torch.tensor([0.5, 0.0])
    # Inputs of no step and of all 63 are exact.
    outputs = Int8Linear(linear)(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert outputs.tolist() == [pytest.approx([1.77, 127.0], abs=1e-4), pytest.approx([0.5, 2.0], abs=1e-4)]


def test_a_row_of_zeros_gives_the_bias():
    linear = torch.nn.Linear(3, 1)
    linear.weight.data.zero_()
    linear.bias.data = torch.tensor([2.5])
    assert Int8Linear(linear)(torch.ones(1, 3)).item() == pytest.approx(2.5)


def test_outputs_stay_within_the_rounding_of_weights_and_inputs():
    torch.manual_seed(0)
    linear, inputs = torch.nn.Linear(64, 32), torch.randn(10, 64)
    # Half a step of each weight times its input, and half a step of each input times its weight or, where that was rounded up, a little more.
    weight_steps = linear.weight.abs().amax(dim=1) / 127
    input_steps = inputs.abs().amax(dim=1, keepdim=True) / 63
    bound = (
        inputs.abs().sum(dim=1, keepdim=True) * weight_steps / 2
        + (linear.weight.abs() + weight_steps[:, None] / 2).sum(dim=1) * input_steps / 2
    )
    difference = (Int8Linear(linear)(inputs) - linear(inputs)).abs()
    assert bool((difference <= bound).all())
    assert difference.max() > 0


def test_a_vector_is_rounded_by_itself_whatever_else_is_in_its_batch():
    torch.manual_seed(0)
    layer, inputs = Int8Linear(torch.nn.Linear(64, 32)), torch.randn(10, 64)
    inputs[3] *= 1000
    together = layer(inputs)
    assert all(torch.equal(layer(vector[None])[0], result) for vector, result in zip(inputs, together, strict=False))


def test_a_vector_of_zeros_gives_the_bias():
    linear = torch.nn.Linear(3, 2)
    assert torch.equal(Int8Linear(linear)(torch.zeros(1, 3))[0], linear.bias)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_answers_do_not_depend_on_the_batch_size(folder, batch_size):
    requests = questions.Captions().requests()
    found = [
        OpenClip(str(folder), device="cpu", precision="int8", batch_size=size).generate_until(requests)
        for size in (batch_size, 24)
    ]
    expected = [list(json.loads(answer.split("\n")[1])["probabilities"].values()) for answer in found[1]]
    questions.assert_agree(found[0], expected)


class Projected(torch.nn.Module):
    """Calls one layer, takes the weight of another, and leaves a third alone."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.GELU(), torch.nn.Linear(4, 4))
        self.projection = torch.nn.Linear(4, 4)
        self.unused = torch.nn.Linear(4, 4)

    def forward(self, inputs):
        return torch.nn.functional.linear(self.inner(inputs), self.projection.weight, self.projection.bias)


def test_layers_that_are_called_are_replaced_and_others_kept():
    module = Projected()
    quantize_linear(module, lambda: module(torch.ones(1, 4)))
    assert {
        name: type(layer).__name__ for name, layer in module.named_modules() if "Linear" in type(layer).__name__
    } == {"inner.1": "Int8Linear", "projection": "Linear", "unused": "Linear"}


def test_a_module_without_linear_layers_is_refused():
    norm = torch.nn.LayerNorm(4)
    with pytest.raises(ValueError, match="LayerNorm: no linear layer to quantize"):
        quantize_linear(norm, lambda: norm(torch.ones(1, 4)))


def test_a_compiled_model_answers_as_it_does_without(folder):
    """With three images at once the last batch is smaller."""
    requests = questions.Captions().requests()
    plain, compiled = (OpenClip(str(folder), device="cpu", batch_size=3, compile=compile) for compile in (False, True))
    expected = [
        list(json.loads(answer.split("\n")[1])["probabilities"].values()) for answer in plain.generate_until(requests)
    ]
    questions.assert_agree(compiled.generate_until(requests), expected)
    assert compiled.record()["compiled"] is True
    assert "compiled" not in plain.record()
