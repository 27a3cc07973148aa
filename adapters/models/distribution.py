"""Work that the processes of a run share: dividing it, exchanging its results, and ending the group."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


def num_processes() -> int:
    """Return the number of processes of the run, as its launcher set it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def union_over_processes(items: set[Item]) -> set[Item]:
    """Return the union of ``items`` over all processes of the run; call it in all of them at once."""
    return set().union(*_gather(items))


def divide_work(wanted: Sequence[Key]) -> tuple[list[Key], set[Key]]:
    """Assign each wanted key to one process, so that all have about as much to do.

    Call it in all processes of a run at once. A key means the same in each.

    Args:
        wanted: the keys that this process needs.

    Returns:
        The keys that this process works out, and those of them that others need, too.
    """
    wanted_by_rank = _gather(list(wanted))
    ranks_of: dict[Key, list[int]] = {}
    for rank, keys in enumerate(wanted_by_rank):
        for key in dict.fromkeys(keys):
            ranks_of.setdefault(key, []).append(rank)
    load = [0] * len(wanted_by_rank)
    for ranks in ranks_of.values():
        if len(ranks) == 1:
            load[ranks[0]] += 1
    owner_of = {}
    for key, ranks in ranks_of.items():
        owner_of[key] = min(ranks, key=load.__getitem__)
        load[owner_of[key]] += len(ranks) > 1
    own_rank = torch.distributed.get_rank() if len(wanted_by_rank) > 1 else 0
    own = [key for key in dict.fromkeys(wanted) if owner_of[key] == own_rank]
    return own, {key for key in own if len(ranks_of[key]) > 1}


def exchange(results: Mapping[Key, Item]) -> dict[Key, Item]:
    """Return the results of all processes of a run; call it in all of them at once."""
    return {key: value for part in _gather(dict(results)) for key, value in part.items()}


def _gather(value: Any) -> list[Any]:
    """Return the ``value`` of each process of the run, by rank."""
    parts = [value]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        parts = [value] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(parts, value)
    return parts


def end_group_at_exit() -> None:
    """Destroy the process group when this process exits.

    lmms-eval leaves that to the interpreter, at whose end threads of the group may still run. Then a process
    aborts, and the launcher reports a finished run as failed.
    """
    # Registered again, it still runs once.
    atexit.unregister(_end_group)
    atexit.register(_end_group)


def _end_group() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # The run is over: an error here loses nothing.
        with contextlib.suppress(Exception):
            torch.distributed.destroy_process_group()
