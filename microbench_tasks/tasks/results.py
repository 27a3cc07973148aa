"""From the responses to one document to the items that the harness logs and aggregates.

Items carry what scoring the same response again needs, since the harness keeps items but
neither document nor arguments.
"""

from __future__ import annotations

import functools
from typing import Any

from microbench_tasks.catalog import OUTSIDE_FINE_TOTAL
from microbench_tasks.catalog.questions import CLASSIFICATION_KIND, LETTERS
from microbench_tasks.metrics.grit import grit_score
from microbench_tasks.parsing.boxes.conventions import Size
from microbench_tasks.parsing.response import ScoredText, parse_answer, parse_box_answer
from microbench_tasks.tasks.prompts import microbench_doc_to_text
from microbench_tasks.tasks.repeats import all_responses, combine_items


def microbench_process_results(doc: dict[str, Any], results: list[Any], prompt: str | None = None) -> dict[str, Any]:
    """Score the responses to one question, each by the paper's rule and by the strict one.

    Both rules read the same text: the response without an echo of the prompt, reasoning, chat tokens and surrounding
    white space (`microbench_tasks.parsing.response`).

    Args:
        doc: a document (see `microbench_tasks.data.documents`).
        results: the response, or the list of several (``--repeats``), in a list of one.
        prompt: the exact prompt of the model; None for the task's own prompt.

    Returns:
        Per metric of the tasks' YAML the item it aggregates; of several responses see `microbench_tasks.tasks.repeats`.

        ``acc``: ``acc`` and ``score`` (0 or 1; the harness's clustered error reads the first, its
        paired test the second), ``image`` (dataset and image id: the cluster), ``image_id``,
        ``dataset``, ``kind``, ``options``, ``predicted`` (None where the rule finds no letter),
        ``gold``, ``probabilities`` (None where the model gave none) and ``in_total`` (whether
        the totals of groups count it, as the paper's do).

        ``acc_strict``: ``score`` (0 or 1), ``predicted`` (None if unparsed), ``rule`` (the one that
        matched) and ``in_total``. ``unparsed`` and ``unparsed_by_kind``: ``kind`` (one of `strict_rule.KINDS`)
        and ``in_total``. ``acc_image_ci_low``, ``acc_image_ci_high`` and ``counts``: ``score``, ``image`` and
        ``in_total``.

        ``failed``: ``failed`` (whether the request got no response at all), ``image``, ``dataset``, ``kind``
        and ``taken_off`` (kinds of removed text: ``prompt`` and those of `answer_part`).

        ``score``, which no metric is named after, is what the harness's ``--baseline`` looks for in a log.
    """
    responses = all_responses(results)
    asked = _own_prompt(doc) if prompt is None else prompt
    return combine_items([_score_answer(doc, response, asked) for response in responses], responses)


def _score_answer(doc: dict[str, Any], response: str, prompt: str) -> dict[str, Any]:
    options = doc["options"]
    parsed = parse_answer(response, options, prompt)
    letters = parsed.paper_letters
    gold = LETTERS[doc["answer_idx"]]
    correct = float(gold in letters)
    origin = _origin(doc)
    in_total = doc["kind"] != CLASSIFICATION_KIND or doc["dataset"] not in OUTSIDE_FINE_TOTAL
    item = {
        "acc": correct,
        "score": correct,
        **origin,
        "options": options,
        "predicted": gold if correct else next(iter(letters), None),
        "gold": gold,
        "probabilities": parsed.probabilities,
        "in_total": in_total,
    }
    # The ends of the interval need the outcome alone; a name of its own keeps the harness
    # from printing the accuracy's standard error beside them.
    outcome = _shared_item(score=correct, in_total=in_total)
    # One for all that also need the image.
    clustered = {"score": correct, "in_total": in_total, "image": origin["image"]}
    strict = parsed.strict
    reading = _shared_item(kind=strict.kind, in_total=in_total)
    return {
        "acc": item,
        "acc_ci_low": outcome,
        "acc_ci_high": outcome,
        "acc_image_ci_low": clustered,
        "acc_image_ci_high": clustered,
        "counts": clustered,
        "acc_strict": _shared_item(
            score=float(strict.letter == gold), predicted=strict.letter, rule=strict.rule, in_total=in_total
        ),
        "unparsed": reading,
        "unparsed_by_kind": reading,
        "failed": _failure(origin, parsed.scored),
        "score": correct,
    }


