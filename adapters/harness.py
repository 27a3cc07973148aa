"""What the models of this package tell the harness beyond its model API.

lmms-eval writes no word about a loaded model into its results file, and its response cache knows
a model by the arguments it was asked with, not by its weights. `install` closes both gaps around
the harness's own ``evaluate``.
"""

from __future__ import annotations

import abc
import atexit
import contextlib
import functools
import hashlib
import inspect
import json
import os
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from loguru import logger

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

Facts = TypeVar("Facts")
Key = TypeVar("Key", bound=Hashable)

# Where the results file says what was loaded.
RESULTS_KEY = "loaded_model"
_INSTALLED = "_microbench_records_models"


class Recorded(abc.ABC):
    """A model whose weights decide its answers, and of which the results file says what they are."""

    @abc.abstractmethod
    def record(self) -> dict[str, Any]:
        """What was loaded, for the results file: JSON values, equal in all processes of a run."""

    def run_record(self) -> dict[str, Any]:
        """What the run found out about the model; called once, in all processes of it."""
        return {}

    # Whether all processes of the run ask their model at the same time, so that it may exchange what it works out.
    asked_together: bool = False

    def note_asked(self, requests: list[Instance]) -> None:
        """Called with the requests of a run with a cache, whose answers may be known, before they are asked."""


def install() -> None:
    """Make the harness's ``evaluate`` record models of this package and keep their cached answers apart by weights.

    Called by every `Recorded` model; does nothing the second time. Never raises: a harness whose
    internals moved still evaluates, and a warning says what is missing.
    """
    from lmms_eval import evaluator

    end_group_at_exit()
    original = getattr(evaluator, "evaluate", None)
    if getattr(original, _INSTALLED, False):
        return
    missing = {"lm", "response_cache"} - (set() if original is None else set(inspect.signature(original).parameters))
    if missing:
        logger.warning(
            f"This version of lmms-eval evaluates without {', '.join(sorted(missing))}: its results file will not say which weights were loaded."
        )
        return

    @functools.wraps(original)
    def evaluate(*args, **kwargs):
        call = inspect.signature(original).bind(*args, **kwargs)
        model = call.arguments["lm"]
        if not isinstance(model, Recorded):
            return original(*args, **kwargs)
        if call.arguments.get("response_cache") is not None:
            call.arguments["response_cache"] = _by_weights(call.arguments["response_cache"], model)
        # A cache asks a process nothing if it knows all of its answers.
        model.asked_together = call.arguments.get("response_cache") is None and _num_processes() > 1
        try:
            results = original(*call.args, **call.kwargs)
        finally:
            model.asked_together = False
        record = model.record() | model.run_record()
        if results is not None:
            results[RESULTS_KEY] = record
        return results

    setattr(evaluate, _INSTALLED, True)
    evaluator.evaluate = evaluate


def end_group_at_exit() -> None:
    """End the group of processes in order when this one exits.

    lmms-eval leaves that to the interpreter, under whose end threads of the group now and then still
    run: a process aborts, and the launcher reports a finished run as failed.
    """
    # Registered again, it still runs once.
    atexit.unregister(_end_group)
    atexit.register(_end_group)


def _end_group() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # Nothing of the run is left to lose.
        with contextlib.suppress(Exception):
            torch.distributed.destroy_process_group()


def _by_weights(cache: Any, model: Any) -> Any:
    if hasattr(cache, "_model_fingerprint_hash") and hasattr(cache, "model_fingerprint"):
        return _CacheByWeights(cache, model.record())
    logger.warning(
        "This version of lmms-eval has another response cache, which might answer for other weights behind the same path: it is not used for this model."
    )
    return None


class _CacheByWeights:
    """The harness's response cache for one model, whose answers other weights behind the same path do not share."""

    def __init__(self, cache: Any, record: dict[str, Any]) -> None:
        self._cache = cache
        # What decides an answer; the device changes nothing but its last digits.
        identity = json.dumps({name: value for name, value in record.items() if name != "device"}, sort_keys=True)
        cache._model_fingerprint_hash = hashlib.sha256(f"{cache.model_fingerprint} {identity}".encode()).hexdigest()[
            :16
        ]

    def execute(self, model: Any, request_type: str, requests: list) -> list:
        # lmms-eval 0.7.3 stores a log-likelihood as text and cannot read it back.
        if request_type == "loglikelihood":
            return model.loglikelihood(requests)
        model.note_asked(requests)
        return self._cache.execute(model, request_type, requests)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)


def in_all_processes(*mine: set[Facts]) -> tuple[set[Facts], ...]:
    """Each of these sets with what its likes in the other processes of the run hold."""
    return tuple(set().union(*sets) for sets in zip(*_gathered(mine)))


def divided(wanted: Sequence[Key]) -> tuple[list[Key], set[Key]]:
    """Of what this process wants, its own part of the work, and what others want of that part.

    What several processes want is given to one of them, so that all have about as much to do. Called
    in all processes of a run at once; keys mean the same in each.
    """
    everyone = _gathered(list(wanted))
    takers: dict[Key, list[int]] = {}
    for process, keys in enumerate(everyone):
        for key in dict.fromkeys(keys):
            takers.setdefault(key, []).append(process)
    work = [0] * len(everyone)
    for processes in takers.values():
        if len(processes) == 1:
            work[processes[0]] += 1
    owners = {}
    for key, processes in takers.items():
        owners[key] = min(processes, key=work.__getitem__)
        work[owners[key]] += len(processes) > 1
    rank = torch.distributed.get_rank() if len(everyone) > 1 else 0
    mine = [key for key in dict.fromkeys(wanted) if owners[key] == rank]
    return mine, {key for key in mine if len(takers[key]) > 1}


def exchanged(found: Mapping[Key, Facts]) -> dict[Key, Facts]:
    """What all processes of a run found, each giving what others want."""
    return {key: value for part in _gathered(dict(found)) for key, value in part.items()}


def _gathered(mine: Any) -> list[Any]:
    """``mine`` of each process of the run, by rank."""
    parts = [mine]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        parts = [mine] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(parts, mine)
    return parts


def _num_processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))
