"""The options of a question in another order.

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


# From the positions that move, and what names the question, to their new order.
PERMUTATIONS: dict[str, Callable[[list[int], str], list[int]]] = {
    "release": lambda positions, key: positions,
    "reversed": lambda positions, key: positions[::-1],
    "rotated": lambda positions, key: [*positions[1:], *positions[:1]],
    "shuffled": _shuffled,
}


def permuted(fields: dict[str, Any], permutation: str, key: str) -> dict[str, Any]:
    """The ``options``, ``captions`` and ``answer_idx`` of a question in another order.

    Args:
        fields: of a document that asks a question; left as they are.
        permutation: a key of `PERMUTATIONS`.
        key: names the question; ``shuffled`` gives it an order by this.

    >>> permuted({"options": ["ant", "bee", "none of the above"], "captions": ["a", "b", "n"], "answer_idx": 0}, "reversed", "")
    {'options': ['bee', 'ant', 'none of the above'], 'captions': ['b', 'a', 'n'], 'answer_idx': 1}
    """
    options, captions = fields["options"], fields["captions"]
    moving = [position for position, option in enumerate(options) if option.strip().casefold() != _FIXED]
    source = dict(zip(moving, PERMUTATIONS[permutation](moving, key)))
    order = [source.get(position, position) for position in range(len(options))]
    return {
        "options": [options[index] for index in order],
        "captions": [captions[index] for index in order],
        "answer_idx": order.index(fields["answer_idx"]),
    }