def score_boxes(
    doc: dict[str, Any], response: Any, convention: str, model_input_size: Size, prompt: str = ""
) -> dict[str, Any]:
    """Score the boxes that a response gives for one class in one image.

    Args:
        doc: a document (see `microbench_tasks.data.documents`).
        response: the model's text, or the list of several (``--repeats``).
        convention: how to read it, a key of `conventions.CONVENTIONS`.
        model_input_size: width and height of the image as the model saw it.
        prompt: the exact prompt of the model; empty if it is not known.

    Returns:
        Per metric of the tasks' YAML the item it aggregates; of several responses see `microbench_tasks.tasks.repeats`.

        ``grit``: ``grit`` and ``score`` (the GRIT localization score, 0 to 1), ``image``,
        ``image_id``, ``dataset``, ``kind``, ``expression``, ``width``, ``height``, ``boxes`` (gold),
        ``num_predicted``, ``convention`` and ``model_input_size``. ``grit_ci_low``, ``grit_ci_high`` and
        ``boxes_counts``: ``score`` and ``image``.

        ``boxes_unparsed`` and ``boxes_truncated``: the ``kind`` of response, ``parsed``, ``unparsed`` or
        ``truncated`` (see `ParsedBoxes`). ``boxes_degenerate``, ``boxes_duplicate`` (both scored as they are)
        and ``boxes_dropped`` (not finite, or beyond the cap; counted as predictions): numbers of boxes.
        ``failed``: as in `microbench_process_results`.
    """
    responses = all_responses([response])
    scored = [_score_box_answer(doc, text, convention, model_input_size, prompt) for text in responses]
    return combine_items(scored, responses)


def _score_box_answer(
    doc: dict[str, Any], response: str, convention: str, model_input_size: Size, prompt: str
) -> dict[str, Any]:
    parsed = parse_box_answer(response, convention, (doc["width"], doc["height"]), model_input_size, prompt)
    found = parsed.boxes
    origin = _origin(doc)
    score = grit_score(found.boxes, doc["boxes"], num_extra=found.num_left_out)
    item = {
        "grit": score,
        "score": score,
        **origin,
        **{name: doc[name] for name in ("expression", "width", "height", "boxes")},
        "num_predicted": len(found.boxes) + found.num_left_out,
        "convention": convention,
        "model_input_size": list(model_input_size),
    }
    scored = {"score": score, "image": item["image"]}
    return {
        "grit": item,
        "grit_ci_low": scored,
        "grit_ci_high": scored,
        "boxes_counts": scored,
        "boxes_unparsed": {"kind": found.status},
        "boxes_truncated": {"kind": found.status},
        "boxes_degenerate": {"count": found.num_degenerate},
        "boxes_duplicate": {"count": found.num_duplicate},
        "boxes_dropped": {"count": found.num_left_out},
        "failed": _failure(origin | {"kind": doc["expression"]}, parsed.scored),
        "score": score,
    }


def _own_prompt(doc: dict[str, Any]) -> str:
    # Documents in a log lack the question.
    return microbench_doc_to_text(doc) if "question" in doc else ""


@functools.lru_cache(maxsize=256)
def _shared_item(**fields: Any) -> dict[str, Any]:
    """One item for all answers of which it says the same; a run keeps several items per answer until its end."""
    return fields


def _failure(origin: dict[str, str], scored: ScoredText) -> dict[str, Any]:
    return {
        "failed": scored.status == "failed",
        **{name: origin[name] for name in ("image", "dataset", "kind")},
        "taken_off": list(scored.removed),
    }


def _origin(doc: dict[str, Any]) -> dict[str, str]:
    return {
        "image": f"{doc['dataset']}/{doc['image_id']}",
        "image_id": doc["image_id"],
        "dataset": doc["dataset"],
        "kind": doc["kind"],
    }
