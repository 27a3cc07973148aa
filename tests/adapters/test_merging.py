"""Claims about merged weights; plain loops over Python numbers are the oracle."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microbench_adapters.checkpoints.merging import (
    DEFAULT_ALPHA,
    DEFAULT_DENSITY,
    METHODS,
    merge,
)
from tests.support import tiny_states

# Timings on a shared machine say nothing here.
untimed = settings(deadline=None)
FLOATING = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def merged(method, base, *tuned, **settings):
    """The merge of checkpoints of one tensor, given as lists, as a list."""
    states = [{"w": double(*values)} for values in (base, *tuned)]
    return merge(method, states[0], states[1:], **settings)["w"].tolist()


def bits(tensor):
    return tensor.dtype, tensor.shape, tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


def same_bits(state, other):
    return list(state) == list(other) and all(bits(state[key]) == bits(other[key]) for key in state)


# --- oracles -------------------------------------------------------------------------


def plain_slerp(base, tuned, alpha):
    """By the arc cosine; for vectors that are clearly neither parallel nor opposite."""
    norms = [math.sqrt(sum(value * value for value in vector)) for vector in (base, tuned)]
    angle = math.acos(sum(first * second for first, second in zip(base, tuned, strict=True)) / norms[0] / norms[1])
    weights = math.sin((1 - alpha) * angle) / math.sin(angle), math.sin(alpha * angle) / math.sin(angle)
    return [weights[0] * first + weights[1] * second for first, second in zip(base, tuned, strict=True)]


def plain_ties(base, tuned, alpha, density):
    """Of whole checkpoints as lists of numbers."""
    num_kept = max(1, round(density * len(base)))
    trimmed = []
    for checkpoint in tuned:
        vector = [value - start for value, start in zip(checkpoint, base, strict=True)]
        smallest_kept = sorted((abs(value) for value in vector), reverse=True)[num_kept - 1]
        trimmed.append([value if abs(value) >= smallest_kept else 0 for value in vector])
    result = []
    for start, values in zip(base, zip(*trimmed, strict=True), strict=True):
        total = sum(values)
        agreeing = [value for value in values if value * total > 0]
        result.append(start + alpha * (sum(agreeing) / len(agreeing) if agreeing else 0))
    return result


# --- the methods ---------------------------------------------------------------------


def test_linear_is_the_weighted_sum():
    """0.75 * 0 + 0.25 * 4 and 0.75 * 8 + 0.25 * -8."""
    assert merged("linear", [0, 8], [4, -8], alpha=0.25) == [1, 4]


def test_soup_is_the_mean_with_base():
    """(0 + 3 + 6) / 3 and (1 + 1 + 4) / 3."""
    assert merged("soup", [0, 1], [3, 1], [6, 4]) == [3, 2]


def test_slerp_of_perpendicular_tensors_weights_by_sines():
    """A third of 90 degrees: sin 60 of base and sin 30 of tuned, over sin 90."""
    assert merged("slerp", [2, 0], [0, 6], alpha=1 / 3) == pytest.approx([2 * math.sqrt(3) / 2, 6 / 2], abs=1e-15)


@pytest.mark.parametrize("angle", [1e-7, 1e-5, 1e-2, 1, 2, 3, math.pi - 1e-2, math.pi - 1e-4])
@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.8])
def test_slerp_walks_the_circle_at_every_angle(angle, alpha):
    result = merged("slerp", [1, 0], [math.cos(angle), math.sin(angle)], alpha=alpha)
    assert result == pytest.approx([math.cos(alpha * angle), math.sin(alpha * angle)], abs=1e-11)


def test_slerp_takes_the_angle_per_tensor_over_all_its_entries():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2, 18))
    states = [{"a": torch.tensor(vector[:12]).reshape(3, 2, 2), "b": torch.tensor(vector[12:])} for vector in vectors]
    result = merge("slerp", states[0], states[1:], alpha=0.3)
    assert result["a"].shape == (3, 2, 2)
    assert result["a"].flatten().tolist() == pytest.approx(plain_slerp(*vectors[:, :12], 0.3), abs=1e-12)
    assert result["b"].tolist() == pytest.approx(plain_slerp(*vectors[:, 12:], 0.3), abs=1e-12)


@pytest.mark.parametrize(
    ("base", "tuned", "quarter"),
    [
        ([1, 2], [3, 6], [1.5, 3]),
        ([1, 2], [-3, -6], [0, 0]),
        ([0, 0], [4, 8], [1, 2]),
        ([4, 8], [0, 0], [3, 6]),
        # An angle of 1e-7, where the sine of the exactly opposite tensors is rounding alone.
        ([1, 0], [-1, 1e-7], [0.5, 2.5e-8]),
    ],
)
def test_slerp_without_an_arc_is_linear(base, tuned, quarter):
    assert merged("slerp", base, tuned, alpha=0.25) == pytest.approx(quarter, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("value", [-9.0, 0.0, 5.0])
def test_slerp_of_single_numbers_is_linear(value):
    states = [{"logit_scale": torch.tensor(number)} for number in (3.0, value)]
    assert merge("slerp", states[0], states[1:], alpha=0.25)["logit_scale"].item() == 0.75 * 3 + 0.25 * value


def test_task_arithmetic_adds_scaled_task_vectors():
    """Task vectors (2, -2) and (1, 4), sum (3, 2): 1 + 0.5 * 3 and 10 + 0.5 * 2; alpha may exceed 1."""
    assert merged("task_arithmetic", [1, 10], [3, 8], [2, 14], alpha=0.5) == [2.5, 11]
    assert merged("task_arithmetic", [1, 10], [3, 8], alpha=2) == [5, 6]


def test_ties_elects_by_the_sum_and_averages_only_what_agrees():
    """Per entry: all agree; two small against one large; one against a zero; opposite and equal."""
    tuned = [4, 1, 6, 5], [2, 1, 0, -5], [3, -8, 0, 0]
    assert merged("ties", [0, 0, 0, 0], *tuned, density=1) == [(4 + 2 + 3) / 3, -8, 6, 0]
    assert merged(
        "ties", [100, 100, 100, 100], *([100 + value for value in values] for values in tuned), density=1, alpha=0.5
    ) == [101.5, 96, 103, 100]


def test_ties_trims_over_the_whole_checkpoint_not_per_tensor():
    """Half of 8 entries are 4: all of ``a`` beats all of ``b``. The rest of the checkpoint stays at base."""
    base = {"a": torch.zeros(4), "b": torch.zeros(2, 2)}
    tuned = {"a": torch.tensor([5.0, -6, 7, -8]), "b": torch.tensor([[1.0, -2], [3, -4]])}
    result = merge("ties", base, [tuned], density=0.5)
    assert same_bits(result, {"a": tuned["a"], "b": base["b"]})


def test_ties_trims_each_checkpoint_by_itself():
    """Each keeps its own two largest, though the second's are all below the first's."""
    assert merged("ties", [0, 0, 0, 0], [50, 60, 70, 80], [4, 3, 2, 1], density=0.5) == [4, 3, 70, 80]


@pytest.mark.parametrize(
    ("density", "kept"),
    [
        (0.01, [0, 0, 0, 0, 9]),
        # round(1.5) is 2, round(2.5) is 2: Python rounds halves to even.
        (0.3, [0, 0, 0, 8, 9]),
        (0.5, [0, 0, 0, 8, 9]),
        # Entries that tie with the third largest are all kept.
        (0.6, [0, -7, 7, 8, 9]),
        (1, [1, -7, 7, 8, 9]),
    ],
)
def test_ties_keeps_the_share_density_at_least_one_and_all_that_tie(density, kept):
    assert merged("ties", [0] * 5, [1, -7, 7, 8, 9], density=density) == kept


def test_ties_counts_unchanged_entries_but_no_integers():
    """0.5 of 4 floating entries are 2, of which only one changed by more than 1; 0.5 of 100 more would be all."""
    base = {"same": torch.ones(2), "ids": torch.zeros(100, dtype=torch.int64), "w": torch.zeros(2)}
    tuned = base | {"w": torch.tensor([3.0, 1.0])}
    assert merge("ties", base, [tuned], density=0.5)["w"].tolist() == [3, 1]
    assert merge("ties", base, [tuned], density=0.25)["w"].tolist() == [3, 0]


# Eighths, so that all sums and task vectors are exact, with many ties and sums of 0.
eighths = st.integers(-24, 24).map(lambda number: number / 8)
lists_of_checkpoints = st.integers(1, 12).flatmap(
    lambda size: st.lists(st.lists(eighths, min_size=size, max_size=size), min_size=2, max_size=5)
)


@untimed
@given(lists_of_checkpoints, st.sampled_from([0.1, 0.4, 1.0, 1.7]), st.floats(0.01, 1), st.integers(0, 12))
def test_ties_agrees_with_the_oracle_however_the_entries_lie_in_tensors(checkpoints, alpha, density, cut):
    states = [{"a": double(*values[:cut]), "b": double(*values[cut:])} for values in checkpoints]
    result = merge("ties", states[0], states[1:], alpha=alpha, density=density)
    assert [*result["a"].tolist(), *result["b"].tolist()] == pytest.approx(
        plain_ties(checkpoints[0], checkpoints[1:], alpha, density), abs=1e-13
    )


def test_the_defaults_are_the_published_recipe():
    assert DEFAULT_ALPHA == {"linear": 0.5, "slerp": 0.5, "task_arithmetic": 0.4, "ties": 1.0}
    assert DEFAULT_DENSITY == 0.2
    assert set(METHODS) == {*DEFAULT_ALPHA, "soup"}


def test_settings_left_out_take_the_defaults():
    """TIES keeps one of five entries, and adds it whole."""
    assert merged("linear", [0, 2], [4, 4]) == [2, 3]
    assert merged("slerp", [1, 0], [0, 1]) == pytest.approx([math.sqrt(0.5)] * 2)
    assert merged("task_arithmetic", [0, 0], [10, 5], [10, 0]) == pytest.approx([8, 2])
    assert merged("ties", [1] * 5, [2, 3, 4, 5, 6]) == [1, 1, 1, 1, 6]


# --- properties ----------------------------------------------------------------------


@st.composite
def checkpoints(draw, num, dtypes=FLOATING, largest=60_000):
    """States of one architecture: two floating tensors with signed zeros and subnormals, and integers."""
    dtype = draw(st.sampled_from(dtypes))
    size = draw(st.integers(1, 6))
    value = st.floats(-largest, largest, width=32)

    def tensor(length):
        return torch.tensor(draw(st.lists(value, min_size=length, max_size=length))).to(dtype)

    return [
        {"w": tensor(size), "scale": tensor(1)[0], "ids": torch.tensor([draw(st.integers(-9, 9)) for _ in range(2)])}
        for _ in range(num)
    ]


def close(state, other, largest=60_000):
    """Up to one rounding to the dtype, and what double precision leaves after cancellation."""
    for key, tensor in state.items():
        info = torch.finfo(tensor.dtype)
        torch.testing.assert_close(
            tensor, other[key], rtol=2 * info.eps, atol=2 * info.smallest_normal * info.eps + largest * 1e-14
        )


@untimed
@given(checkpoints(2), st.sampled_from(["linear", "slerp"]))
def test_interpolation_ends_at_base_and_at_tuned_bit_by_bit(states, method):
    base, tuned = states
    assert same_bits(merge(method, base, [tuned], alpha=0), base)
    assert same_bits(merge(method, base, [tuned], alpha=1), tuned)


@untimed
@given(checkpoints(3), st.sampled_from(["task_arithmetic", "ties"]))
def test_task_vectors_scaled_to_nothing_leave_base_bit_by_bit(states, method):
    base, *tuned = states
    assert same_bits(merge(method, base, tuned, alpha=0), base)


@untimed
@given(checkpoints(2))
def test_one_whole_task_vector_leads_to_tuned_bit_by_bit(states):
    base, tuned = states
    assert same_bits(merge("task_arithmetic", base, [tuned], alpha=1), tuned)
    assert same_bits(merge("ties", base, [tuned], alpha=1, density=1), tuned)


def test_a_whole_task_vector_survives_where_base_swallows_it():
    """In double precision 1e30 + (1e-10 - 1e30) is 0."""
    base, tuned = {"w": torch.tensor([1e30])}, {"w": torch.tensor([1e-10])}
    assert same_bits(merge("task_arithmetic", base, [tuned], alpha=1), tuned)
    assert same_bits(merge("ties", base, [tuned], density=1), tuned)


@untimed
@given(checkpoints(2), st.floats(0, 1))
def test_linear_is_the_same_from_either_side(states, alpha):
    first, second = ({key: state[key] for key in ("w", "scale")} for state in states)
    close(merge("linear", first, [second], alpha=alpha), merge("linear", second, [first], alpha=1 - alpha))


@untimed
@given(checkpoints(2, dtypes=[torch.float64], largest=100), st.floats(0, 1), st.floats(-5, 5), st.floats(-5, 5))
def test_linear_commutes_with_affine_maps(states, alpha, factor, offset):
    base, tuned = ({"w": state["w"]} for state in states)
    mapped = [{"w": factor * state["w"] + offset} for state in (base, tuned)]
    expected = factor * merge("linear", base, [tuned], alpha=alpha)["w"] + offset
    torch.testing.assert_close(merge("linear", mapped[0], mapped[1:], alpha=alpha)["w"], expected, rtol=0, atol=1e-11)


@untimed
@given(checkpoints(4), st.permutations(range(4)))
def test_soup_does_not_depend_on_the_order(states, order):
    floating = [{key: state[key] for key in ("w", "scale")} for state in states]
    shuffled = [floating[index] for index in order]
    close(merge("soup", floating[0], floating[1:]), merge("soup", shuffled[0], shuffled[1:]))


@untimed
@given(lists_of_checkpoints, st.randoms(use_true_random=False), st.sampled_from(["task_arithmetic", "ties"]))
def test_task_vectors_do_not_depend_on_the_order(values, random, method):
    base, *tuned = ({"w": double(*row)} for row in values)
    shuffled = random.sample(tuned, len(tuned))
    torch.testing.assert_close(merge(method, base, shuffled)["w"], merge(method, base, tuned)["w"], rtol=0, atol=1e-13)


@untimed
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.floats(0, 1), st.floats(1e-3, 1e3))
def test_slerp_of_equal_norms_keeps_the_norm(seed, size, alpha, norm):
    vectors = np.random.default_rng(seed).normal(size=(2, size))
    vectors *= norm / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.linalg.norm(merged("slerp", *vectors.tolist(), alpha=alpha)) == pytest.approx(norm, rel=1e-6)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("method", METHODS)
def test_equal_checkpoints_merge_to_themselves_bit_by_bit(method, dtype):
    """Means of three and sums with weights 0.3 and 0.7 do not reproduce these values, -0.0 and infinities included."""
    values = torch.cat([torch.linspace(-7.3, 9.1, 101), torch.tensor([-0.0, math.inf, -math.inf, 1e-40])]).to(dtype)
    state = tiny_states.checkpoint(1, dtype) | {"values": values}
    tuned = [dict(state)] if method in ("linear", "slerp") else [dict(state), dict(state)]
    assert same_bits(merge(method, state, tuned, alpha=None if method == "soup" else 0.3), state)


@pytest.mark.parametrize("method", METHODS)
def test_a_tensor_that_no_checkpoint_changed_keeps_its_bits(method):
    """The attention mask holds infinities, whose difference is NaN; the other tensors change."""
    base, tuned = tiny_states.checkpoint(1), tiny_states.checkpoint(2)
    result = merge(method, base, [tuned])
    assert bits(result["mask"]) == bits(base["mask"])
    assert not torch.equal(result["weight"], base["weight"])
    assert all(tensor.isfinite().all() for key, tensor in result.items() if key != "mask")


@pytest.mark.parametrize("method", ["task_arithmetic", "ties"])
def test_an_infinity_that_all_share_does_not_disturb_its_neighbours(method):
    """Of four entries the default of TIES keeps one, and the shared infinity is not the one."""
    assert merged(method, [-math.inf, 0, 0, 0], [-math.inf, 1, 2, 5], alpha=0.5) == [
        -math.inf,
        *([0, 0, 2.5] if method == "ties" else [0.5, 1, 2.5]),
    ]


# --- integers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "alpha"),
    [("soup", None), *((method, alpha) for method in DEFAULT_ALPHA for alpha in (None, 0, 1e-3, 0.5, 1))],
)
def test_integers_and_booleans_are_never_interpolated(method, alpha):
    """Whole from base for soup and at alpha 0, else from the first tuned; never in between."""
    base, first, second = tiny_states.checkpoint(1), tiny_states.checkpoint(4), tiny_states.checkpoint(7)
    result = merge(method, base, [first] if method in ("linear", "slerp") else [first, second], alpha=alpha)
    source = base if method == "soup" or alpha == 0 else first
    for key in ("position_ids", "num_batches", "flags"):
        assert bits(result[key]) == bits(source[key])
    assert not torch.equal(base["flags"], first["flags"])


# --- results -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("alpha", [0, 0.3, 1])
@pytest.mark.parametrize("method", METHODS)
def test_results_have_the_keys_order_and_dtypes_of_base_and_memory_of_their_own(method, alpha, dtype):
    base, tuned = tiny_states.checkpoint(1, dtype), tiny_states.checkpoint(2, dtype)
    tuned = {key: tuned[key] for key in reversed(tuned)}
    before = [{key: bits(tensor) for key, tensor in state.items()} for state in (base, tuned)]
    result = merge(method, base, [tuned], alpha=None if method == "soup" else alpha)
    assert type(result) is dict and list(result) == list(base)
    assert {key: (tensor.dtype, tensor.shape) for key, tensor in result.items()} == {
        key: (tensor.dtype, tensor.shape) for key, tensor in base.items()
    }
    for tensor in result.values():
        tensor.zero_()
    assert [{key: bits(tensor) for key, tensor in state.items()} for state in (base, tuned)] == before


def test_weights_that_require_gradients_merge_to_plain_tensors():
    base, tuned = ({"w": torch.nn.Parameter(torch.ones(2) * value)} for value in (0, 2))
    for alpha in (0, 0.5):
        result = merge("linear", base, [tuned], alpha=alpha)["w"]
        assert type(result) is torch.Tensor and not result.requires_grad


def test_half_precision_is_summed_in_double_precision():
    """Sums near 180,000 exceed half precision, whose steps here are 32; in it, 2048 + 1 is 2048."""
    half = [{"w": torch.tensor([value], dtype=torch.float16)} for value in (59936, 59968, 60000)]
    assert merge("soup", half[0], half[1:])["w"].item() == 59968
    base, *tuned = ({"w": torch.tensor([2048 + step], dtype=torch.float16)} for step in (0, 2, 2, 2))
    # 2048 + 0.4 * 6 = 2050.4, where steps are 2.
    assert merge("task_arithmetic", base, tuned, alpha=0.4)["w"].item() == 2050


def test_single_precision_is_rounded_once():
    rng = np.random.default_rng(1)
    base, tuned = rng.normal(size=(2, 10_000)).astype(np.float32)
    expected = (0.7 * base.astype(np.float64) + 0.3 * tuned.astype(np.float64)).astype(np.float32)
    result = merge("linear", {"w": torch.tensor(base)}, [{"w": torch.tensor(tuned)}], alpha=0.3)["w"].numpy()
    # 1 - 0.3 is not the nearest double to 0.7, which may tip a tie.
    assert (result != expected).sum() <= 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("method", METHODS)
def test_a_value_that_is_not_finite_stays_in_its_tensor(method, value):
    for side in range(2):
        states = [tiny_states.checkpoint(1), tiny_states.checkpoint(2)]
        states[side]["weight"][0, 0] = value
        result = merge(method, states[0], states[1:])
        assert result["weight"].shape == (3, 4)
        assert result["bias"].isfinite().all() and result["logit_scale"].isfinite()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "state",
    [
        {},
        {"ids": torch.arange(3)},
        {"empty": torch.ones(0, 4), "ids": torch.arange(3)},
        {"empty": torch.ones(0), "w": torch.ones(1)},
    ],
)
def test_states_without_weights_merge_to_themselves(method, state):
    assert same_bits(merge(method, state, [dict(state)]), state)
