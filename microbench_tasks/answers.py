"""From a response to a letter, by a named rule. Imports nothing of ours but the letters.

Two rules, never mixed: the paper's (`paper_letters`), which reproduces published figures,
and the strict one (`strict_answer`), which reads an answer only where one is stated.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, get_args

from microbench_tasks.parsing.failures import placeholder
from microbench_tasks.parsing.probabilities import probabilities
from microbench_tasks.parsing.reasoning import answer_part
from microbench_tasks.schema import LETTERS, MIN_OPTIONS

Kind = Literal["parsed", "ambiguous", "refusal", "empty", "truncated", "failed", "unparsed"]
Rule = Literal["whole_letter", "letter_with_text", "declaration", "boxed", "option_text"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True)
class Answer:
    """What the strict rule reads in a response.

    ``letter`` and ``rule`` (the one that matched, of `RULES`) are None unless ``kind`` is
    ``parsed``. The other `KINDS`: ``ambiguous`` (more than one answer), ``truncated``
    (reasoning that never ends), ``empty`` (nothing but reasoning and marks), ``refusal``,
    ``failed`` (no response: see `placeholder`) and ``unparsed`` (none of these, but no answer stated).
    """

    letter: str | None
    kind: Kind
    rule: Rule | None


def lettered(options: list[str]) -> list[str]:
    """Options as the prompt writes them: ``A) first``, ``B) second``, …"""
    return [f"{letter}) {option}" for letter, option in zip(LETTERS, options)]


def paper_letters(response: str, options: list[str]) -> list[str]:
    """The letters that the paper's rule would call right for ``response``, were they the answer's.

    The rule, flaws included: the response's first character is the letter, or the lettered
    option (``B) basophil``) occurs in it; case counts. So ``The answer is B`` gives no letter
    and ``Cannot tell`` gives C. An echo of all options gives them all.

    Deviation: the published code has letters up to G although it prompts with H; here every
    letter of the question counts. Source: GitHub ``Ale9806/eVLLM``.

    >>> paper_letters("B) basophil", ["platelet", "basophil"])
    ['B']
    >>> paper_letters("basophil", ["platelet", "basophil"])
    []
    """
    if placeholder(response):
        # An error message may begin with a letter, or quote the question.
        return []
    letters = LETTERS[: len(options)]
    first = [letter for letter in letters if response.startswith(letter)]
    echoed = [option[0] for option in lettered(options) if option in response]
    return list(dict.fromkeys(first + echoed))


def strict_answer(response: str, options: list[str]) -> Answer:
    """The one answer that ``response`` states, by `RULES` that never guess.

    Read is the whole response as a letter of the question (``whole_letter``), as a letter
    with that option's own text (``letter_with_text``) or as one option's text
    (``option_text``); within a longer one a letter that is declared (``answer is B``,
    ``Option: (B)``) or boxed (``\\boxed{B}``, ``<answer>B</answer>``) and not negated.
    Reasoning, markdown and a last line of probabilities are taken off first; case does not
    count. Answers that differ, a letter and a text that disagree, a list and an echo of the
    options are ambiguous. What starts a word or a name (``H&E``, ``E. coli``, ``A cell``)
    is no letter.

    Args:
        response: the model's text, of any length; reading takes linear time.
        options: the question's 2 to 8 options, in the order of their letters.

    Raises:
        ValueError: fewer than 2 or more than 8 options.

    Source: this package's own rule; `paper_letters` is the paper's.

    >>> strict_answer("The answer is **B**. A is too small.", ["platelet", "basophil"])
    Answer(letter='B', kind='parsed', rule='declaration')
    >>> strict_answer("A or B", ["platelet", "basophil"])
    Answer(letter=None, kind='ambiguous', rule=None)
    """
    if not MIN_OPTIONS <= len(options) <= len(LETTERS):
        raise ValueError(f"Expected {MIN_OPTIONS} to {len(LETTERS)} options, got {len(options)}: {options!r}.")
    absent = placeholder(response)
    if absent:
        return Answer(None, absent, None)
    text = _answer_text(response, len(options))
    if not text:
        return Answer(None, "truncated" if text is None else "empty", None)
    texts = {letter: _option_text(option) for letter, option in zip(LETTERS, options)}
    readings = _readings(text, texts)
    letters = set().union(*readings.values())
    if letters:
        letters |= _opening_letter(text, texts)
    if len(letters) == 1:
        return Answer(letters.pop(), "parsed", next(rule for rule in RULES if readings.get(rule)))
    if letters or _echoes(text, texts):
        return Answer(None, "ambiguous", None)
    return Answer(None, "refusal" if _REFUSAL.search(text) else "unparsed", None)


# --- the strict rule: what is left to read -------------------------------------------

# In pieces, since to sort the accents of one long run takes quadratic time; without the Arabic
# ligatures for whole phrases, which grow eighteenfold.
_NOT_ASCII = re.compile(r".?[^\x00-\x7f\ufdf0-\ufdff]{1,64}")
# Quotation marks, hyphens, dashes and arrows that NFKC keeps apart, and characters that do not show.
_TYPOGRAPHY = str.maketrans(
    dict.fromkeys("‘’", "'")
    | dict.fromkeys("“”", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
    | {"→": "->"}
    | dict.fromkeys("\u00ad\u200b\ufe0f\ufeff")
)
# Emphasis, code and mathematics; an underscore inside a word belongs to the word.
_MARKS = re.compile(r"[*`$]+|(?<![^\W_])_+|_+(?![^\W_])|\\(?:text|math)(?:bf|it|rm|sf)?(?= ?\{)|\\[()\[\]]")
# Headings, quotations and lists.
_LINE_MARKS = re.compile(r"(?:[#>•+-]+ )*")


def _answer_text(response: str, num_options: int) -> str | None:
    """What of ``response`` can state an answer, as plain text; None where its reasoning never ends."""
    if probabilities(response, num_options) is not None:
        response = response.rpartition("\n")[0]
    part = answer_part(response)
    return None if part.truncated else _plain(part.text)


def _plain(text: str) -> str:
    """``text`` in NFKC without markdown, with single spaces and without empty lines."""
    text = _NOT_ASCII.sub(lambda run: unicodedata.normalize("NFKC", run[0].translate(_TYPOGRAPHY)), text)
    lines = (" ".join(line.split()) for line in _MARKS.sub("", text).splitlines())
    unmarked = (line[_LINE_MARKS.match(line).end() :] for line in lines)
    return "\n".join(line for line in unmarked if line)


@functools.lru_cache(maxsize=4096)
def _option_text(option: str) -> str:
    """An option as responses are compared with it; the same few thousand come again and again."""
    return _trimmed(_plain(option))


def _trimmed(text: str) -> str:
    return text.strip(" \n.,;:!\"'")


# --- the strict rule: what is stated -------------------------------------------------

# A letter ends here, unless it goes on as a word (B-cell, H&E, G1, A+).
_LETTER_END = r"(?![\w+]|[-&'^=~%]\w)"
# What may stand between a letter and its option's text.
_GAP = re.compile(r"""[\s)\]}"'.:,;]{0,6}(?:-\s)?[(\["']?""")
_CLAUSE_END = re.compile(r"""[\n.,;!)\]"']|\Z""")
# A letter that a lower-case word follows starts a name (E. coli, B cell) or is an article
# (A cell); these words start neither.
_NAME = re.compile(
    r"\.? ?(?!(?:according|although|among|and|as|based|because|but|by|can|cannot|due|for|from|given|here|if|in|instead"
    r"|is|isn't|not|on|or|rather|since|so|that|the|this|though|was|when|where|which|while|with)\b)[a-z]"
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|cannot|neither|nor|if|whether|unless|unlikely|I doubt)\b|n't\b)(?:(?!\b(?:so|but|then)\b).)*\Z"
    r"|\b(?:wrong|incorrect|worst|other|another|alternative|least likely)(?: \w+)? \Z",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(r"""[)\]}"']{0,3}(?:\?| (?:(?:is|was|seems|looks)(?: not|n't| never| wrong| incorrect| false| unlikely)|can't|cannot|doesn't|does not)\b)""", re.IGNORECASE)
