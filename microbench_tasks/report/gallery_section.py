"""Build the section with examples: the micrograph, the question, the response, and how it was parsed."""

from __future__ import annotations

import collections
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.parsing.response import parse_box_answer
from microbench_tasks.render import micrographs
from microbench_tasks.render.page_content import Card, Gallery, Image, Option
from microbench_tasks.report.answer_counts import UNANSWERED, option_text
from microbench_tasks.report.data_rows import Data, Rows
from microbench_tasks.report.runs import image_of
from microbench_tasks.report.sections import FoldedParts, ReportSection
from microbench_tasks.runs.rescoring import ScoredSample
from microbench_tasks.tasks.repeats import each_answer
from microbench_tasks.util.progress import Progress

Kind = Literal["right", "wrong", "unparsed", "boxes"]
KINDS: tuple[Kind, ...] = ("right", "wrong", "unparsed", "boxes")

_TITLES: dict[Kind, str] = {
    "right": "Right",
    "wrong": "Wrong",
    "unparsed": "Without an answer that the strict rule reads",
    "boxes": "Boxes: gold solid and yellow, predicted dashed and blue",
}
# The most characters of a response that are shown.
_MOST_CHARACTERS = 2000
# Contrastive models log probabilities rounded to six digits.
_WHOLE_PROBABILITY_ERROR = 1e-4


@dataclass(frozen=True)
class Example:
    """Hold one sample of a run that was chosen as an example."""

    kind: Kind
    task: str
    sample: ScoredSample


def gallery_section(
    runs: Sequence[Run],
    data: Data,
    number: int,
    seed: int,
    progress: Progress,
) -> ReportSection | None:
    """Build the section with examples of every run; None if no micrograph is available.

    Args:
        runs: all runs of the report.
        data: the micrographs; examples without one are left out.
        number: of examples of each kind and run.
        seed: of the choice.
        progress: wraps the examples in a progress bar.
    """
    cards: dict[tuple[str, Kind], list[Card]] = collections.defaultdict(list)
    chosen = [(run, example) for run in runs for example in choose_examples(run, number, seed)]
    contrastive = {run.label for run in runs if scores_captions(run)}
    shown = [(run, example) for run, example in chosen if data.of_task(example.task)]
    for run, example in progress(shown, "Choosing examples"):
        rows = data.of_task(example.task)
        if rows is not None:
            cards[run.label, example.kind].append(_card(example, rows, run.label in contrastive))
    if not cards:
        return None
    folds = [
        FoldedParts(
            f"{_TITLES[kind]}: {run.label}",
            [Gallery("", cards[run.label, kind])],
            f"{len(cards[run.label, kind])} of {_count_kind(run, kind):,}",
        )
        for run in runs
        for kind in KINDS
        if (run.label, kind) in cards
    ]
    text = (
        f"Up to {number} of each kind and run, of different tasks first, chosen by a hash with the seed {seed}. "
        "Right and wrong are by the paper's rule, which may count a first letter that is right by accident."
    )
    return ReportSection("Examples", folds, text)


# --- the choice ----------------------------------------------------------------------


def kind_of(sample: ScoredSample) -> Kind:
    """Return the kind of example that a sample is."""
    if "grit" in sample.items:
        return "boxes"
    if sample.items["unparsed"]["kind"] != "parsed":
        return "unparsed"
    return "right" if _is_right(sample.items["acc"]) else "wrong"


def _is_right(item: Mapping[str, Any]) -> bool:
    """Tell whether the answer that is shown, the first of several, is right by the paper's rule."""
    return item["predicted"] == item["gold"]


def choose_examples(run: Run, number: int, seed: int) -> list[Example]:
    """Choose up to ``number`` examples of each kind, of as many tasks as possible.

    The choice depends only on the seed and on the questions, so that it is the same whenever the report is made.
    """
    ranked: dict[Kind, list[tuple[int, str, Example]]] = collections.defaultdict(list)
    for task, samples in run.rescored.samples.items():
        ranks: collections.Counter[Kind] = collections.Counter()
        keyed = [(_random_key(seed, task, sample), sample) for sample in samples]
        for key, sample in sorted(keyed, key=lambda pair: pair[0]):
            kind = kind_of(sample)
            ranked[kind].append((ranks[kind], key, Example(kind, task, sample)))
            ranks[kind] += 1
    # First the first of every task, then the second of every task, and so on.
    return [example for kind in KINDS for _, _, example in sorted(ranked[kind], key=lambda entry: entry[:2])[:number]]


def _random_key(seed: int, task: str, sample: ScoredSample) -> str:
    return hashlib.sha256(f"{seed} {task} {image_of(sample)} {sample.doc_id}".encode()).hexdigest()


def _count_kind(run: Run, kind: Kind) -> int:
    return sum(kind_of(sample) == kind for samples in run.rescored.samples.values() for sample in samples)


