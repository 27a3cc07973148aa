"""Read submissions as leaderboard entries: questions, scores and data of one model in one group."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.analysis.answers import Answer, Question, answer_of
from microbench_tasks.leaderboard.data import Data, check_sources, data_of
from microbench_tasks.metrics.intervals import Interval
from microbench_tasks.tasks.metric import ENDS
from microbench_tasks.tasks.metric_table import shown_in
from microbench_tasks.util.cores import num_cores
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import confusable_key

if TYPE_CHECKING:
    from microbench_tasks.runs.rescoring import Rescored

# Groups and tasks with a ranking, in the order shown.
RANKED = (catalog.COARSE_GROUP, catalog.FINE_GROUP, catalog.COGNITION_TASK, catalog.LOCALIZATION_GROUP)
# Metrics that are shown beside the score, if a group has them.
FIGURES = tuple(metric.name for metric in shown_in("leaderboard"))
# Figures of boxes with an interval that is no measure of the ranking: no test compares models by them.
BOX_INTERVALS = {
    metric.name: metric.quoted_interval.name
    for metric in shown_in("leaderboard", ["boxes"])
    if metric.quoted_interval is not None
}
# Each process needs half a gigabyte while it scores a submission of the release's size.
_MOST_PROCESSES = 4


@dataclass(frozen=True, eq=False)
class Entry:
    """One model's answers to the questions of one group.

    Attributes:
        model: its name on the leaderboard.
        group: a group or task of `RANKED`, or the task of an own dataset.
        data, version: of the questions; only entries with equal data and version are compared.
        questions: the questions that count in the group's total, in ascending order without duplicates.
        scores: score of each question, from 0 to 1.
        figures: some of `FIGURES`, ``chance`` and ``majority``.
        figure_intervals: 95 % intervals of those figures of boxes that have one.
        by_task: score of each task of the group, over all of its questions.
        asked: for each task of the group, the digest of its documents, images included.
        strict: score of each question by the strict rule; None for boxes.
        outside, outside_scores: like ``questions`` and ``scores``, for questions that do not count in the group's
            total, but in the scores of tasks and so in ``acc_macro``.
        units: for own data, what each question counts with as one observation: the group of its image. Elsewhere
            empty: it is the image.
    """

    model: str
    group: str
    data: Data
    version: float
    questions: tuple[Question, ...]
    scores: np.ndarray
    figures: Mapping[str, float]
    by_task: Mapping[str, float]
    asked: Mapping[str, str] = dataclasses.field(default_factory=dict)
    figure_intervals: Mapping[str, Interval] = dataclasses.field(default_factory=dict)
    strict: np.ndarray | None = None
    outside: tuple[Question, ...] = ()
    outside_scores: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))
    units: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """Return the mean score: ``acc`` over the group's total, or ``grit``."""
        return math.fsum(self.scores) / len(self.scores)


# --- from submissions ----------------------------------------------------------------


@dataclass(frozen=True)
class Submissions:
    """Hold the entries of several submissions, the names of their models, and notes on single submissions."""

    entries: list[Entry]
    models: list[str]
    notes: list[str]


def read(folders: Sequence[Path]) -> Submissions:
    """Read the submissions in ``folders`` in parallel; show progress on stderr.

    Raises:
        DataError: a folder contains no intact submission, or a submission is named twice.
    """
    from tqdm import tqdm

    names = names_of([_name_and_digest(folder) for folder in folders], folders)
    entries: list[Entry] = []
    notes: list[str] = []
    known: dict[tuple[Question, ...], tuple[Question, ...]] = {}
    try:
        with ProcessPoolExecutor(min(len(folders), num_cores(), _MOST_PROCESSES)) as processes:
            answers = processes.map(_read, names, folders)
            for new_entries, new_notes in tqdm(answers, desc="reading submissions", total=len(folders), leave=False):
                # Questions take most of the memory: equal ones are stored once.
                entries += [_sharing_questions(entry, known) for entry in new_entries]
                notes += new_notes
    except BrokenProcessPool as error:
        raise DataError(
            "A process that read submissions was killed, most likely for lack of memory "
            "(half a gigabyte per process at the release's size). Free memory and try again."
        ) from error
    return Submissions(entries, names, sorted(notes))


def _sharing_questions(entry: Entry, known: dict[tuple[Question, ...], tuple[Question, ...]]) -> Entry:
    questions, outside = (known.setdefault(keys, keys) for keys in (entry.questions, entry.outside))
    return dataclasses.replace(entry, questions=questions, outside=outside)


