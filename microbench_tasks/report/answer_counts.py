"""Count answers: confusions of options, letters, and GRIT scores in bins."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.report.estimates import Item
from microbench_tasks.report.runs import tasks_of
from microbench_tasks.report.sections import SUBJECT_NAMES
from microbench_tasks.runs.rescoring import ScoredSample

UNANSWERED = "no answer"
GRIT_BINS = 20
# A confusion matrix needs options that repeat: at least this many questions per right option.
_QUESTIONS_PER_CLASS = 2


@dataclass(frozen=True)
class Confusion:
    """Count how often each right option got which answer.

    Attributes:
        classes: texts of the options.
        counts: a row for each right option, a column for each answered option, and a last column for no answer.
    """

    classes: list[str]
    counts: list[list[int]]

    @property
    def n(self) -> int:
        """Return the number of questions."""
        return sum(map(sum, self.counts))


def count_confusions(samples: Sequence[ScoredSample]) -> Confusion | None:
    """Count answers by the strict rule; None if options rarely repeat."""
    pairs = [
        (
            option_text(sample.items["acc"], sample.items["acc"]["gold"]),
            option_text(sample.items["acc"], sample.items["acc_strict"]["predicted"]),
        )
        for sample in samples
    ]
    frequency = collections.Counter(gold for gold, _ in pairs)
    if len(pairs) < _QUESTIONS_PER_CLASS * len(frequency):
        return None
    texts = {text for pair in pairs for text in pair if text is not None}
    classes = sorted(texts, key=lambda text: (-frequency[text], text))
    index: dict[str | None, int] = {text: number for number, text in enumerate(classes)}
    index[None] = len(classes)
    counts = np.zeros((len(classes), len(classes) + 1), dtype=int)
    for gold, predicted in pairs:
        counts[index[gold], index[predicted]] += 1
    return Confusion(classes, counts.tolist())


def option_text(item: Item, letter: str | None) -> str | None:
    """Return the text of a letter's option; None for no letter."""
    return None if letter is None else item["options"][LETTERS.index(letter)]


def count_letters(run: Run) -> dict[str, dict[str, int]]:
    """Count how often each letter is right (``gold``) and answered by the strict rule (``read``)."""
    totals = {"gold": collections.Counter[str](), "read": collections.Counter[str]()}
    for task in tasks_of(run, *SUBJECT_NAMES, "own"):
        totals["gold"].update(run.rescored.letters[task]["gold"])
        totals["read"].update(run.rescored.letters[task]["acc_strict"])
    return {
        column: {UNANSWERED if letter == "None" else letter: count for letter, count in sorted(counts.items())}
        for column, counts in totals.items()
    }


def count_grit(run: Run, task: str) -> list[int]:
    """Count the GRIT scores of a task in `GRIT_BINS` equal bins from 0 to 1; a score is of one image and class."""
    scores = [sample.items["grit"]["score"] for sample in run.rescored.samples[task]]
    return np.histogram(scores, bins=GRIT_BINS, range=(0, 1))[0].tolist()
