"""The one reading of a response: what of it is scored, and what that says.

A run, the scoring of its log again, the report and the submission all read responses here, so that they agree. What a
client returns as no text at all is made text before (`microbench_tasks.model_guard`, `contents.text_of`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from microbench_tasks.answers import Answer, paper_letters, probabilities, strict_answer
from microbench_tasks.boxes import ParsedBoxes, Size, parse_boxes
from microbench_tasks.parsing.contents import logged_parts, text_of
from microbench_tasks.parsing.echoes import without_prompt
from microbench_tasks.parsing.failures import placeholder
from microbench_tasks.parsing.reasoning import answer_part

Status = Literal["answered", "empty", "truncated", "failed"]
PROMPT = "prompt"
# An echo of an echo: a template around a prompt that the client had put before.
_MOST_ECHOES = 3


@dataclass(frozen=True)
class AnswerText:
    """The part of one response that is scored.

    Args:
        text: without the prompt, reasoning and marks of a template; empty unless ``status`` is ``answered``.
        status: ``answered``; ``empty`` (nothing was said, or nothing but thoughts), ``truncated`` (its reasoning
            never ends) or ``failed`` (the request got no response).
        taken_off: the kinds of what stood beside the answer, each once: ``prompt`` and those of `answer_part`.
    """

    text: str
    status: Status
    taken_off: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParsedResponse:
    """What one response says.

    Args:
        said: the text that both rules read.
        paper_letters: the letters that the paper's rule would call right; none of a box answer.
        strict: what the strict rule reads; None of a box answer.
        probabilities: of the options, if the model gave them.
        boxes: None of an answer to a question.
    """

    said: AnswerText
    paper_letters: tuple[str, ...] = ()
    strict: Answer | None = None
    probabilities: dict[str, float] | None = None
    boxes: ParsedBoxes | None = None


def first_response(results: Sequence[Any]) -> str:
    """The first of a document's responses as text, whatever a client returned; none is an empty one."""
    return text_of(results[0]) if results else ""


def answer_text(response: str, prompt: str = "") -> AnswerText:
    """Find the part of a response that is scored.

    In this order: the harness's own texts are told from a model's, the prompt is taken off where the response begins
    with it, then reasoning and marks of a template (`answer_part`) and white space at both ends.

    Args:
        response: the text as logged; any text will do.
        prompt: what was asked, to the letter; empty if that is not known.

    >>> answer_text("<think>A?</think>B<|im_end|>").text
    'B'
    """
    absent = placeholder(response.strip())
    if absent:
        return AnswerText("", absent)
    text, echoed = _without_echoes(logged_parts(response.strip()), prompt)
    part = answer_part(text)
    taken_off = tuple(dict.fromkeys([*([PROMPT] if echoed else []), *part.removed]))
    # Halves of characters that were replaced (`contents.without_surrogates`) state nothing.
    said = part.text.strip().strip("\ufffd").strip()
    if part.truncated:
        return AnswerText("", "truncated", taken_off)
    return AnswerText(said, "answered" if said else "empty", taken_off)


def parse_answer(response: str, options: list[str], prompt: str = "") -> ParsedResponse:
    """Read the answer to a question with these options, by the paper's rule and by the strict one."""
    said = answer_text(response, prompt)
    if said.status != "answered":
        return ParsedResponse(said, strict=Answer(None, said.status, None))
    shares = probabilities(said.text, len(options))
    return ParsedResponse(said, tuple(paper_letters(said.text, options)), strict_answer(said.text, options), shares)


def parse_box_answer(
    response: str, convention: str, image_size: Size, model_input_size: Size | None = None, prompt: str = ""
) -> ParsedResponse:
    """Read the boxes of a response in a convention, a key of `boxes.CONVENTIONS`."""
    said = answer_text(response, prompt)
    if said.status in ("failed", "truncated"):
        status = "truncated" if said.status == "truncated" else "unparsed"
        return ParsedResponse(said, boxes=ParsedBoxes(np.empty((0, 4)), status))
    return ParsedResponse(said, boxes=parse_boxes(said.text, convention, image_size, model_input_size))


def _without_echoes(text: str, prompt: str) -> tuple[str, bool]:
    """``text`` less the prompts that it begins with, and whether there were any."""
    for number in range(_MOST_ECHOES):
        rest = without_prompt(text, prompt) if prompt else None
        if rest is None:
            return text, number > 0
        text = rest
    return text, True
