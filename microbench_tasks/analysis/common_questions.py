"""Match the answers of several runs to the same questions, after checking that their data are the same."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from microbench_tasks.analysis.answers import Answer, answer_of
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.data.source_identity import without_path
from microbench_tasks.runs.mismatches import source_mismatch
from microbench_tasks.runs.rescoring import ScoredSample
from microbench_tasks.util.errors import DataError


@dataclass(frozen=True)
class CommonQuestions:
    """Hold the questions of a task that several runs answered.

    Attributes:
        task: its name.
        runs: positions of the runs.
        answers: of each run, to the same questions in the same order.
        samples: the scored samples that the answers are of.
    """

    task: str
    runs: tuple[int, ...]
    answers: tuple[tuple[Answer, ...], ...]
    samples: tuple[tuple[ScoredSample, ...], ...]

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.answers[0])


class Matcher:
    """Match the questions of several runs.

    Args:
        runs: with unique labels.

    Raises:
        DataError: two runs were asked about other data. (Another question under the same number is found later.)
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._common: dict[tuple[str, tuple[int, ...]], CommonQuestions] = {}
        # Each task of any run, with the positions of the runs that have any answer to it.
        self.runs_of_task: dict[str, tuple[int, ...]] = {}
        for task in dict.fromkeys(task for run in runs for task in run.rescored.samples):
            having = tuple(number for number, run in enumerate(runs) if _has_answers(run, task))
            self.runs_of_task[task] = having
            for one, other in itertools.combinations(having, 2):
                _check_same_data(task, runs[one], runs[other])

    def common(self, task: str, numbers: tuple[int, ...]) -> CommonQuestions:
        """Return the questions of a task that all runs at these positions answered; raise `DataError` as the class."""
        if (task, numbers) not in self._common:
            self._common[task, numbers] = self._match(task, numbers)
        return self._common[task, numbers]

    def _match(self, task: str, numbers: tuple[int, ...]) -> CommonQuestions:
        samples = [
            {sample.doc_id: sample for sample in self._runs[number].rescored.samples[task]} for number in numbers
        ]
        documents = sorted(set.intersection(*map(set, samples)))
        matched = tuple(tuple(of_run[document] for document in documents) for of_run in samples)
        answers = tuple(tuple(answer_of(task, sample) for sample in of_run) for of_run in matched)
        for number, of_run in zip(numbers[1:], answers[1:], strict=True):
            for first, other in zip(answers[0], of_run, strict=True):
                if first.question != other.question:
                    _raise_other_question(first, other, self._runs[numbers[0]].label, self._runs[number].label)
        return CommonQuestions(task, numbers, answers, matched)

    def left_out(self, task: str) -> dict[int, int]:
        """Return, for each run that has the task, how many questions of it another run with the task was not asked."""
        numbers = self.runs_of_task[task]
        common = len(self.common(task, numbers))
        return {number: len(self._runs[number].rescored.samples[task]) - common for number in numbers}


def _has_answers(run: Run, task: str) -> bool:
    return bool(run.rescored.samples.get(task)) and task not in run.rescored.unanswered


def _check_same_data(task: str, one: Run, other: Run) -> None:
    """Raise `DataError` if two runs were asked about other documents, as far as that is on record."""
    if not _have_same_data(task, one, other):
        raise DataError(
            f"{task} was asked on different data: by {one.label} on {_describe(one, task)}, by {other.label} on "
            f"{_describe(other, task)}. Only runs on the same data can be compared question by question: run one of "
            "them again on the data of the other (MICROBENCH_DATASET), or compare other runs."
        )


def _have_same_data(task: str, one: Run, other: Run) -> bool:
    """Compare the digests of the documents, which do not depend on where the data lie, or else the sources."""
    digests = [run.asked.get(task) for run in (one, other)]
    if all(digests):
        return digests[0] == digests[1]
    sources = [_source(run, task) for run in (one, other)]
    return not all(sources) or not source_mismatch(*sources)


def has_unknown_data(run: Run, task: str) -> bool:
    """Tell whether a run records neither the data nor the documents of a task."""
    return not run.asked.get(task) and not _source(run, task)


def _source(run: Run, task: str) -> Mapping[str, Any]:
    return run.sources.get(task) or {}


def _describe(run: Run, task: str) -> str:
    """Describe the data of a task as recorded, hashes shortened."""
    facts = [f"{name} {str(value)[:12]}" for name, value in without_path(_source(run, task)).items()]
    if digest := run.asked.get(task):
        facts.append(f"documents {digest[:12]}")
    return ", ".join(facts) or "data that it did not record"


def _raise_other_question(first: Answer, other: Answer, one: str, another: str) -> None:
    task, number, image, right = first.question
    raise DataError(
        f"{task}, document {number}: {one} was asked about {image} (right answer and options: {right:.200}), "
        f"{another} about {other.question[2]} ({other.question[3]:.200}). So they were asked on different data, or one "
        "of the logs was changed. Compare runs on the same data."
    )
