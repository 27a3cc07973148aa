"""Say once what holds for many tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ABOUT_TASK = re.compile(r"(?P<task>microbench_[^\s:,]+): (?P<rest>.+)", re.DOTALL)
_NUMBER = re.compile(r"\d+")
_MOST_NAMES = 3


def merge_similar(sentences: Iterable[str]) -> list[str]:
    """Keep the first of several sentences about tasks that differ in the task and in numbers alone; name the others.

    Args:
        sentences: those about a task begin with its name and a colon; others are kept as they are.

    >>> merge_similar([f"microbench_{name}: 3 of {size} were asked." for name, size in zip("abcde", range(4, 9))])
    ['microbench_a: 3 of 4 were asked. The same holds for microbench_b, microbench_c, microbench_d and 1 more.']
    """
    firsts: dict[str, str] = {}
    tasks: dict[str, list[str]] = {}
    for sentence in dict.fromkeys(sentences):
        match = _ABOUT_TASK.fullmatch(sentence)
        key = sentence if match is None else _NUMBER.sub("#", match["rest"])
        task = match["task"] if match else ""
        if task in tasks.get(key, ()):
            # Numbers are all that two sentences about one task differ in.
            key = sentence
        firsts.setdefault(key, sentence)
        tasks.setdefault(key, []).append(task)
    return [_with_others(first, tasks[key][1:]) for key, first in firsts.items()]


def _with_others(sentence: str, others: list[str]) -> str:
    if not others:
        return sentence
    more = f" and {len(others) - _MOST_NAMES} more" if len(others) > _MOST_NAMES else ""
    listed = f"{', '.join(others[:_MOST_NAMES])}{more}"
    if sentence.endswith("."):
        return f"{sentence} The same holds for {listed}."
    return f"{sentence}; the same holds for {listed}"
