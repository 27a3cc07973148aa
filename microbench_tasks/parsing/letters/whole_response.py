"""Responses that are nothing but an answer, and responses that only echo the options."""

from __future__ import annotations

import functools
import re
from typing import Literal

from microbench_tasks.parsing.letters.option_values import LABEL, Question
from microbench_tasks.parsing.letters.phrases import NUMBERED, OPTION_DETERMINER, OPTION_NOUN
from microbench_tasks.parsing.letters.plain_text import trimmed

WholeRule = Literal["whole_letter", "letter_with_text", "option_text"]
_SEPARATOR = re.compile(r"\n|[,;/]| and | or ")


@functools.cache
def _item(num_options: int) -> re.Pattern[str]:
    """A letter of the question where a text starts, bracketed or not, up to its option's text."""
    last = chr(64 + num_options)
    return re.compile(
        rf"""[✅✔☑]{{0,2}} ?(?:{NUMBERED}|(?:\d{{1,2}}[.)] ?)?(?:{OPTION_DETERMINER}?{OPTION_NOUN} |(?:选项|選択肢|答案) ?)?)"""
        rf"""[(\[{{"'<]{{0,3}} ?([A-{last}])(?![A-Za-z0-9_\u00c0-\u024f\u0370-\u04ff])(?:选项|项|です|だ)?"""
        r"""[\s)\]}"'>.:,]{0,6}(?:[-=]\s?(?=\s|\Z|(?<=[-=] )))?""",
        re.IGNORECASE,
    )


def whole(text: str, question: Question) -> tuple[WholeRule, frozenset[str]]:
    """The letters if ``text`` is nothing but a letter, a letter with a text, a text, or a list of letters."""
    as_text = question.equal(trimmed(text))
    item = _item(len(question.letters)).match(text)
    if item is None:
        both = _text_with_letter(text, question)
        return ("letter_with_text", both) if both else ("option_text", as_text or _said_of_it(text, question))
    letter, rest = item[1].upper(), trimmed(text[item.end() :])
    if not rest:
        return "whole_letter", as_text | {letter}
    named = question.equal(rest) or (question.equal(rest[1:-1]) if rest[0] + rest[-1] == "()" else frozenset())
    if named:
        return "letter_with_text", as_text | ({letter} if letter in named else named | {letter})
    listed = frozenset(re.findall(r"\w+", text.upper())) - {"AND", "OR"}
    if as_text or not listed <= set(question.letters):
        return "option_text", as_text
    return "whole_letter", listed if len(listed) > 1 else frozenset()


# A response of one sentence that says what is seen (`This is a basophil.`): in longer ones it is but an observation.
_IT_IS = re.compile(
    r"(?:it|this|that|these|(?:the|this)\ (?:\w+\ ){1,4}?(?:(?:shown|seen|depicted|in\ (?:the|this)\ (?:image|picture"
    r"|figure))\ )?)\ ?"
    r"(?:is|are)\ (?:(?:most\ likely|likely|probably|clearly)\ )?(?:in\ )?(?:an?\ |the\ )?",
    re.IGNORECASE | re.VERBOSE,
)


_NOT_ANOTHER = re.compile(r",? (?:and )?not (?:an? |the )?[^,.;:\n]{1,60}\.?\Z", re.IGNORECASE)


def _said_of_it(text: str, question: Question) -> frozenset[str]:
    """The letters of the option text that a response of one sentence says the object to be."""
    said = _IT_IS.match(text)
    if said is None or text.endswith("?"):
        return frozenset()
    own = trimmed(_NOT_ANOTHER.sub("", text[said.end() :]))
    return question.equal(own) if len(own) > 1 else frozenset()


def _text_with_letter(text: str, question: Question) -> frozenset[str]:
    """The letters of a text that is an option's own text with a letter behind it."""
    value = question.value_at(text, 0)
    is_all = value is not None and value.has_text and not trimmed(text[value.end :]).strip(")]} ")
    return value.letters if is_all else frozenset()


def echoes(text: str, question: Question) -> bool:
    """Whether ``text`` shows two or more options, by letter and text or as a list of texts."""
    reach = 1 + question.longest
    labels = {(label[0], text[label.end() : label.end() + reach]) for label in LABEL.finditer(text)}
    shown: frozenset[str] = frozenset()
    for label, after in labels:
        shown |= question.named_at(after, 0)[0] & {label[0].upper()}
    pieces = {trimmed(piece).casefold() for piece in _SEPARATOR.split(text)} - {""}
    return len(shown) > 1 or (len(pieces) > 1 and pieces <= {own.casefold() for own in question.texts.values()})
