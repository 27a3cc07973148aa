"""Read a response: find the part that is scored, and parse it once.

Runs, rescoring, reports and submissions all read responses here, so that they agree. Content other than text is
converted before (`microbench_tasks.harness.guard.model_guard`, `message_content.content_to_text`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from microbench_tasks.parsing.boxes.conventions import Size
from microbench_tasks.parsing.boxes.parser import ParsedBoxes, parse_boxes
from microbench_tasks.parsing.cleaning.message_content import logged_parts
from microbench_tasks.parsing.cleaning.prompt_echo import without_prompt
from microbench_tasks.parsing.cleaning.reasoning import answer_part
from microbench_tasks.parsing.failures import placeholder_kind
from microbench_tasks.parsing.letters.paper_rule import paper_letters
from microbench_tasks.parsing.letters.strict_rule import Answer, strict_answer
from microbench_tasks.parsing.probabilities import probabilities

Status = Literal["answered", "empty", "truncated", "failed"]
PROMPT = "prompt"
# A client may put the prompt before an answer that already repeats it.
_MAX_ECHOES = 3


@dataclass(frozen=True)
class ScoredText:
    """Hold the part of one response that is scored.

    Args:
        text: the response without prompt, reasoning and chat tokens; empty unless ``status`` is ``answered``.
        status: ``answered``; ``empty`` (no text, or only reasoning), ``truncated`` (its reasoning
            never ends) or ``failed`` (the request got no response).
        removed: the kinds of text that were removed, each once: ``prompt`` and those of `answer_part`.
    """

    text: str
    status: Status
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParsedResponse:
    """Hold the part of one response that is scored; the subclasses hold what it states."""

    scored: ScoredText


@dataclass(frozen=True)
class ParsedAnswer(ParsedResponse):
    """Hold what a response to a multiple-choice question states.

    Args:
        paper_letters: the letters that the paper's rule accepts.
        strict: the answer by the strict rule: letter, kind and rule.
        probabilities: one number per option, by letter; None if the model gave none.
    """

    paper_letters: tuple[str, ...]
    strict: Answer
    probabilities: dict[str, float] | None


@dataclass(frozen=True)
class ParsedBoxAnswer(ParsedResponse):
    """Hold the boxes that a response states."""

    boxes: ParsedBoxes


def scored_text(response: str, prompt: str = "") -> ScoredText:
    """Find the part of a response that is scored.

    The harness's own texts are recognized first. Then the prompt at the beginning is removed, reasoning and chat tokens
    (`answer_part`), and white space at both ends.

    Args:
        response: the text as logged.
        prompt: the exact prompt; empty if it is not known.

    >>> scored_text("<think>A?</think>B<|im_end|>").text
    'B'
    """
    absent = placeholder_kind(response.strip())
    if absent:
        return ScoredText("", absent)
    text, is_echo = _without_echoes(logged_parts(response.strip()), prompt)
    part = answer_part(text)
    removed = tuple(dict.fromkeys([*([PROMPT] if is_echo else []), *part.removed]))
    if part.truncated:
        return ScoredText("", "truncated", removed)
    # Replaced surrogates (`message_content.without_surrogates`) mean nothing.
    answer = part.text.strip().strip("\ufffd").strip()
    return ScoredText(answer, "answered" if answer else "empty", removed)


def parse_answer(response: str, options: list[str], prompt: str = "") -> ParsedAnswer:
    """Parse the answer to a multiple-choice question, by the paper's rule and by the strict rule.

    Args:
        response: the text as logged.
        options: the texts of the question's 2 to 8 options, in the order of their letters.
        prompt: the exact prompt; empty if it is not known.

    Raises:
        ValueError: fewer than 2 or more than 8 options.

    >>> parsed = parse_answer("The answer is B.", ["platelet", "basophil"])
    >>> parsed.strict.letter, parsed.paper_letters
    ('B', ())
    """
    scored = scored_text(response, prompt)
    if scored.status != "answered":
        return ParsedAnswer(scored, (), Answer(None, scored.status, None), None)
    text = scored.text
    return ParsedAnswer(
        scored,
        paper_letters=tuple(paper_letters(text, options)),
        strict=strict_answer(text, options),
        probabilities=probabilities(text, len(options)),
    )


def parse_box_answer(
    response: str, convention: str, image_size: Size, model_input_size: Size | None = None, prompt: str = ""
) -> ParsedBoxAnswer:
    """Parse the boxes that a response states.

    Args:
        response: the text as logged.
        convention: how the model writes boxes, a key of `conventions.CONVENTIONS`.
        image_size: width and height of the original image in pixels.
        model_input_size: width and height of the image as the model received it; for conventions in that frame.
        prompt: the exact prompt; empty if it is not known.

    Raises:
        ValueError: the convention is unknown, or a size is missing or not positive.

    >>> parse_box_answer("[[1, 2, 3, 4]]", "pixels_xyxy", (9, 9)).boxes.boxes.tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    scored = scored_text(response, prompt)
    if scored.status == "truncated":
        return ParsedBoxAnswer(scored, ParsedBoxes(np.empty((0, 4)), "truncated"))
    if scored.status == "failed":
        return ParsedBoxAnswer(scored, ParsedBoxes(np.empty((0, 4)), "unparsed"))
    return ParsedBoxAnswer(scored, parse_boxes(scored.text, convention, image_size, model_input_size))


def _without_echoes(text: str, prompt: str) -> tuple[str, bool]:
    """Remove the prompts at the beginning of ``text``; also return whether there were any."""
    for number in range(_MAX_ECHOES):
        rest = without_prompt(text, prompt) if prompt else None
        if rest is None:
            return text, number > 0
        text = rest
    return text, True
