"""The strict rule: the one option that a response states as its answer, or why there is none.

The forms in `microbench_tasks.parsing.letters.english_forms` find statements. `microbench_tasks.parsing.letters.context` drops those that are
denied, doubted, conditional or taken back. Of those left the last must be stronger than all that differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from microbench_tasks.catalog.questions import LETTERS, MIN_OPTIONS
from microbench_tasks.parsing.cleaning.reasoning import answer_part
from microbench_tasks.parsing.failures import placeholder_kind
from microbench_tasks.parsing.letters.context import (
    REACH,
    denied_letters,
    is_withdrawn,
    last_revision,
    last_second_look,
)
from microbench_tasks.parsing.letters.form import CONCLUSION, MARK, SENTENCE
from microbench_tasks.parsing.letters.invented_turns import new_turns
from microbench_tasks.parsing.letters.lines import answers_apart, closing_line, items, opening_line, single_line
from microbench_tasks.parsing.letters.markdown_tables import table_answer
from microbench_tasks.parsing.letters.option_values import Question, question
from microbench_tasks.parsing.letters.plain_text import plain
from microbench_tasks.parsing.letters.refusals import is_refusal
from microbench_tasks.parsing.letters.search import Statement, statements
from microbench_tasks.parsing.letters.verdicts import verdict
from microbench_tasks.parsing.letters.whole_response import echoes, whole
from microbench_tasks.parsing.probabilities import probabilities

Kind = Literal["parsed", "ambiguous", "refusal", "empty", "truncated", "failed", "unparsed"]
Rule = Literal["declaration", "boxed", "whole_letter", "letter_with_text", "option_text", "verdict"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# In the order in which they are named where several agree.
RULES: tuple[Rule, ...] = get_args(Rule)
# Places whose whole content is read: boxes in LaTeX, tags, and GLM's box tokens.
_BRACES = r"(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+"
BOXES = re.compile(
    rf"\\(?:boxed|f(?:rame)?box) ?\{{(?P<boxed>{_BRACES})\}}"
    r"|<(?P<tag>(?:final_?)?answer|conclusion|choice|option|output|solution)>"
    r"(?P<tagged>[^<>]*+(?:<\|?\w+\|?>[^<>]*+</?\|?\w+\|?>[^<>]*+)?)</(?P=tag)>"
    r"|<\|begin_of_(?:box|solution)\|>(?P<token>[^<>]*+)<\|end_of_(?:box|solution)\|>",
    re.IGNORECASE,
)
_MAX_DEPTH = 3


@dataclass(frozen=True)
class Answer:
    """What the strict rule reads in a response.

    ``letter`` and ``rule`` (the one that matched, of `RULES`) are None unless ``kind`` is
    ``parsed``. The other `KINDS`: ``ambiguous`` (more than one answer), ``truncated``
    (reasoning that never ends), ``empty`` (nothing but reasoning and marks), ``refusal``,
    ``failed`` (no response) and ``unparsed`` (none of these, but no answer stated).
    """

    letter: str | None
    kind: Kind
    rule: Rule | None


def strict_answer(response: str, options: list[str]) -> Answer:
    """The one answer that ``response`` states, by `RULES` that never guess.

    A letter counts where it is stated as the answer: as the whole response, as its first or last line, in a box or an
    answer tag, under a label (``Answer: B``), in a sentence (``The answer is B``, in many languages), or as the only
    option that a list of judged options calls correct. An option's own text counts in the same places. Case does not
    count. Lists, headers and echoes of the options state nothing. What is denied, conditional, tentative, asked, quoted
    or taken back is no answer. A later and stronger statement replaces an earlier one; statements that differ
    otherwise, and a letter and a text that disagree, are ambiguous. What starts a word or a name (``H&E``, ``E. coli``,
    ``A cell``) is no letter.

    Args:
        response: the model's text, of any length; reading takes linear time.
        options: the question's 2 to 8 options, in the order of their letters.

    Raises:
        ValueError: fewer than 2 or more than 8 options.

    Source: this package's own rule; `microbench_tasks.parsing.letters.paper_rule` is the paper's.

    >>> strict_answer("The answer is **B**. A is too small.", ["platelet", "basophil"])
    Answer(letter='B', kind='parsed', rule='declaration')
    >>> strict_answer("A or B", ["platelet", "basophil"])
    Answer(letter=None, kind='ambiguous', rule=None)
    """
    if not MIN_OPTIONS <= len(options) <= len(LETTERS):
        raise ValueError(f"Expected {MIN_OPTIONS} to {len(LETTERS)} options, got {len(options)}: {options!r}.")
    absent = placeholder_kind(response)
    if absent:
        return Answer(None, absent, None)
    part = answer_part(response)
    if part.truncated:
        return Answer(None, "truncated", None)
    said = part.text
    if probabilities(said, len(options)) is not None:
        said = said.rpartition("\n")[0]
    text = plain(said)
    if not text:
        return Answer(None, "empty", None)
    asked = question(tuple(options))
    if answers_apart(text, asked):
        return Answer(None, "ambiguous", None)
    for end in new_turns(said):
        # What answers a question of the model's own is no answer to this one.
        rule, letters = _stated(plain(said[:end]), asked, 0)
        if len(letters) == 1:
            return Answer(min(letters), "parsed", rule)
    rule, letters = _stated(text, asked, 0)
    if len(letters) == 1:
        return Answer(min(letters), "parsed", rule)
    if letters or echoes(text, asked):
        return Answer(None, "ambiguous", None)
    return Answer(None, "refusal" if is_refusal(text) else "unparsed", None)


def _stated(text: str, asked: Question, depth: int) -> tuple[Rule, frozenset[str]]:
    """The letters that plain ``text`` states, and by which rule: none, the answer, or a contradiction."""
    rule, letters = whole(text, asked)
    if letters:
        return rule, letters
    found = sorted(_statements(text, asked, depth), key=lambda statement: statement.start)
    revised = last_revision(text)
    denied = denied_letters(text)
    found = [said for said in found if said.start >= max(revised, *(denied.get(letter, 0) for letter in said.letters))]
    if not found:
        return rule, frozenset()
    final, looked_again = found[-1].letters, last_second_look(text)
    rivals = [other for other in found if other.letters != final and not other.start < looked_again <= found[-1].start]
    since = max((rival.start for rival in rivals), default=-1)
    strength = max(statement.strength for statement in found if statement.letters == final and statement.start >= since)
    if any(rival.strength >= strength for rival in rivals):
        return rule, final.union(*(rival.letters for rival in rivals))
    agreeing = {statement.rule for statement in found if statement.letters == final}
    return next(name for name in RULES if name in agreeing), final


def _statements(text: str, asked: Question, depth: int) -> list[Statement]:
    """All that plain ``text`` states, in no order."""
    found = list(statements(text, asked))
    read: dict[tuple[str, str, str], frozenset[str]] = {}
    for box in BOXES.finditer(text):
        content = (box["boxed"] or box["tagged"] or box["token"] or "").strip()
        if "\\" not in content:
            content = content.replace("{", " ").replace("}", " ").strip()
        key = (text[max(0, box.start() - REACH) : box.start()], content, text[box.end() : box.end() + REACH])
        if key not in read:
            is_read = content and depth < _MAX_DEPTH and not is_withdrawn(text, box.start(), box.end())
            read[key] = _stated(content, asked, depth + 1)[1] if is_read else frozenset()
        found.append(Statement(box.start(), read[key], MARK, "boxed"))
    lines = items(text, asked)
    if opening := opening_line(text, asked, lines):
        found.append(Statement(0, opening[1], CONCLUSION, opening[0]))
    if closing := closing_line(text, asked, lines):
        found.append(Statement(closing[2], closing[1], CONCLUSION, closing[0]))
    if alone := single_line(text, asked, lines):
        found.append(Statement(alone[2], alone[1], CONCLUSION, alone[0]))
    tabled, start = table_answer(text, asked)
    found.append(Statement(start, tabled, CONCLUSION, "declaration"))
    judged, end = verdict(text, asked)
    found.append(Statement(end, judged, SENTENCE, "verdict"))
    return [statement for statement in found if statement.letters]
