"""Examples to look at: the micrograph, what was asked, what was answered, and how it was read."""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from microbench_tasks.parsing.response import parse_box_answer
from microbench_tasks.render import micrographs
from microbench_tasks.render.pages import Card, Gallery, Image
from microbench_tasks.report.chapters import Chapter
from microbench_tasks.report.rows import Data
from microbench_tasks.report.runs import Run, image_of
from microbench_tasks.report.scores import UNANSWERED, option
from microbench_tasks.runs.rescoring import ScoredSample
from microbench_tasks.tasks.repeats import each_answer

Kind = Literal["right", "wrong", "unparsed", "boxes"]
KINDS: tuple[Kind, ...] = ("right", "wrong", "unparsed", "boxes")
_TITLES = {
    "right": "Right",
    "wrong": "Wrong",
    "unparsed": "Without an answer that the strict rule reads",
    "boxes": "Boxes: gold solid and yellow, predicted dashed and blue",
}
# Of a response, so many characters are shown.
_MOST_CHARACTERS = 2000


@dataclass(frozen=True)
class Example:
    """One sample of a run, chosen to be shown."""

    kind: Kind
    task: str
    sample: ScoredSample


def kind_of(sample: ScoredSample) -> Kind:
    """What a sample is an example of."""
    if "grit" in sample.items:
        return "boxes"
    if sample.items["unparsed"]["kind"] != "parsed":
        return "unparsed"
    return "right" if _is_right(sample.items["acc"]) else "wrong"


def _is_right(item: Mapping[str, Any]) -> bool:
    """Tell whether the answer that is shown, the first of several, is right by the paper's rule."""
    return item["predicted"] == item["gold"]


def chosen(run: Run, number: int, seed: int) -> list[Example]:
    """Up to ``number`` examples of each kind: of as many tasks as there are, by a hash of the seed and the question.

    The choice depends on the seed and on what was asked, so that it is the same whenever the report is made.
    """
    found: dict[Kind, list[tuple[int, str, Example]]] = collections.defaultdict(list)
    for task, samples in run.rescored.samples.items():
        ranks: collections.Counter[Kind] = collections.Counter()
        for drawn, sample in sorted(
            ((_drawn(seed, task, sample), sample) for sample in samples), key=lambda pair: pair[0]
        ):
            kind = kind_of(sample)
            found[kind].append((ranks[kind], drawn, Example(kind, task, sample)))
            ranks[kind] += 1
    # First the first of every task, then the second of every task, …
    return [example for kind in KINDS for _, _, example in sorted(found[kind], key=lambda entry: entry[:2])[:number]]


def _drawn(seed: int, task: str, sample: ScoredSample) -> str:
    return hashlib.sha256(f"{seed} {task} {image_of(sample)} {sample.doc_id}".encode()).hexdigest()


def gallery_chapter(runs: Sequence[Run], data: Data, number: int, seed: int, progress: Any) -> Chapter | None:
    """Examples of every run, as far as their micrographs are at hand."""
    examples = [(run, example) for run in runs for example in chosen(run, number, seed) if data.of_task(example.task)]
    cards: dict[tuple[str, Kind], list[Card]] = collections.defaultdict(list)
    for run, example in progress(examples):
        cards[run.label, example.kind].append(_card(example, data))
    if not cards:
        return None
    parts = [
        Gallery(f"{_TITLES[kind]}: {label}", found, _note(run, kind))
        for run in runs
        for kind in KINDS
        for label, found in ((run.label, cards.get((run.label, kind))),)
        if found
    ]
    text = f"Up to {number} of each kind and run, of different tasks first, chosen by a hash with the seed {seed}. Right and wrong are so by the paper's rule, in which a first letter can be lucky."
    return Chapter("Examples", parts, text)


def _note(run: Run, kind: Kind) -> str:
    count = sum(kind_of(sample) == kind for samples in run.rescored.samples.values() for sample in samples)
    return f"{count:,} in all"


# --- one example ---------------------------------------------------------------------


def _card(example: Example, data: Data) -> Card:
    image = image_of(example.sample)
    shown = data.of_task(example.task).image(image)
    if example.kind == "boxes":
        item, predicted = example.sample.items["grit"], predicted_boxes(example.sample)
        shown = micrographs.draw_boxes(shown, item["boxes"], predicted)
        [shown_answer, *_] = each_answer([item])
        facts = {
            "GRIT score": f"{shown_answer['score']:.3f}",
            "boxes": f"{len(item['boxes'])} gold, {item['num_predicted']} predicted{_cut_note(len(predicted))}",
        }
        alt = f"Micrograph {image} with {len(item['boxes'])} gold and {min(len(predicted), micrographs.MOST_BOXES)} predicted boxes"
    else:
        facts, alt = _read(example.sample), f"Micrograph {image}"
        shown = micrographs.resize_for_page(shown)
    asked = {"asked": example.sample.prompt, "answered": _shortened(example.sample.response) or "(nothing)"}
    return Card(
        example.task.removeprefix("microbench_"),
        asked | facts | {"image": image},
        Image("", micrographs.png(shown), alt),
        example.kind,
    )


def _read(sample: ScoredSample) -> dict[str, str]:
    item, strict = sample.items["acc"], sample.items["acc_strict"]["predicted"]
    kind = sample.items["unparsed"]["kind"]
    found = {
        "right": _with_letter(item, item["gold"]),
        "read": _with_letter(item, strict) + ("" if kind == "parsed" else f" ({kind})"),
    }
    by_paper = f"{_with_letter(item, item['predicted'])}: {'right' if _is_right(item) else 'wrong'}"
    return found | ({"by the paper's rule": by_paper} if item["predicted"] != strict else {})


def _with_letter(item: Mapping[str, Any], letter: str | None) -> str:
    return UNANSWERED if letter is None else f"{letter}) {option(item, letter)}"


def _shortened(response: str) -> str:
    return (
        response
        if len(response) <= _MOST_CHARACTERS
        else f"{response[:_MOST_CHARACTERS]} … ({len(response):,} characters in all)"
    )


def _cut_note(num_predicted: int) -> str:
    return f" (the first {micrographs.MOST_BOXES} are drawn)" if num_predicted > micrographs.MOST_BOXES else ""


def predicted_boxes(sample: ScoredSample) -> np.ndarray:
    """The boxes that a response gives, as they were scored; shape (N, 4), ``x1 y1 x2 y2`` in pixels of the image."""
    item = sample.items["grit"]
    parsed = parse_box_answer(
        sample.response,
        item["convention"],
        (item["width"], item["height"]),
        tuple(item["model_input_size"]),
        sample.prompt,
    )
    return np.asarray(parsed.boxes.boxes, dtype=np.float64).reshape(-1, 4)
