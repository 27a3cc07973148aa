"""The strict rule: the one option that a response states as its answer, or why there is none.

1. Forms (`english_forms`, `foreign_forms`) find statements.
2. `context` drops statements that are denied, doubted, conditional or withdrawn.
3. The last remaining statement counts if it is stronger than all statements that differ from it.
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
from microbench_tasks.parsing.letters.lines import (
    answers_to_several_questions,
    closing_line,
    list_items,
    opening_line,
    single_line,
)
from microbench_tasks.parsing.letters.markdown_tables import table_answer
from microbench_tasks.parsing.letters.option_values import Question, cached_question
from microbench_tasks.parsing.letters.plain_text import to_plain_text
from microbench_tasks.parsing.letters.refusals import is_refusal
from microbench_tasks.parsing.letters.search import Statement, statements
from microbench_tasks.parsing.letters.verdicts import judged_correct
from microbench_tasks.parsing.letters.whole_response import repeats_options, whole_answer
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
    """Hold the answer that the strict rule reads in a response.

    Attributes:
        letter: the letter of the stated option; None unless ``kind`` is ``parsed``.
        kind: ``parsed``, ``ambiguous`` (more than one answer), ``truncated`` (reasoning that never ends), ``empty``
            (nothing but reasoning and marks), ``refusal``, ``failed`` (no response) or ``unparsed`` (none of these,
            but no answer stated).
        rule: the rule that matched, of `RULES`; None unless ``kind`` is ``parsed``.
    """

    letter: str | None
    kind: Kind
    rule: Rule | None


def strict_answer(response: str, options: list[str]) -> Answer:
    """Return the one answer that a response states, by `RULES` that never guess.

    A letter counts where it is stated as the answer: as the whole response, as its first or last line, in a box or an
    answer tag, under a label (``Answer: B``), in a sentence (``The answer is B``, in many languages), or as the only
    option that a list of judged options calls correct. An option's own text counts in the same places. Case does not
    count.

    No answers are lists, headers and echoes of the options, and statements that are denied, conditional, tentative,
    asked, quoted or withdrawn. A letter at the start of a word or a name (``H&E``, ``E. coli``, ``A cell``) is none.

    A later and stronger statement replaces an earlier one. Other statements that differ are ambiguous, and so are a
    letter and a text that disagree.

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
    marked_up = part.text
    if probabilities(marked_up, len(options)) is not None:
        marked_up = marked_up.rpartition("\n")[0]
    text = to_plain_text(marked_up)
    if not text:
        return Answer(None, "empty", None)
    question = cached_question(tuple(options))
    if answers_to_several_questions(text, question):
        return Answer(None, "ambiguous", None)
    for end in new_turns(marked_up):
        # An answer to a question that the model invented is no answer to this one.
        rule, letters = _stated_letters(to_plain_text(marked_up[:end]), question, 0)
        if len(letters) == 1:
            return Answer(min(letters), "parsed", rule)
    rule, letters = _stated_letters(text, question, 0)
    if len(letters) == 1:
        return Answer(min(letters), "parsed", rule)
    if letters or repeats_options(text, question):
        return Answer(None, "ambiguous", None)
    return Answer(None, "refusal" if is_refusal(text) else "unparsed", None)


def _stated_letters(text: str, question: Question, depth: int) -> tuple[Rule, frozenset[str]]:
    """Return the letters that plain ``text`` states, and the rule: no letter, one answer, or a contradiction."""
    rule, letters = whole_answer(text, question)
    if letters:
        return rule, letters
    remaining = sorted(_all_statements(text, question, depth), key=lambda statement: statement.start)
    revised = last_revision(text)
    denied = denied_letters(text)
    remaining = [
        statement
        for statement in remaining
        if statement.start >= max(revised, *(denied.get(letter, 0) for letter in statement.letters))
    ]
    if not remaining:
        return rule, frozenset()
    last, second_look = remaining[-1], last_second_look(text)
    final = last.letters
    rivals = [other for other in remaining if other.letters != final and not other.start < second_look <= last.start]
    since = max((rival.start for rival in rivals), default=-1)
    strength = max(
        statement.strength for statement in remaining if statement.letters == final and statement.start >= since
    )
    if any(rival.strength >= strength for rival in rivals):
        return rule, final.union(*(rival.letters for rival in rivals))
    agreeing = {statement.rule for statement in remaining if statement.letters == final}
    return next(name for name in RULES if name in agreeing), final


def _all_statements(text: str, question: Question, depth: int) -> list[Statement]:
    """Return all statements of plain ``text``, in no order."""
    all_found = list(statements(text, question))
    read: dict[tuple[str, str, str], frozenset[str]] = {}
    for box in BOXES.finditer(text):
        content = (box["boxed"] or box["tagged"] or box["token"] or "").strip()
        if "\\" not in content:
            content = content.replace("{", " ").replace("}", " ").strip()
        key = (text[max(0, box.start() - REACH) : box.start()], content, text[box.end() : box.end() + REACH])
        if key not in read:
            is_read = content and depth < _MAX_DEPTH and not is_withdrawn(text, box.start(), box.end())
            read[key] = _stated_letters(content, question, depth + 1)[1] if is_read else frozenset()
        all_found.append(Statement(box.start(), read[key], MARK, "boxed"))
    lines = list_items(text, question)
    if opening := opening_line(text, question, lines):
        all_found.append(Statement(0, opening[1], CONCLUSION, opening[0]))
    if closing := closing_line(text, question, lines):
        all_found.append(Statement(closing[2], closing[1], CONCLUSION, closing[0]))
    if alone := single_line(text, question, lines):
        all_found.append(Statement(alone[2], alone[1], CONCLUSION, alone[0]))
    tabled, start = table_answer(text, question)
    all_found.append(Statement(start, tabled, CONCLUSION, "declaration"))
    judged, end = judged_correct(text, question)
    all_found.append(Statement(end, judged, SENTENCE, "verdict"))
    return [statement for statement in all_found if statement.letters]