def _read(name: str, folder: Path) -> tuple[list[Entry], list[str]]:
    """Read the entries and notes of one submission, without its answers, which are a hundred times as large."""
    from microbench_tasks.submissions import reading

    submitted = reading.load(folder)
    sources, boxes = submitted.manifest.data.sources.identities(), submitted.manifest.settings.boxes
    check_sources(folder, submitted.rescored, sources)
    asked = {task: record.sha256 for task, record in submitted.manifest.data.asked.items()}
    notes = list(submitted.rescored.notes)
    if boxes is not None:
        asked_with, convention, chosen_by = boxes.prompt, boxes.convention, boxes.chosen_by
        notes.append(f"boxes were asked for with {asked_with!r} and read as {convention}, chosen by {chosen_by}")
    entries = entries_of(name, submitted.rescored, sources, submitted.manifest.versions.task, asked)
    return entries, [f"{name}: {note}" for note in notes]


def _name_and_digest(folder: Path) -> tuple[str, str]:
    """Read only the manifest, so that a wrong folder is reported before the answers of all others are read."""
    from microbench_tasks.submissions import reading

    manifest = reading.load_manifest(folder)
    return manifest.model.name, manifest.digest


def names_of(submissions: Sequence[tuple[str, str]], folders: Sequence[Path]) -> list[str]:
    """Return a unique name for each submission: names that look alike get the submission's digest added.

    Args:
        submissions: name of the model and digest of each.
        folders: of the submissions, for messages.

    Raises:
        DataError: two submissions are the same, or their names look alike even with digests.
    """
    seen: dict[str, Path] = {}
    for (_, digest), folder in zip(submissions, folders, strict=True):
        if digest in seen:
            raise DataError(f"{folder}: is the same submission as {seen[digest]}. Name each submission once.")
        seen[digest] = folder
    count = collections.Counter(confusable_key(name) for name, _ in submissions)
    names = [f"{name} ({digest[:8]})" if count[confusable_key(name)] > 1 else name for name, digest in submissions]
    if alike := sorted(name for name, number in collections.Counter(map(confusable_key, names)).items() if number > 1):
        raise DataError(
            f"Names of models look alike even with the submissions' digests added: {', '.join(alike)}. "
            "Leave one of them out."
        )
    return names


def entries_of(
    name: str,
    rescored: Rescored,
    sources: Mapping[str, Mapping[str, Any]],
    version: float,
    digests: Mapping[str, str] = {},
) -> list[Entry]:
    """Build an entry for each group of `RANKED` that was asked completely, and for each task of an own dataset.

    A group needs all of its tasks, and at least one question that counts in its total.

    Args:
        name: of the model.
        rescored: its answers, scored.
        sources: for each task, the identity of its data.
        version: of the tasks.
        digests: for each task, the digest of its documents.
    """
    asked = [group for group in RANKED if set(catalog.tasks_named([group])) <= rescored.samples.keys()]
    asked += filter(catalog.is_own, rescored.samples)
    entries = []
    for group in asked:
        tasks = catalog.tasks_named([group])
        answers = sorted(answer_of(task, sample) for task in tasks for sample in rescored.samples[task])
        if any(answer.in_total for answer in answers):
            data = data_of(group, [sources[task] for task in tasks])
            task_digests = {task: digests[task] for task in tasks if task in digests}
            entries.append(_entry(name, group, answers, rescored, data, version, task_digests))
    return entries


def _entry(
    name: str,
    group: str,
    answers: Sequence[Answer],
    rescored: Rescored,
    data: Data,
    version: float,
    digests: Mapping[str, str],
) -> Entry:
    counted, outside = ([answer for answer in answers if answer.in_total is in_total] for in_total in (True, False))
    scores = rescored.scores[group]
    # A model without a box has no precision.
    figures = {figure: scores[figure] for figure in FIGURES if not math.isnan(scores.get(figure, math.nan))}
    for level, by_group in (("chance", rescored.chance), ("majority", rescored.majority)):
        figures |= {level: by_group[group]} if group in by_group else {}
    return Entry(
        model=name,
        group=group,
        data=data,
        version=version,
        questions=tuple(answer.question for answer in counted),
        scores=np.array([answer.score for answer in counted]),
        figures={figure: float(value) for figure, value in figures.items()},
        by_task={task: _task_score(task, rescored) for task in catalog.tasks_named([group])},
        asked=digests,
        figure_intervals={figure: _box_interval(figure, scores) for figure in BOX_INTERVALS if figure in figures},
        strict=None if counted[0].strict is None else np.array([answer.strict for answer in counted]),
        outside=tuple(answer.question for answer in outside),
        outside_scores=np.array([answer.score for answer in outside]),
        units=tuple(answer.cluster for answer in counted) if catalog.is_own(group) else (),
    )


def _box_interval(figure: str, scores: Mapping[str, Any]) -> Interval:
    return Interval(*(float(scores[f"{BOX_INTERVALS[figure]}_{end}"]) for end in ENDS))


def _task_score(task: str, rescored: Rescored) -> float:
    return float(rescored.scores[task]["grit" if catalog.task_of(task).subject == "boxes" else "acc"])
