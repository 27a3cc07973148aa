"""Recognize words around a statement that withdraw it: denials, conditions, doubts, questions, quotations, revisions.

The words are in `microbench_tasks.parsing.letters.context_words`; each table becomes one pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from microbench_tasks.parsing.letters.context_words import (
    CONDITION_AFTER,
    CONDITION_WORDS,
    CONDITIONAL,
    DENIED,
    DENIED_AFTER,
    DENIED_LATER,
    DENIED_LETTER,
    FORMAT,
    HARMLESS,
    OTHER_DENIED,
    OTHERS_SAY,
    REJECTIONS,
    REVISION,
    REVISION_WORDS,
    SECOND_LOOK,
    SECOND_LOOK_WORDS,
    TENTATIVE,
)

# Number of characters before and after a statement that are searched.
REACH = 160


def _union(words: dict[str, str], before: str = "", after: str = "") -> re.Pattern[str]:
    union = "|".join(f"(?:{pattern})" for pattern in words.values())
    return re.compile(f"{before}(?:{union}){after}", re.IGNORECASE | re.VERBOSE)


_DENIED_BEFORE = _union(DENIED, after=r"(?:(?!\b(?:so|but|then|hence|therefore)\b|[,;]|:\s).)*\Z")
_HARMLESS_WORDS = _union(HARMLESS)
_OTHER_DENIED_AFTER = re.compile(OTHER_DENIED, re.IGNORECASE | re.VERBOSE)
_FORMAT_BEFORE = _union(FORMAT)
_CONDITION_BEFORE = _union(CONDITIONAL)
_TENTATIVE_BEFORE = _union(TENTATIVE)
_OTHERS_BEFORE = re.compile(OTHERS_SAY, re.IGNORECASE | re.VERBOSE)
_REJECTS = re.compile(
    r"\b(?:is|are|was|seems|looks) (?:wrong|incorrect|false|mistaken|unlikely|out)\b"
    r"|\b(?:fails?|contradicts?|conflicts?|disagrees?|avoid)\b",
    re.IGNORECASE,
)
_AFTER = _union(DENIED_AFTER)
_SENTENCE_END = re.compile(
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bcf)(?<!\bal)(?<!\b[Ff]ig)[.!?]+[\"')\]]{0,2}(?:\s|\Z)|[。！？]|\n|;\s"
)
_TURN = re.compile(
    r"\b(?:but|however|yet|nevertheless|though|pero|mais|aber|mas|ma|но)\b|但|而是|しかし|でも|하지만",
    re.IGNORECASE,
)
_QUESTION_END = re.compile(r"[^.!\n。;]{0,120}?[?？]")
_CLAUSE = re.compile(r"[,;:()]\s|\s-{1,2}\s|[,、]")
# A revision starts a sentence, or with a capital one that no full stop precedes.
_REVISIONS = _union(
    REVISION,
    before=r"(?:\A|(?<=[.!\n]\s)|(?<=\n)|(?<=。)|(?<=[-:]\s)|(?<=\.\.\.)|(?<=but\ )"
    r"|(?<=\ )(?-i:(?=(?:Wait|Actually|Correction|No|Hmm)\b)))",
)
_SECOND_LOOKS = re.compile(
    r"(?:\A|(?<=[.!\n]\s)|(?<=\n)|(?<=。)|(?<=\.\.\.\s)|(?<=,\ ))" + SECOND_LOOK, re.IGNORECASE | re.VERBOSE
)


def contains_any(text: str, words: Iterable[str]) -> bool:
    """Tell whether a text contains one of the words."""
    # It runs for every form and response: with any(), reading a response takes 15 % longer.
    for word in words:  # noqa: SIM110
        if word in text:
            return True
    return False


def sentence_before(text: str, end: int) -> str:
    """Return the beginning of the sentence that contains ``end``: at most `REACH` characters before ``end``."""
    window = text[max(0, end - REACH) : end]
    ends = [end.end() for end in _SENTENCE_END.finditer(window)]
    return window[ends[-1] :] if ends else window


def is_withdrawn(text: str, start: int, end: int, is_list: bool = False) -> bool:
    """Tell whether the words around a statement deny it, doubt it or set a condition for it.

    Args:
        text: plain text.
        start: where the statement starts.
        end: where the statement ends.
        is_list: whether the statement is a list of letters. The text after a list is ignored: a doubt about one letter
            leaves the others.
    """
    sentence = sentence_before(text, start)
    after = "" if is_list else text[end : end + REACH]
    return _is_withdrawn(sentence, text[start:end][:40], after)


def _is_withdrawn(sentence: str, statement: str, after: str) -> bool:
    if _FORMAT_BEFORE.search(sentence):
        return True
    before = _TURN.split(_HARMLESS_WORDS.sub("", sentence))[-1]
    after = _HARMLESS_WORDS.sub("", _OTHER_DENIED_AFTER.sub("", after, count=1))
    clause = _CLAUSE.split(before)[-1]
    if _DENIED_BEFORE.search(before) or _CONDITION_BEFORE.search(before) or _OTHERS_BEFORE.search(before):
        return True
    label = before.partition(":")[0] if ":" in before else ""
    if any(_TENTATIVE_BEFORE.search(part) for part in (clause + statement, label)) or _TENTATIVE_BEFORE.match(before):
        return True
    is_conditional = contains_any(after, CONDITION_WORDS) and CONDITION_AFTER.match(after)
    rest = after[: _first_sentence(after)]
    if DENIED_LATER.search(rest):
        return True
    is_asked = ("?" in after or "？" in after) and _QUESTION_END.match(after)
    return bool(is_conditional or is_asked or _AFTER.match(after))


def clause_denies(clause: str) -> bool:
    """Tell whether a relative clause rejects the option that it is about (`the option that I can exclude`)."""
    rest = _HARMLESS_WORDS.sub("", clause)
    return bool(_REJECTS.search(rest) or _DENIED_BEFORE.search(rest) or _OTHERS_BEFORE.search(rest))


def denies_nothing(text: str, start: int, end: int) -> bool:
    """Tell whether the negation from ``start`` to ``end`` belongs to a phrase that does not deny an answer."""
    phrase = _HARMLESS_WORDS.search(text, start, start + REACH)
    return phrase is not None and phrase.start() < end


def _first_sentence(text: str) -> int:
    end = _SENTENCE_END.search(text, 1)
    return end.start() if end else len(text)


def denied_letters(text: str) -> dict[str, int]:
    """Return for each letter where it is last rejected (`so A is wrong`)."""
    if not contains_any(text, REJECTIONS):
        return {}
    return {denial[1]: denial.start() for denial in DENIED_LETTER.finditer(text)}


def last_revision(text: str) -> int:
    """Return where the last words start that withdraw all earlier statements; 0 if there are none."""
    position, lowered = 0, text.lower()
    if not contains_any(lowered, REVISION_WORDS):
        return 0
    for revision in _REVISIONS.finditer(text):
        # `No` answers a question that the response asks itself.
        if not (revision[0].lower().startswith("no") and text[: revision.start()].rstrip().endswith("?")):
            position = revision.start()
    return position


def last_second_look(text: str) -> int:
    """Return where the last words start that announce a check of the answer; 0 if there are none."""
    position, lowered = 0, text.lower()
    if not contains_any(lowered, SECOND_LOOK_WORDS):
        return 0
    for second_look in _SECOND_LOOKS.finditer(text):
        position = second_look.start()
    return position
