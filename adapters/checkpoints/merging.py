"""Merge the weights of checkpoints of one architecture: pure functions on state dicts.

Only floating tensors are merged. The arithmetic is done in double precision, tensor by tensor, and rounded once to
the dtype of the base checkpoint's tensor; values beyond its range become infinite. Position ids, batch counters and
masks of integers or booleans are copied from one checkpoint: a value between two of them would be meaningless.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import torch

from microbench_adapters.checkpoints.loading import summarize_names

State = Mapping[str, torch.Tensor]

METHODS = ("linear", "soup", "slerp", "task_arithmetic", "ties")
# Halfway between two checkpoints; for task vectors, the recipe of the TIES paper (arXiv 2306.01708) for use
# without validation data: task arithmetic 0.4, TIES 1 with the largest 20 % of each task vector kept.
DEFAULT_ALPHA = {"linear": 0.5, "slerp": 0.5, "task_arithmetic": 0.4, "ties": 1.0}
DEFAULT_DENSITY = 0.2

# Methods whose result lies between two checkpoints.
_INTERPOLATIONS = ("linear", "slerp")
# Below this sine of their angle, two tensors count as (anti)parallel. Linear and spherical interpolation of nearly
# parallel tensors differ by the square of the angle, which is then less than single precision shows.
_PARALLEL_SINE = 1e-6


def check_settings(method: str, alpha: float | None, density: float | None, num_tuned: int) -> None:
    """Refuse a setting that ``method`` does not take; None stands for the default.

    Args:
        method: one of ``METHODS``.
        alpha: from 0 to 1 for linear and slerp, at least 0 for task_arithmetic and ties, None for soup.
        density: above 0, at most 1, for ties; None for the others.
        num_tuned: number of checkpoints merged with the base: one for linear and slerp, else at least one.

    Raises:
        ValueError: the method is unknown; a setting is not a finite number, out of range or not used
            by the method; or the number of checkpoints is wrong.

    >>> check_settings("linear", alpha=0.3, density=None, num_tuned=1)
    >>> check_settings("soup", alpha=0.3, density=None, num_tuned=1)
    Traceback (most recent call last):
    ValueError: alpha=0.3: merge=soup takes no alpha, it weights all checkpoints alike.
    """
    if method not in METHODS:
        raise ValueError(f"merge={method}: expected one of {', '.join(METHODS)}.")
    if num_tuned < 1 or (method in _INTERPOLATIONS and num_tuned > 1):
        raise ValueError(
            f"merge={method}: expected {'one' if method in _INTERPOLATIONS else 'at least one'} tuned checkpoint, "
            f"got {num_tuned}."
        )
    if alpha is not None:
        _check_alpha(method, alpha)
    if density is not None:
        _check_density(method, density)


def _check_alpha(method: str, alpha: float) -> None:
    if method not in DEFAULT_ALPHA:
        raise ValueError(f"alpha={alpha}: merge={method} takes no alpha, it weights all checkpoints alike.")
    if not _is_finite_number(alpha):
        raise ValueError(f"alpha={alpha}: expected a finite number.")
    if method in _INTERPOLATIONS and not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha}: merge={method} expects a number from 0 (base) to 1 (tuned).")
    if alpha < 0:
        raise ValueError(f"alpha={alpha}: merge={method} expects a number of at least 0.")


def _check_density(method: str, density: float) -> None:
    if method != "ties":
        raise ValueError(f"density={density}: merge={method} takes no density, only ties does.")
    if not _is_finite_number(density) or not 0 < density <= 1:
        raise ValueError(f"density={density}: expected a number above 0 and at most 1.")


def _is_finite_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_same(states: Mapping[str, State]) -> None:
    """Refuse checkpoints that differ in their keys, or in a tensor's shape or dtype.

    Args:
        states: the checkpoints by their names in messages. The order of the keys does not matter.

    Raises:
        ValueError: a checkpoint differs from the first one; names both and the first few keys.

    >>> check_same({"base": {"w": torch.zeros(2)}, "mine.pt": {"w": torch.zeros(3)}})
    Traceback (most recent call last):
    ValueError: Expected checkpoints of one architecture, but in base and mine.pt shapes differ: w (2,) and (3,).
    """
    if not states:
        return
    (first_name, first), *others = states.items()
    for name, state in others:
        _check_keys(first_name, first, name, state)
        _check_tensors(first_name, first, name, state)


def _check_tensors(first_name: str, first: State, name: str, state: State) -> None:
    """Refuse tensors that differ in shape or dtype."""
    names = f"in {first_name} and {name}"
    shapes = [
        f"{key} {tuple(first[key].shape)} and {tuple(state[key].shape)}"
        for key in first
        if first[key].shape != state[key].shape
    ]
    if shapes:
        raise ValueError(
            f"Expected checkpoints of one architecture, but {names} shapes differ: {summarize_names(shapes)}."
        )
    differing = [key for key in first if first[key].dtype != state[key].dtype]
    kinds = [key for key in differing if first[key].is_floating_point() != state[key].is_floating_point()]
    if kinds:
        raise ValueError(
            f"Expected checkpoints of one architecture, but {names} only one of two tensors is floating: "
            f"{_describe_dtypes(kinds, first, state)}."
        )
    if differing:
        raise ValueError(
            f"Expected checkpoints of one precision, but {names} dtypes differ: "
            f"{_describe_dtypes(differing, first, state)}. Convert one to the dtypes of the other first."
        )


def _check_keys(first_name: str, first: State, name: str, state: State) -> None:
    surplus = [
        (first_name, [key for key in first if key not in state]),
        (name, [key for key in state if key not in first]),
    ]
    parts = [f"only {owner} has {summarize_names(keys)}" for owner, keys in surplus if keys]
    if parts:
        raise ValueError(
            f"Expected checkpoints of one architecture, but of {first_name} and {name} {'; '.join(parts)}."
        )


def _describe_dtypes(keys: Sequence[str], first: State, other: State) -> str:
    return summarize_names(f"{key} {first[key].dtype} and {other[key].dtype}" for key in keys)


@torch.no_grad()
def merge(
    method: str, base: State, tuned: Sequence[State], alpha: float | None = None, density: float | None = None
) -> dict[str, torch.Tensor]:
    """Merge ``base`` and the checkpoints that were tuned from it into one.

    - linear: (1 - alpha) * base + alpha * tuned.
    - soup: the mean of base and all tuned.
    - slerp: per tensor, along the arc between base and tuned, alpha of their angle from base on. Linear
      where the two are parallel or opposite or one is zero, and so for single numbers.
    - task_arithmetic: base + alpha * the sum of the task vectors, tuned - base.
    - ties: of each task vector, keep the share ``density`` of entries that are largest in magnitude in the
      whole checkpoint, and those that equal the smallest kept. Per entry, average the kept values that
      have the sign of their sum; 0 if the sum is. base + alpha * this average.

    A tensor that is the same in all checkpoints is kept as it is. Where the formula gives base (alpha 0)
    or tuned (alpha 1, one tuned, density 1), the result is that checkpoint bit by bit. Tensors that are not
    floating come from base for soup and at alpha 0, else from the first of ``tuned``.

    Args:
        method: one of ``METHODS``.
        base: tensors by key.
        tuned: one state like ``base`` for linear and slerp, else one or more; their order does not matter
            beyond rounding and the tensors that are not floating.
        alpha: see ``check_settings``; by default that of ``DEFAULT_ALPHA``.
        density: see ``check_settings``; by default ``DEFAULT_DENSITY``.

    Returns:
        New tensors under the keys of base, in its order, of its dtypes. TIES needs 24 bytes per entry of
        one checkpoint on the way, the others a few copies of one tensor.

    Raises:
        ValueError: a setting is refused by ``check_settings``, the states by ``check_same``.

    Sources: linear is WiSE-FT (arXiv 2109.01903), which the Micro-Bench paper merges with (section 5.2,
    Figure 5); soup is the uniform soup of arXiv 2203.05482; slerp is Shoemake, "Animating rotation with
    quaternion curves" (SIGGRAPH 1985), on weights as in GitHub ``arcee-ai/mergekit``; task arithmetic is
    arXiv 2212.04089; TIES is arXiv 2306.01708, Algorithm 1 (its code, GitHub ``prateeky2806/ties-merging``,
    keeps one entry more and gives entries of sum 0 the most common sign).

    >>> base, tuned = {"w": torch.tensor([0.0, 8.0])}, {"w": torch.tensor([4.0, 0.0])}
    >>> merge("linear", base, [tuned], alpha=0.25)
    {'w': tensor([1., 6.])}
    """
    check_settings(method, alpha, density, len(tuned))
    check_same({"base": base} | {f"tuned[{index}]": state for index, state in enumerate(tuned)})
    # The soup has no alpha.
    alpha = DEFAULT_ALPHA.get(method, 1.0) if alpha is None else alpha
    density = DEFAULT_DENSITY if density is None else density
    end = _exact_end(method, base, tuned, alpha, density)
    if end is not None:
        return {key: end[key].clone() for key in base}
    combine = _combiner(method, base, tuned, alpha, density)
    whole = base if method == "soup" else tuned[0]
    return {key: _merge_tensor(combine, base[key], [state[key] for state in tuned], whole[key]) for key in base}


def _exact_end(method: str, base: State, tuned: Sequence[State], alpha: float, density: float) -> State | None:
    """Return the checkpoint that the formula reproduces exactly; None if it is a real merge."""
    if method == "soup":
        return None
    if alpha == 0:
        return base
    if alpha == 1 and len(tuned) == 1 and (method != "ties" or density == 1):
        return tuned[0]
    return None


def _combiner(
    method: str, base: State, tuned: Sequence[State], alpha: float, density: float
) -> Callable[[torch.Tensor, list[torch.Tensor]], torch.Tensor]:
    """Return the function that merges one tensor of base with the tuned ones, all in double precision."""
    if method == "soup":
        return _mean
    if method == "ties":
        thresholds = [_trim_threshold(base, state, density) for state in tuned]
        return functools.partial(_ties, alpha=alpha, thresholds=thresholds)
    formulas = {"linear": _linear, "slerp": _slerp, "task_arithmetic": _task_arithmetic}
    return functools.partial(formulas[method], alpha=alpha)


def _merge_tensor(
    combine: Callable[..., torch.Tensor], base: torch.Tensor, tuned: list[torch.Tensor], whole: torch.Tensor
) -> torch.Tensor:
    if not base.is_floating_point():
        return whole.clone()
    # Not left to arithmetic, which need not reproduce a double, and makes a mask's infinities NaN.
    if all(torch.equal(base, tensor) for tensor in tuned):
        return base.clone()
    return combine(base.double(), [tensor.double() for tensor in tuned]).to(base.dtype)


def _linear(base: torch.Tensor, tuned: list[torch.Tensor], alpha: float) -> torch.Tensor:
    return (1 - alpha) * base + alpha * tuned[0]


def _mean(base: torch.Tensor, tuned: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([base, *tuned]).mean(dim=0)


def _slerp(base: torch.Tensor, tuned: list[torch.Tensor], alpha: float) -> torch.Tensor:
    first, second = (tensor / torch.linalg.vector_norm(tensor) for tensor in (base, tuned[0]))
    # Exact at every angle, unlike the arc cosine of their product.
    angle = 2 * math.atan2(
        torch.linalg.vector_norm(first - second).item(), torch.linalg.vector_norm(first + second).item()
    )
    # A tensor of zeros has no direction: its angle is NaN, and every comparison with NaN is false.
    if not math.sin(angle) > _PARALLEL_SINE:
        return _linear(base, tuned, alpha)
    return (math.sin((1 - alpha) * angle) * base + math.sin(alpha * angle) * tuned[0]) / math.sin(angle)


def _task_arithmetic(base: torch.Tensor, tuned: list[torch.Tensor], alpha: float) -> torch.Tensor:
    return base + alpha * _task_vectors(base, tuned).sum(dim=0)


def _ties(base: torch.Tensor, tuned: list[torch.Tensor], alpha: float, thresholds: Sequence[float]) -> torch.Tensor:
    vectors = _task_vectors(base, tuned)
    trimmed = torch.stack(
        [
            torch.where(vector.abs() >= threshold, vector, 0.0)
            for vector, threshold in zip(vectors, thresholds, strict=True)
        ]
    )
    elected = trimmed.sum(dim=0).sign()
    # A zero, trimmed or not, has no sign and never agrees; nor does anything with a sum of 0.
    agrees = trimmed * elected > 0
    return base + alpha * torch.where(agrees, trimmed, 0.0).sum(dim=0) / agrees.sum(dim=0).clamp(min=1)


def _trim_threshold(base: State, tuned: State, density: float) -> float:
    """Return the smallest magnitude that TIES keeps of one checkpoint's task vector, over all its tensors."""
    keys = [key for key, tensor in base.items() if tensor.is_floating_point()]
    num_entries = sum(base[key].numel() for key in keys)
    if num_entries == 0:
        return 0.0
    num_kept = max(1, round(density * num_entries))
    magnitudes = torch.cat([_task_vectors(base[key].double(), [tuned[key].double()]).abs().flatten() for key in keys])
    return magnitudes.kthvalue(num_entries - num_kept + 1).values.item()


def _task_vectors(base: torch.Tensor, tuned: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the differences of the tuned tensors from base, shape (len(tuned), *base.shape)."""
    # The difference of two equal infinities, as masks hold them, is 0 here and not NaN.
    return torch.stack([torch.where(tensor == base, 0.0, tensor - base) for tensor in tuned])
