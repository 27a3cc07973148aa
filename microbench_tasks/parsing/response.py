"""Read a response: find the part that is scored, and parse it.

Runs, rescoring, reports and submissions all read responses here, so that they agree. Content other than text is
converted before (`microbench_tasks.harness.guard.model_guard`, `contents.text_of`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from microbench_tasks.parsing.answers import Answer, paper_letters, probabilities, strict_answer
from microbench_tasks.parsing.boxes import ParsedBoxes, Size, parse_boxes
from microbench_tasks.parsing.contents import logged_parts
from microbench_tasks.parsing.echoes import without_prompt
from microbench_tasks.parsing.failures import placeholder
from microbench_tasks.parsing.reasoning import answer_part

Status = Literal["answered", "empty", "truncated", "failed"]
PROMPT = "prompt"
# A client may put the prompt before an answer that already repeats it.
_MOST_ECHOES = 3


@dataclass(frozen=True)
class AnswerText:
    """Hold the part of one response that is scored.

    Args:
        text: the response without prompt, reasoning and chat tokens; empty unless ``status`` is ``answered``.
        status: ``answered``; ``empty`` (no text, or only reasoning), ``truncated`` (its reasoning
            never ends) or ``failed`` (the request got no response).
        taken_off: the kinds of text that were removed, each once: ``prompt`` and those of `answer_part`.
    """

    text: str
    status: Status
    taken_off: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParsedResponse:
    """Hold what one response says.

    Args:
        said: the text that both rules read.
        paper_letters: the letters that the paper's rule would accept; empty for box answers.
        strict: the answer by the strict rule; None for box answers.
        probabilities: per option, if the model gave them.
        boxes: the boxes; None for answers to questions.
    """

    said: AnswerText
    paper_letters: tuple[str, ...] = ()
    strict: Answer | None = None
    probabilities: dict[str, float] | None = None
    boxes: ParsedBoxes | None = None


def answer_text(response: str, prompt: str = "") -> AnswerText:
    """Find the part of a response that is scored.

    The harness's own texts are recognized first. Then the prompt at the beginning is removed, reasoning and chat tokens
    (`answer_part`), and white space at both ends.

    Args:
        response: the text as logged.
        prompt: the exact prompt; empty if it is not known.

    >>> answer_text("<think>A?</think>B<|im_end|>").text
    'B'
    """
    absent = placeholder(response.strip())
    if absent:
        return AnswerText("", absent)
    text, echoed = _without_echoes(logged_parts(response.strip()), prompt)
    part = answer_part(text)
    taken_off = tuple(dict.fromkeys([*([PROMPT] if echoed else []), *part.removed]))
    # Replaced surrogates (`contents.without_surrogates`) mean nothing.
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
    """Remove the prompts at the beginning of ``text``; return whether there were any, too."""
    for number in range(_MOST_ECHOES):
        rest = without_prompt(text, prompt) if prompt else None
        if rest is None:
            return text, number > 0
        text = rest
    return text, True
