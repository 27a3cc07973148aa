"""Choose the metrics by which the models of a ranking are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.analysis.answers import Question
from microbench_tasks.leaderboard.entries import Entry
from microbench_tasks.metrics.intervals import accuracy_interval, score_interval
from microbench_tasks.metrics.measure import Measure


def measures(entries: Sequence[Entry]) -> dict[str, Measure]:
    """Return the metrics by which all models of a ranking can be compared; the first one ranks the models.

    Args:
        entries: of all models, with the same questions.
    """
    first = entries[0]
    images, tasks = _labels(first.questions)
    if first.units:
        images = np.unique(first.units, return_inverse=True)[1].ravel()
    scores = np.stack([entry.scores for entry in entries])
    if all(catalog.task_of(task).subject == "boxes" for task in catalog.tasks_named([first.group])):
        return {"grit": Measure(scores, images, tasks, score_interval)}
    by_metric = {"acc": Measure(scores, images, tasks, accuracy_interval)}
    strict = [entry.strict for entry in entries if entry.strict is not None]
    if len(strict) == len(entries):
        by_metric["acc_strict"] = Measure(np.stack(strict), images, tasks, accuracy_interval)
    if all("acc_macro" in entry.figures for entry in entries):
        everything = np.hstack([scores, np.stack([entry.outside_scores for entry in entries])])
        by_metric["acc_macro"] = Measure(everything, *_labels(first.questions + first.outside), None)
    return by_metric


def _labels(questions: Sequence[Question]) -> tuple[np.ndarray, np.ndarray]:
    """Return the image and the task of each question as integer labels."""
    images, tasks = (
        np.unique(names, return_inverse=True)[1].ravel()
        for names in ([image for _, _, image, _ in questions], [task for task, _, _, _ in questions])
    )
    return images, tasks