# How many characters around a declaration decide on it, its options' texts not counted.
_REACH = 120
_ALSO = re.compile(rf"""[\s)\]}}"'.]{{0,3}}(?:[,/&+]|,? ?\b(?:and|or|AND|OR)\b(?:/or)?) ?(?:(?:and|or|maybe|possibly|option|choice) )?[(\["']{{0,2}}([A-H]|[a-h](?=[)\].,;"'\n]|\Z)){_LETTER_END}""")
_BREAK = re.compile(r"[\s,;.()\[]{0,3}")
_LABEL = re.compile(r"\b([A-Ha-h])[).:\]]{1,2}\s?")
_SEPARATOR = re.compile(r"\n|[,;/]| and | or ")
_BOX = re.compile(r"\\f?boxed ?\{[ {]{0,3}([^{}]*)\}|<(?:answer|conclusion)>([^<>]*)</(?:answer|conclusion)>|<\|begin_of_box\|>([^<>]*)<\|end_of_box\|>", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:sorry|apologi[sz]e|as an AI|language model|not enough information|(?:do not|don't) know|not sure"
    r"|I (?:cannot|can't|can not)(?! (?:rule out|exclude))"
    r"|(?:cannot|can't|can not|unable to|not able to|(?:im|not )possible to) (?:be )?(?:tell|say|see|view|read|determined?|identify|identified"
    r"|answer|answered|assist|help|provide|analy[sz]e|assess|diagnose|comply))\b",
    re.IGNORECASE,
)


@functools.cache
def _item(num_options: int) -> re.Pattern[str]:
    """A letter of the question where a response starts, bracketed or not, up to its option's text."""
    return re.compile(rf"""(?:(?:option|choice|answer|letter) )?[(\[{{"']{{0,3}} ?([A-{LETTERS[num_options - 1]}])(?!\w)[\s)\]}}"'.:,]{{0,6}}(?:-\s)?""", re.IGNORECASE)


@functools.cache
def _declaration(num_options: int) -> re.Pattern[str]:
    """A letter of the question, declared; plain text has no runs of white space to backtrack in."""
    return re.compile(
        rf"""\b(?:
                (?:answer|option|choice|selection|letter)(?:\ to\ (?:the|this)\ question)?["']?
                (?:(?:\ (?:is|was|(?:would|should|must|will)\ be)|'s)\b(?:\ ?[:-])?|\ ?[:=-]{{1,2}}>?)
              | I(?:'d|'ll|'m|\ am|\ would|\ will)?\ (?:choose|select|pick|go(?:ing)?\ with)\b
            )
            \s?(?:(?:(?:most\ |very\ )?likely|probably|clearly|definitely|therefore|thus|indeed|(?:the\ )?(?:option|choice|letter|answer)):?\s){{0,3}}
            [(\[{{"']{{0,3}}\ ?(?P<letter>[A-{LETTERS[num_options - 1]}]){_LETTER_END}""",
        re.IGNORECASE | re.VERBOSE,
    )


def _readings(text: str, texts: dict[str, str]) -> dict[Rule, set[str]]:
    """Per rule the letters that it reads in plain ``text``: none, the answer, or a contradiction."""
    rule, letters = _whole(text, texts)
    return {rule: letters, "declaration": _declared(text, texts), "boxed": _boxed(text, texts)}


def _whole(text: str, texts: dict[str, str]) -> tuple[Rule, set[str]]:
    """The letters if ``text`` is nothing but a letter, a letter with a text, a text, or a list of letters."""
    as_text = _equal(_trimmed(text), texts)
    item = _item(len(texts)).match(text)
    if item is None:
        return "option_text", as_text
    letter, rest = item[1].upper(), _trimmed(text[item.end() :])
    if not rest:
        return "whole_letter", {letter, *as_text}
    named = _equal(rest, texts) or (_equal(rest[1:-1], texts) if rest[0] + rest[-1] == "()" else set())
    if named:
        return "letter_with_text", as_text | ({letter} if letter in named else {letter, *named})
    listed = set(re.findall(r"\w+", text.upper())) - {"AND", "OR"}
    if as_text or not listed <= texts.keys():
        return "option_text", as_text
    return "whole_letter", listed if len(listed) > 1 else set()


def _equal(text: str, texts: dict[str, str]) -> set[str]:
    """The letters whose option is ``text``; case tells options apart only where it has to."""
    folded = text.casefold()
    exact = {letter for letter, own in texts.items() if own and own == text}
    return exact or {letter for letter, own in texts.items() if own and own.casefold() == folded}


def _declared(text: str, texts: dict[str, str]) -> set[str]:
    reach = _REACH + 2 * max(map(len, texts.values()))
    # As a set: a model caught in a loop repeats itself to its last token.
    declarations = {(_clause_before(text, match.start()), text[match.start("letter") : match.start("letter") + reach]) for match in _declaration(len(texts)).finditer(text)}
    return set().union(*(_stated(said, texts) for clause, said in declarations if not _DENIED_BEFORE.search(clause)))


def _boxed(text: str, texts: dict[str, str]) -> set[str]:
    boxes = {(_clause_before(text, box.start()), box[box.lastindex], text[box.end() : box.end() + _REACH]) for box in _BOX.finditer(text)}
    read = (_whole(content, texts) for clause, content, after in boxes if not (_DENIED_BEFORE.search(clause) or _DENIED_AFTER.match(after)))
    return set().union(*(letters for rule, letters in read if rule != "option_text"))


def _clause_before(text: str, end: int) -> str:
    """The clause that leads to ``end``, as far back as a negation is looked for."""
    before = text[max(0, end - _REACH) : end]
    return before[max(map(before.rfind, ".!?;:,\n")) + 1 :]


def _stated(said: str, texts: dict[str, str]) -> set[str]:
    """What the letter that ``said`` starts with declares: itself, nothing, or a contradiction with what follows."""
    letter = said[0].upper()
    for start in (_GAP.match(said, 1).end(), 0):
        named, end = _named_at(said, start, texts)
        if letter in named:
            break
        if named and (start == 0 or _CLAUSE_END.match(said, end)):
            return {letter, *named}
    else:
        end = 1
        if _NAME.match(said, end):
            return set()
    if _DENIED_AFTER.match(said, end):
        return set()
    return {letter, *_listed_after(said, end, letter, texts)}


def _named_at(text: str, start: int, texts: dict[str, str]) -> tuple[set[str], int]:
    """The letters of the longest option text that stands at ``start``, and where it ends."""
    ends = {letter: start + len(own) for letter, own in texts.items() if _stands_at(text, start, own)}
    longest = max(ends.values(), default=start)
    return {letter for letter, end in ends.items() if end == longest}, longest


def _stands_at(text: str, start: int, own: str) -> bool:
    end = start + len(own)
    return own != "" and text[start:end].casefold() == own.casefold() and not text[end : end + 1].isalnum()


def _listed_after(text: str, end: int, letter: str, texts: dict[str, str]) -> set[str]:
    """The next letter of a list (``B or C``) or of an echo of the options that goes on from ``letter``."""
    also = _ALSO.match(text, end)
    if also:
        return {also[1].upper()}
    label = _LABEL.match(text, _BREAK.match(text, end).end())
    shown = _shown(label[1], text[label.end() :], texts) if label else set()
    # On lines of their own the options are echoed only in their order; explanations start anywhere.
    return set() if label and "\n" in text[end : label.start()] and shown != {chr(ord(letter) + 1)} else shown


def _shown(label: str, after: str, texts: dict[str, str]) -> set[str]:
    """The letter that is the ``label`` of its own option's text."""
    letter = label.upper()
    return {letter} if _stands_at(after, 0, texts.get(letter, "")) else set()


def _opening_letter(text: str, texts: dict[str, str]) -> set[str]:
    """The letter that the first line gives: no answer by itself, but one that a later answer must not contradict."""
    rule, letters = _whole(text.partition("\n")[0], texts)
    if rule == "option_text" or (rule == "letter_with_text" and _echoes(text, texts)):
        return set()
    return letters


def _echoes(text: str, texts: dict[str, str]) -> bool:
    """Whether ``text`` shows two or more options, by letter and text or as a list of texts."""
    reach = 1 + max(map(len, texts.values()))
    labels = {(label[1], text[label.end() : label.end() + reach]) for label in _LABEL.finditer(text)}
    shown = set().union(*(_shown(label, after, texts) for label, after in labels))
    pieces = {_trimmed(piece).casefold() for piece in _SEPARATOR.split(text)} - {""}
    return len(shown) > 1 or (len(pieces) > 1 and pieces <= {own.casefold() for own in texts.values()})
