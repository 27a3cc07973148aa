"""Find the questions to which two runs gave other answers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from microbench_tasks.analysis.common_questions import CommonQuestions
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.runs.rescoring import ScoredSample

Kind = Literal["worse", "better", "same score"]


@dataclass(frozen=True)
class Change:
    """Hold a question that two runs answered differently.

    Attributes:
        task, doc_id: of the question.
        image_id, dataset: of its image.
        kind: of the question, such as ``modality``; for boxes, their class.
        gold, gold_text: letter and text of the right option; for boxes, their number and an empty text.
        reference, run: labels of the two runs.
        reference_answer, answer: letters that the paper's rule reads, empty where it reads none; for boxes, the numbers
            of predicted ones. Of several answers to a question, the first.
        reference_text, text: texts of these options; empty for boxes.
        reference_score, score: from 0 to 1.
        change: ``worse`` or ``better`` than the reference, or the ``same score`` with another answer.
    """

    task: str
    doc_id: int
    image_id: str
    dataset: str
    kind: str
    gold: str
    gold_text: str
    reference: str
    reference_answer: str
    reference_text: str
    reference_score: float
    run: str
    answer: str
    text: str
    score: float
    change: Kind


def changes_of(common: CommonQuestions, labels: Sequence[str]) -> list[Change]:
    """Return the changes in one task of all pairs of runs.

    Args:
        common: the questions of the task.
        labels: of all runs, by position.
    """
    pairs = itertools.combinations(range(len(common.runs)), 2)
    return [
        change
        for one, other in pairs
        for before, after in zip(common.samples[one], common.samples[other], strict=True)
        if (change := _change(common.task, before, after, labels[common.runs[one]], labels[common.runs[other]]))
    ]


def _change(task: str, before: ScoredSample, after: ScoredSample, reference: str, run: str) -> Change | None:
    old, new = (sample.items["acc" if "acc" in sample.items else "grit"] for sample in (before, after))
    (old_answer, old_text), (new_answer, new_text) = map(_answer, (old, new))
    if old["score"] == new["score"] and old_answer == new_answer:
        return None
    gold, gold_text = _gold(new)
    return Change(
        task=task,
        doc_id=after.doc_id,
        image_id=new["image_id"],
        dataset=new["dataset"],
        kind=new.get("expression", new["kind"]),
        gold=gold,
        gold_text=gold_text,
        reference=reference,
        reference_answer=old_answer,
        reference_text=old_text,
        reference_score=old["score"],
        run=run,
        answer=new_answer,
        text=new_text,
        score=new["score"],
        change=_kind(old["score"], new["score"]),
    )


def _kind(before: float, after: float) -> Kind:
    if before == after:
        return "same score"
    return "better" if after > before else "worse"


def _gold(item: dict[str, Any]) -> tuple[str, str]:
    return (str(len(item["boxes"])), "") if "boxes" in item else (item["gold"], _option(item, item["gold"]))


def _answer(item: dict[str, Any]) -> tuple[str, str]:
    if "boxes" in item:
        return str(item["num_predicted"]), ""
    letter = item["predicted"]
    return (letter, _option(item, letter)) if letter else ("", "")


def _option(item: dict[str, Any], letter: str) -> str:
    return str(item["options"][LETTERS.index(letter)])
