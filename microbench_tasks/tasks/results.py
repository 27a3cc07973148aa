"""Score the responses to one document: from responses to the items that the harness logs and aggregates.

A response becomes a scored answer, a mapping of fields. The table of metrics states which of them an item takes, so
items carry what scoring the same response again needs: the harness keeps items but neither document nor arguments.

Fields of every scored answer:

- ``score`` (0 to 1; for questions by the paper's rule), ``image`` (dataset and image id: the cluster), ``image_id``,
  ``dataset``, ``kind`` (of the document), and for own data ``group`` (of the image: the cluster);
- ``response_kind``: for questions one of `strict_rule.KINDS`, for boxes a `ParsedBoxes.status`;
- ``failed`` (whether the request got no response), ``taken_off`` (kinds of removed text: ``prompt`` and those of
  `answer_part`), ``asked_about`` (kind of question, or class of boxes).

Fields of answers to questions: ``options``, ``gold`` and ``predicted`` (letters; None where the paper's rule finds
none), ``probabilities`` (None where the model gave none), ``in_total`` (whether the totals of groups count the
question, as the paper's do), ``strict_score`` (0 or 1), ``strict_predicted`` and ``rule`` (the one that matched).

Fields of boxes: ``expression`` (the class), ``width``, ``height``, ``boxes`` (gold), ``num_predicted``, ``convention``,
``model_input_size``, ``num_gold`` (gold boxes), ``num_matched`` (true positives, `metrics.detection`), and the
numbers of boxes ``num_degenerate``, ``num_duplicate`` (both scored as they are) and
``num_dropped`` (not finite, or beyond the cap; counted as predictions).
"""

from __future__ import annotations

from typing import Any

from microbench_tasks.catalog import OUTSIDE_FINE_TOTAL
from microbench_tasks.catalog.questions import CLASSIFICATION_KIND, LETTERS
from microbench_tasks.metrics.detection import count_true_positives
from microbench_tasks.metrics.grit import match_boxes
from microbench_tasks.parsing.boxes.conventions import Size
from microbench_tasks.parsing.response import ScoredText, parse_answer, parse_box_answer
from microbench_tasks.tasks.items import combine_items, items_of_answer
from microbench_tasks.tasks.prompts import microbench_doc_to_text
from microbench_tasks.tasks.repeats import all_responses


def microbench_process_results(doc: dict[str, Any], results: list[Any], prompt: str | None = None) -> dict[str, Any]:
    """Score the responses to one question, each by the paper's rule and by the strict one.

    Both rules read the same text: the response without an echo of the prompt, reasoning, chat tokens and surrounding
    white space (`microbench_tasks.parsing.response`).

    Args:
        doc: a document (see `microbench_tasks.data.documents`).
        results: the response, or the list of several (``--repeats``), in a list of one.
        prompt: the exact prompt of the model; None for the task's own prompt.

    Returns:
        The item of each metric of the family ``choice`` (`microbench_tasks.tasks.metric_table`), and ``score``; of
        several responses see `combine_items`.
    """
    responses = all_responses(results)
    own_prompt = _own_prompt(doc) if prompt is None else prompt
    return combine_items([_choice_items(doc, response, own_prompt) for response in responses], responses)


def _choice_items(doc: dict[str, Any], response: str, prompt: str) -> dict[str, Any]:
    options = doc["options"]
    parsed = parse_answer(response, options, prompt)
    letters, strict = parsed.paper_letters, parsed.strict
    gold = LETTERS[doc["answer_idx"]]
    is_right = gold in letters
    answer = {
        **_common_fields(doc, parsed.scored, asked_about=doc["kind"]),
        "score": float(is_right),
        "options": options,
        "predicted": gold if is_right else next(iter(letters), None),
        "gold": gold,
        "probabilities": parsed.probabilities,
        "in_total": doc["kind"] != CLASSIFICATION_KIND or doc["dataset"] not in OUTSIDE_FINE_TOTAL,
        "strict_score": float(strict.letter == gold),
        "strict_predicted": strict.letter,
        "rule": strict.rule,
        "response_kind": strict.kind,
    }
    return items_of_answer("choice", answer)


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
        The item of each metric of the family ``boxes`` (`microbench_tasks.tasks.metric_table`), and ``score``; of
        several responses see `combine_items`.
    """
    responses = all_responses([response])
    return combine_items([_box_items(doc, text, convention, model_input_size, prompt) for text in responses], responses)


def _box_items(
    doc: dict[str, Any], response: str, convention: str, model_input_size: Size, prompt: str
) -> dict[str, Any]:
    parsed = parse_box_answer(response, convention, (doc["width"], doc["height"]), model_input_size, prompt)
    predicted = parsed.boxes
    match = match_boxes(predicted.boxes, doc["boxes"], num_extra=predicted.num_left_out)
    answer = {
        **_common_fields(doc, parsed.scored, asked_about=doc["expression"]),
        "score": match.grit,
        **{name: doc[name] for name in ("expression", "width", "height", "boxes")},
        "num_predicted": len(predicted.boxes) + predicted.num_left_out,
        "num_gold": len(doc["boxes"]),
        "num_matched": count_true_positives(match.ious),
        "convention": convention,
        "model_input_size": list(model_input_size),
        "response_kind": predicted.status,
        "num_degenerate": predicted.num_degenerate,
        "num_duplicate": predicted.num_duplicate,
        "num_dropped": predicted.num_left_out,
    }
    return items_of_answer("boxes", answer)


def _own_prompt(doc: dict[str, Any]) -> str:
    # Documents in a log lack the question.
    return microbench_doc_to_text(doc) if "question" in doc else ""


def _common_fields(doc: dict[str, Any], text: ScoredText, asked_about: str) -> dict[str, Any]:
    return {
        "image": f"{doc['dataset']}/{doc['image_id']}",
        "image_id": doc["image_id"],
        "dataset": doc["dataset"],
        "kind": doc["kind"],
        "asked_about": asked_about,
        "failed": text.status == "failed",
        "taken_off": list(text.removed),
        # Only documents about own data have it.
        **({} if doc.get("group") is None else {"group": doc["group"]}),
    }
