"""Accuracies that need no image: chance, and the best constant answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.metrics.majority import majority_accuracy

# An ``acc`` item of `microbench_tasks.tasks.results`, with the name of its task.
_TaskAnswer = tuple[str, Mapping[str, Any]]


def blind_baselines(
    answers: Mapping[str, Sequence[Mapping[str, Any]]], groups: Iterable[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Compute chance and majority accuracy of each task and group that asks questions.

    Args:
        answers: the ``acc`` items of each task; empty for tasks that ask for boxes.
        groups: names of groups whose tasks are all in ``answers``.

    Returns:
        Chance: the mean of 1 / number of options. Majority: the accuracy of the best constant answer to each kind of
        question of a task (`microbench_tasks.metrics.majority`). Both are over the questions that ``acc`` counts.
    """
    counted: dict[str, list[_TaskAnswer]] = {
        task: [(task, answer) for answer in task_answers] for task, task_answers in answers.items()
    }
    counted |= {
        group: [pair for task in catalog.tasks_named([group]) for pair in counted[task] if pair[1]["in_total"]]
        for group in groups
    }
    with_questions = {name: pairs for name, pairs in counted.items() if pairs}
    chance = {name: _chance(pairs) for name, pairs in with_questions.items()}
    majority = {name: _majority(pairs) for name, pairs in with_questions.items()}
    return chance, majority


def _chance(pairs: Sequence[_TaskAnswer]) -> float:
    return math.fsum(1 / len(answer["options"]) for _, answer in pairs) / len(pairs)


def _majority(pairs: Sequence[_TaskAnswer]) -> float:
    kinds = [(task, answer["kind"]) for task, answer in pairs]
    options = [answer["options"] for _, answer in pairs]
    right = [answer["options"][LETTERS.index(answer["gold"])] for _, answer in pairs]
    return majority_accuracy(kinds, options, right)