# --- one example ---------------------------------------------------------------------


def scores_captions(run: Run) -> bool:
    """Tell whether a run's model compares captions with the image: all its answers have the options' whole probability.

    A generative model gives some of it to other words.
    """
    items = [
        sample.items["acc"] for samples in run.rescored.samples.values() for sample in samples if "acc" in sample.items
    ]
    return bool(items) and all(_has_whole_probability(answer) for answer in each_answer(items))


def _has_whole_probability(answer: Mapping[str, Any]) -> bool:
    shares = answer["probabilities"]
    return (
        shares is not None
        and len(shares) == len(answer["options"])
        and abs(sum(shares.values()) - 1) < _WHOLE_PROBABILITY_ERROR
    )


def _card(example: Example, rows: Rows, is_contrastive: bool) -> Card:
    sample, image_name = example.sample, image_of(example.sample)
    micrograph = rows.image(image_name)
    if example.kind == "boxes":
        gold, predicted = sample.items["grit"]["boxes"], predicted_boxes(sample)
        picture, facts = micrographs.draw_boxes(micrograph, gold, predicted), _box_facts(sample)
        num_drawn = min(len(predicted), micrographs.MOST_BOXES)
        alt = f"Micrograph {image_name} with {len(gold)} gold and {num_drawn} predicted boxes"
    else:
        picture, facts, alt = micrographs.resize_for_page(micrograph), _answer_facts(sample), f"Micrograph {image_name}"
    asked = {"asked": sample.prompt, "answered": _cut(sample.response) or "(nothing)"}
    everything = asked | facts | {"image": image_name}
    options = _options(sample, rows if is_contrastive else None) if example.kind != "boxes" else []
    # A contrastive model reads no prompt: its captions with their bars say what it compared.
    shown = [] if is_contrastive and options else [*asked, *facts]
    return Card(
        example.task.removeprefix("microbench_").replace("_", " "),
        {name: everything[name] for name in shown},
        Image("", micrographs.png(picture), alt),
        example.kind,
        options,
        {name: text for name, text in everything.items() if name not in shown},
    )


def _options(sample: ScoredSample, rows: Rows | None) -> list[Option]:
    """Return the options with their probabilities, as captions if ``rows`` has them; none without probabilities."""
    item = sample.items["acc"]
    [answer, *_] = each_answer([item])
    shares = answer["probabilities"]
    total = math.fsum(shares.values()) if shares else 0.0
    if not shares or not 0 < total < math.inf:
        return []
    captions = rows.captions(item["image"], item["kind"]) if rows else {}
    return [
        Option(
            captions.get(text, f"{letter}) {text}"),
            shares.get(letter, 0.0) / total,
            letter == item["gold"],
            letter == item["predicted"],
        )
        for letter, text in zip(LETTERS, item["options"], strict=False)
    ]


def _box_facts(sample: ScoredSample) -> dict[str, str]:
    item, num_predicted = sample.items["grit"], len(predicted_boxes(sample))
    # Of several answers to the question, the first is shown.
    [answer, *_] = each_answer([item])
    is_cut = num_predicted > micrographs.MOST_BOXES
    note = f" (the first {micrographs.MOST_BOXES} are drawn)" if is_cut else ""
    return {
        "GRIT score": f"{answer['score']:.3f}",
        "boxes": f"{len(item['boxes'])} gold, {item['num_predicted']} predicted{note}",
    }


def _answer_facts(sample: ScoredSample) -> dict[str, str]:
    item, strict = sample.items["acc"], sample.items["acc_strict"]["predicted"]
    kind = sample.items["unparsed"]["kind"]
    facts = {
        "right": _with_option(item, item["gold"]),
        "read": _with_option(item, strict) + ("" if kind == "parsed" else f" ({kind})"),
    }
    if item["predicted"] != strict:
        verdict = "right" if _is_right(item) else "wrong"
        facts["by the paper's rule"] = f"{_with_option(item, item['predicted'])}: {verdict}"
    return facts


def _with_option(item: Mapping[str, Any], letter: str | None) -> str:
    return UNANSWERED if letter is None else f"{letter}) {option_text(item, letter)}"


def _cut(response: str) -> str:
    if len(response) <= _MOST_CHARACTERS:
        return response
    return f"{response[:_MOST_CHARACTERS]} … ({len(response):,} characters in all)"


def predicted_boxes(sample: ScoredSample) -> np.ndarray:
    """Return the boxes of a response as they were scored: shape (N, 4), ``x1 y1 x2 y2`` in pixels of the image."""
    item = sample.items["grit"]
    parsed = parse_box_answer(
        sample.response,
        item["convention"],
        (item["width"], item["height"]),
        tuple(item["model_input_size"]),
        sample.prompt,
    )
    return np.asarray(parsed.boxes.boxes, dtype=np.float64).reshape(-1, 4)
