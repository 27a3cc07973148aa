"""Reorder the options of a question.

``none of the above`` keeps its place, since the others must stay above it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

_FIXED = "none of the above"


def _shuffled(positions: list[int], key: str) -> list[int]:
    # By a hash, so that a question's order depends on nothing but the question.
    return sorted(positions, key=lambda position: hashlib.sha256(f"{key}/{position}".encode()).digest())


# Each function maps the positions that move, and the key of the question, to their new order.
PERMUTATIONS: dict[str, Callable[[list[int], str], list[int]]] = {
    "release": lambda positions, key: positions,
    "reversed": lambda positions, key: positions[::-1],
    "rotated": lambda positions, key: [*positions[1:], *positions[:1]],
    "shuffled": _shuffled,
}


def permuted(fields: dict[str, Any], permutation: str, key: str) -> dict[str, Any]:
    """Return the ``options``, ``captions`` and ``answer_idx`` of a question in another order.

    Args:
        fields: of a document that asks a question; not changed.
        permutation: a key of `PERMUTATIONS`.
        key: identifies the question; the order of ``shuffled`` depends on it alone.

    >>> fields = {"options": ["ant", "bee", "none of the above"], "captions": ["a", "b", "n"], "answer_idx": 0}
    >>> permuted(fields, "reversed", key="")
    {'options': ['bee', 'ant', 'none of the above'], 'captions': ['b', 'a', 'n'], 'answer_idx': 1}
    """
    options, captions = fields["options"], fields["captions"]
    moving = [position for position, option in enumerate(options) if option.strip().casefold() != _FIXED]
    source = dict(zip(moving, PERMUTATIONS[permutation](moving, key), strict=True))
    order = [source.get(position, position) for position in range(len(options))]
    return {
        "options": [options[index] for index in order],
        "captions": [captions[index] for index in order],
        "answer_idx": order.index(fields["answer_idx"]),
    }
