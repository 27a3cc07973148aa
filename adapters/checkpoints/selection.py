"""Select the weights of a model in a training checkpoint: nested, prefixed, or stored with averaged copies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch

from microbench_adapters.checkpoints import fitting, state_dicts
from microbench_adapters.checkpoints.fitting import Faults
from microbench_adapters.checkpoints.loading import summarize_names
from microbench_adapters.checkpoints.state_dicts import State

Adapted = TypeVar("Adapted")

# In flat checkpoints: the first part of names that training adds beside the model.
_TRAINING_ONLY = re.compile(r"((.*_)?(loss|losses|loss_fn|criterion|metric|metrics)|n_averaged|num_updates)")
# A second set of weights, averaged over the steps of training.
_AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged?|shadow|teacher|momentum)($|[._])", re.IGNORECASE)
# Share of the architecture that a group with one prefix must contain to count as a model.
_MOST_OF_A_MODEL = 0.8
_DEEPEST_PREFIX = 5


@dataclass(frozen=True)
class Selection(Generic[Adapted]):
    """The weights of a checkpoint that fit the architecture.

    Attributes:
        adapted: what the loader made of them.
        source: keys and prefix under which they were in the file; empty if there were none.
    """

    adapted: Adapted
    source: str

    @property
    def record(self) -> dict[str, str]:
        """Return the entry of the results file about ``source``."""
        return {"taken_from": self.source} if self.source else {}


@dataclass(frozen=True)
class _Candidate:
    """The weights of one prefix in one dictionary of a checkpoint; ``left`` lists its other names."""

    path: tuple[str, ...]
    prefix: str
    state: State
    left: list[str]

    @property
    def place(self) -> tuple[str, ...]:
        return self.path + tuple(self.prefix.split(".")[:-1])

    @property
    def source(self) -> str:
        prefix = f"prefix {self.prefix}" if self.prefix else ""
        return ", ".join(part for part in (".".join(self.path), prefix) if part)


def select(
    content: Any, adapt: Callable[[State], tuple[Faults, Adapted]], expected: int, where: str
) -> Selection[Adapted]:
    """Select the weights in ``content`` that match an architecture exactly.

    Args:
        content: what a checkpoint file contains.
        adapt: converts a state dict to what is loaded, and returns what does not fit.
        expected: the number of weights of the architecture.
        where: names the checkpoint in messages.

    Raises:
        ValueError: no weights fit, several fit and differ, or something would be left out; with the cause.
    """
    dicts = list(state_dicts.iterate_states(content))
    if not dicts:
        advice = fitting.advice_without_weights(content)
        expectation = f"expected the weights of a model by name (a state dict), got {type(content).__name__}."
        raise ValueError(f"{where}: {expectation} {advice}".rstrip())
    trials = [trial for path, state in dicts for trial in _try_candidates(path, state, adapt, expected)]
    fits = [(candidate, adapted) for candidate, faults, adapted in trials if not faults]
    if not fits:
        candidate, faults, _ = min(trials, key=lambda trial: trial[1].count)
        raise ValueError(fitting.refusal(faults, candidate.state, where))
    chosen, adapted = fits[0]
    others = [candidate for candidate, _ in fits[1:]]
    _refuse_second_model(content, chosen, others, where)
    _refuse_leftovers(chosen, others, where)
    _refuse_parts_elsewhere(content, chosen, where)
    return Selection(adapted, chosen.source)


def _try_candidates(
    path: tuple[str, ...], state: State, adapt: Callable[[State], tuple[Faults, Adapted]], expected: int
) -> Iterator[tuple[_Candidate, Faults, Adapted]]:
    """Try the candidates of one dictionary, up to the first that fits and leaves nothing out."""
    for candidate in _candidates(path, state, expected):
        faults, adapted = adapt(candidate.state)
        yield candidate, faults, adapted
        if not faults and not candidate.left:
            return


def _refuse_leftovers(chosen: _Candidate, others: list[_Candidate], where: str) -> None:
    # Other models that fit, and averaged weights, are equal to the chosen ones: `_refuse_second_model` ran before.
    copies = tuple(candidate.prefix for candidate in (chosen, *others) if candidate.path == chosen.path)
    left = [name for name in chosen.left if not name.startswith(copies) and not _is_training_only(name.split(".")[0])]
    if left:
        raise ValueError(
            f"{where}: beside the weights under {chosen.source} there are {len(left)} others "
            f"({summarize_names(left)}), which would be left out. Save only the model's weights."
        )


def _refuse_parts_elsewhere(content: Any, chosen: _Candidate, where: str) -> None:
    """Refuse an adapter, or some of the weights with other values, in another dictionary than the chosen one."""
    ours = chosen.source or "no prefix"
    for path, state in state_dicts.iterate_states(content):
        place = ".".join(path) or "no name"
        if path != chosen.path and fitting.holds_adapter(state):
            raise ValueError(
                f"{where}: beside the weights under {ours} there is an adapter under {place}, which would be left out. "
                f"{fitting.ADAPTER_ADVICE}"
            )
        differing = (
            name
            for one, two, _ in state_dicts.shared_weights(chosen.state, state)
            if (name := state_dicts.first_difference(one, two))
        )
        if path != chosen.path and (name := next(differing, "")):
            raise ValueError(
                f"{where}: under {place} there are other values of weights under {ours}, for example of {name}, "
                f"which would be left out. Save the model's weights alone."
            )


def _is_training_only(part: str) -> bool:
    return bool(_TRAINING_ONLY.fullmatch(part) or _AVERAGED.search(part))


def _refuse_second_model(content: Any, chosen: _Candidate, others: list[_Candidate], where: str) -> None:
    advice = "Save only the one that you mean in a file, and name that file."
    ours = chosen.source or "no prefix"
    for other in others:
        if name := state_dicts.first_difference(chosen.state, other.state):
            theirs = other.source or "no prefix"
            raise ValueError(
                f"{where}: contains two models that differ, under {ours} and under {theirs}, for example in {name}. "
                f"{advice}"
            )
    compared = [candidate.place for candidate in (chosen, *others)]
    for place in _averages(content):
        if not any(known[: len(place)] == place for known in compared):
            raise ValueError(
                f"{where}: contains a second set of weights (averaged ones or a teacher's) under {'.'.join(place)} "
                f"beside those under {ours}, which cannot be compared with them. {advice}"
            )


def _averages(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where weights lie that are averages by their name: keys of dictionaries, or first parts of flat names."""
    if not isinstance(content, Mapping):
        return
    for name, value in state_dicts.named_items(content):
        first = state_dicts.without_wrappers(name).split(".")[0] if isinstance(value, torch.Tensor) else name
        if _AVERAGED.search(first) and _holds_weights(value):
            yield (*path, first)
        elif isinstance(value, Mapping) and not state_dicts.is_training_part(name):
            yield from _averages(value, (*path, name))


def _holds_weights(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.ndim > 0
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(_holds_weights(part) for part in parts)


def _candidates(path: tuple[str, ...], state: State, expected: int) -> Iterator[_Candidate]:
    """Yield the state as it is, without shared prefixes, and each group of one prefix that may be a model."""
    common = state_dicts.common_prefix(state)
    depths = [".".join(common[:depth]) + "." if depth else "" for depth in range(len(common) + 1)]
    counts = Counter(prefix for name in state for prefix in _prefixes(name))
    large = [prefix for prefix, count in counts.items() if count >= _MOST_OF_A_MODEL * expected]
    groups = [prefix for prefix in large if prefix not in depths]
    for prefix in (*depths, *sorted(groups, key=lambda prefix: prefix.count("."))):
        inside = {name.removeprefix(prefix): values for name, values in state.items() if name.startswith(prefix)}
        yield _Candidate(path, prefix, inside, [name for name in state if not name.startswith(prefix)])


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:depth]) + "." for depth in range(1, min(len(parts), _DEEPEST_PREFIX + 1))]
