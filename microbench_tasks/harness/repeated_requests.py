"""Repeat requests (``--repeats N``): tell the repetitions of a question apart, and warn where they are of no use."""

from __future__ import annotations

import collections
import copy
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance


def rounds(keys: Sequence[Hashable | None]) -> list[list[int]]:
    """Split the positions of keys into rounds, so that each key occurs once in a round; None is in the first round.

    >>> rounds(["a", "a", "b", None, None])
    [[0, 2, 3, 4], [1]]
    """
    positions_of_rounds: list[list[int]] = []
    for position, number in enumerate(_occurrences(keys)):
        if number == len(positions_of_rounds):
            positions_of_rounds.append([])
        positions_of_rounds[number].append(position)
    return positions_of_rounds


def with_distinct_indices(requests: Sequence[Instance]) -> list[Instance]:
    """Return the requests with a distinct index for each repetition of a document.

    The harness repeats one object, and its response cache stores one answer for each index. Without distinct indices,
    a second run would get the same cached answer for all repetitions.
    """
    keys = map(question_of, requests)
    return [_with_index(request, number) for request, number in zip(requests, _occurrences(keys), strict=True)]


def question_of(request: Instance) -> Hashable:
    """Return a key that is equal for repetitions of one question; padding requests of the harness have their own."""
    return request.task_name, request.doc_id, "__padding_only__" in request.metadata


def _occurrences(keys: Iterable[Hashable | None]) -> Iterator[int]:
    """Yield how often each key has occurred before; 0 for None."""
    occurred: collections.Counter[Hashable] = collections.Counter()
    for key in keys:
        yield occurred[key]
        occurred[key] += key is not None


def _with_index(request: Instance, index: int) -> Instance:
    if request.idx == index:
        return request
    copied = copy.copy(request)
    copied.idx = index
    return copied


def warn_of_greedy(tasks: Mapping[str, Any]) -> None:
    """Warn about tasks that are repeated although decoding is greedy.

    Args:
        tasks: task objects of the harness, by name.
    """
    from lmms_eval.caching.response_cache import is_deterministic

    greedy: dict[int, list[str]] = {}
    for name, task in tasks.items():
        if task.config.repeats > 1 and is_deterministic("generate_until", task.config.generation_kwargs):
            greedy.setdefault(task.config.repeats, []).append(name)
    for number, names in greedy.items():
        logger.warning(
            f"--repeats {number}: {', '.join(names)} will be answered without sampling (temperature 0), so that all "
            f"{number} answers to a question are the same. "
            "Sample with --gen_kwargs temperature=0.7,do_sample=true, or leave --repeats out."
        )
