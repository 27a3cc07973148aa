"""Recognize responses that are nothing but an answer, and responses that only repeat the options."""

from __future__ import annotations

import functools
import re
from typing import Literal

from microbench_tasks.parsing.letters.option_values import LABEL, Question
from microbench_tasks.parsing.letters.phrases import NUMBERED, OPTION_DETERMINER, OPTION_NOUN
from microbench_tasks.parsing.letters.plain_text import strip_punctuation

WholeRule = Literal["whole_letter", "letter_with_text", "option_text"]
_SEPARATOR = re.compile(r"\n|[,;/]| and | or ")


@functools.cache
def _item(num_options: int) -> re.Pattern[str]:
    """Compile a pattern for a letter at the start of a text, bracketed or not, up to its option's text."""
    last = chr(64 + num_options)
    return re.compile(
        rf"""[✅✔☑]{{0,2}} ?"""
        rf"""(?:{NUMBERED}|(?:\d{{1,2}}[.)] ?)?(?:{OPTION_DETERMINER}?{OPTION_NOUN} |(?:选项|選択肢|答案) ?)?)"""
        rf"""[(\[{{"'<]{{0,3}} ?([A-{last}])(?![A-Za-z0-9_\u00c0-\u024f\u0370-\u04ff])(?:选项|项|です|だ)?"""
        r"""[\s)\]}"'>.:,]{0,6}(?:[-=]\s?(?=\s|\Z|(?<=[-=] )))?""",
        re.IGNORECASE,
    )


def whole_answer(text: str, question: Question) -> tuple[WholeRule, frozenset[str]]:
    """Return the letters if ``text`` is nothing but a letter, a letter with a text, a text, or a list of letters."""
    by_text = question.equal(strip_punctuation(text))
    item = _item(len(question.letters)).match(text)
    if item is None:
        both = _text_with_letter(text, question)
        return ("letter_with_text", both) if both else ("option_text", by_text or _option_in_sentence(text, question))
    letter, rest = item[1].upper(), strip_punctuation(text[item.end() :])
    if not rest:
        return "whole_letter", by_text | {letter}
    named = question.equal(rest) or (question.equal(rest[1:-1]) if rest[0] + rest[-1] == "()" else frozenset())
    if named:
        return "letter_with_text", by_text | ({letter} if letter in named else named | {letter})
    listed = frozenset(re.findall(r"\w+", text.upper())) - {"AND", "OR"}
    if by_text or not listed <= set(question.letters):
        return "option_text", by_text
    return "whole_letter", listed if len(listed) > 1 else frozenset()


# A response of one sentence that says what is seen (`This is a basophil.`): in longer ones it is but an observation.
_IT_IS = re.compile(
    r"(?:it|this|that|these|(?:the|this)\ (?:\w+\ ){1,4}?(?:(?:shown|seen|depicted|in\ (?:the|this)\ (?:image|picture"
    r"|figure))\ )?)\ ?"
    r"(?:is|are)\ (?:(?:most\ likely|likely|probably|clearly)\ )?(?:in\ )?(?:an?\ |the\ )?",
    re.IGNORECASE | re.VERBOSE,
)


_NOT_ANOTHER = re.compile(r",? (?:and )?not (?:an? |the )?[^,.;:\n]{1,60}\.?\Z", re.IGNORECASE)


def _option_in_sentence(text: str, question: Question) -> frozenset[str]:
    """Return the letters of the option that a response of one sentence names (`This is a basophil.`)."""
    subject = _IT_IS.match(text)
    if subject is None or text.endswith("?"):
        return frozenset()
    own = strip_punctuation(_NOT_ANOTHER.sub("", text[subject.end() :]))
    return question.equal(own) if len(own) > 1 else frozenset()


def _text_with_letter(text: str, question: Question) -> frozenset[str]:
    """Return the letters of a text that is an option's own text followed by a letter."""
    value = question.value_at(text, 0)
    if value is None or not value.has_text or strip_punctuation(text[value.end :]).strip(")]} "):
        return frozenset()
    return value.letters


def repeats_options(text: str, question: Question) -> bool:
    """Tell whether ``text`` shows two or more options, by letter and text or as a list of texts."""
    reach = 1 + question.longest
    labels = {(label[0], text[label.end() : label.end() + reach]) for label in LABEL.finditer(text)}
    shown: frozenset[str] = frozenset()
    for label, after in labels:
        shown |= question.named_at(after, 0)[0] & {label[0].upper()}
    pieces = {strip_punctuation(piece).casefold() for piece in _SEPARATOR.split(text)} - {""}
    return len(shown) > 1 or (len(pieces) > 1 and pieces <= {own.casefold() for own in question.texts.values()})
