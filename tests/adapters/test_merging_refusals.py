"""Claims about merges that are refused: settings out of range, and checkpoints that do not belong together."""

import math

import pytest
import torch

from microbench_adapters.checkpoints.merging import METHODS, check_same, check_settings, merge
from tests.support import tiny_states


@pytest.mark.parametrize(
    ("method", "alpha", "density", "num_tuned", "message"),
    [
        ("lerp", None, None, 1, "merge=lerp: expected one of linear, soup, slerp, task_arithmetic, ties."),
        ("linear", None, None, 2, "merge=linear: expected one tuned checkpoint, got 2."),
        ("slerp", None, None, 3, "merge=slerp: expected one tuned checkpoint, got 3."),
        ("linear", None, None, 0, "merge=linear: expected one tuned checkpoint, got 0."),
        ("soup", None, None, 0, "merge=soup: expected at least one tuned checkpoint, got 0."),
        ("soup", 0.5, None, 1, "alpha=0.5: merge=soup takes no alpha, it weights all checkpoints alike."),
        *(
            ("linear", alpha, None, 1, f"alpha={alpha}: expected a finite number.")
            for alpha in (math.nan, math.inf, True, "0.5")
        ),
        ("ties", -math.inf, None, 1, "alpha=-inf: expected a finite number."),
        ("linear", 1.01, None, 1, "alpha=1.01: merge=linear expects a number from 0 (base) to 1 (tuned)."),
        ("slerp", -0.1, None, 1, "alpha=-0.1: merge=slerp expects a number from 0 (base) to 1 (tuned)."),
        ("task_arithmetic", -0.1, None, 1, "alpha=-0.1: merge=task_arithmetic expects a number of at least 0."),
        ("ties", -1, None, 1, "alpha=-1: merge=ties expects a number of at least 0."),
        *(
            (method, None, 0.2, 1, f"density=0.2: merge={method} takes no density, only ties does.")
            for method in METHODS
            if method != "ties"
        ),
        *(
            ("ties", None, density, 1, f"density={density}: expected a number above 0 and at most 1.")
            for density in (0, -0.2, 1.5, 20, math.nan, True, "all")
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(method, alpha, density, num_tuned, message):
    with pytest.raises(ValueError) as error:
        check_settings(method, alpha, density, num_tuned)
    assert str(error.value) == message
    state = {"w": torch.ones(2)}
    with pytest.raises(ValueError) as error:
        merge(method, state, [state] * num_tuned, alpha, density)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("method", "alpha", "density", "num_tuned"),
    [
        *(("soup", None, None, num_tuned) for num_tuned in (1, 9)),
        *((method, alpha, None, 1) for method in ("linear", "slerp") for alpha in (None, 0, 0.5, 1)),
        *((method, alpha, None, 5) for method in ("task_arithmetic", "ties") for alpha in (None, 0, 1, 3.5)),
        *(("ties", None, density, 1) for density in (1e-6, 0.2, 1)),
    ],
)
def test_settings_in_range_are_taken(method, alpha, density, num_tuned):
    check_settings(method, alpha, density, num_tuned)


def test_equal_architectures_are_the_same_in_any_order_of_keys():
    state = tiny_states.checkpoint(1)
    check_same({"a": state, "b": {key: state[key] for key in reversed(state)}, "c": tiny_states.checkpoint(2)})
    check_same({"a": state})
    check_same({})


ONE = {"w": torch.ones(2), "ids": torch.ones(2, dtype=torch.int64)}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"w": torch.ones(2)}, "Expected checkpoints of one architecture, but of base and mine.pt only base has ids."),
        (
            ONE | {"v": torch.ones(2)},
            "Expected checkpoints of one architecture, but of base and mine.pt only mine.pt has v.",
        ),
        (
            {"v": torch.ones(2), "ids": ONE["ids"]},
            "Expected checkpoints of one architecture, but of base and mine.pt only base has w; only mine.pt has v.",
        ),
        (
            ONE | {f"k{index}": torch.ones(2) for index in range(7)},
            "Expected checkpoints of one architecture, but of base and mine.pt only "
            "mine.pt has k0, k1, k2, k3, k4 and 2 more.",
        ),
        (
            ONE | {f"k{index}": torch.ones(2) for index in range(5)},
            "Expected checkpoints of one architecture, but of base and mine.pt only mine.pt has k0, k1, k2, k3, k4.",
        ),
        (
            ONE | {"w": torch.ones(2, 1)},
            "Expected checkpoints of one architecture, but in base and mine.pt shapes differ: w (2,) and (2, 1).",
        ),
        (
            ONE | {"ids": torch.ones(2)},
            "Expected checkpoints of one architecture, but in base and mine.pt only one of two tensors is floating: "
            "ids torch.int64 and torch.float32.",
        ),
        (
            ONE | {"w": torch.ones(2).half()},
            "Expected checkpoints of one precision, but in base and mine.pt dtypes differ: "
            "w torch.float32 and torch.float16. Convert one to the dtypes of the other first.",
        ),
        (
            ONE | {"ids": torch.ones(2, dtype=torch.int32)},
            "Expected checkpoints of one precision, but in base and mine.pt dtypes differ: "
            "ids torch.int64 and torch.int32. Convert one to the dtypes of the other first.",
        ),
    ],
)
def test_checkpoints_that_differ_are_refused_by_name_and_key(other, message):
    with pytest.raises(ValueError) as error:
        check_same({"base": ONE, "twin": dict(ONE), "mine.pt": other})
    assert str(error.value) == message


@pytest.mark.parametrize("method", METHODS)
def test_a_merge_refuses_what_would_broadcast_or_be_dropped(method):
    for other in ({"w": torch.ones(1), "ids": ONE["ids"]}, ONE | {"v": torch.ones(2)}):
        with pytest.raises(ValueError, match=r"of one architecture.* base and tuned\[0\]"):
            merge(method, ONE, [other])
