"""Search a text for the forms of statements."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from microbench_tasks.parsing.letters.context import REACH, clause_denies, contains_any, is_withdrawn, sentence_before
from microbench_tasks.parsing.letters.english_forms import FORMS
from microbench_tasks.parsing.letters.foreign_form_table import MORE_FORMS, QUALIFIERS
from microbench_tasks.parsing.letters.foreign_forms import LANGUAGE_FORMS
from microbench_tasks.parsing.letters.form import CONCLUSION, SENTENCE, Form
from microbench_tasks.parsing.letters.lines import is_list_item
from microbench_tasks.parsing.letters.option_values import Question, Value
from microbench_tasks.parsing.letters.phrases import ADJECTIVES, CONCLUDES, DETERMINERS, OTHER_LABELS


@dataclass(frozen=True)
class Statement:
    """Hold what one place in a response states.

    Attributes:
        start: position in the text.
        letters: the stated letters; several contradict one another.
        strength: `SENTENCE`, `CONCLUSION` or `MARK`.
        rule: the name of the rule, of `strict_rule.RULES`.
    """

    start: int
    letters: frozenset[str]
    strength: int
    rule: str


@dataclass(frozen=True)
class _CompiledForm:
    form: Form
    pattern: re.Pattern[str]
    tail: re.Pattern[str] | None
    value_first: bool
    is_foreign: bool


# A pattern without one is of another script, and cannot match in ASCII.
_LATIN_WORD = re.compile(r"[A-Za-z]{3}")


def _compile(form: Form) -> _CompiledForm:
    # As `plain` writes texts, such as Thai vowels.
    head, _, tail = unicodedata.normalize("NFKC", form.pattern).partition("@")
    flags = re.IGNORECASE | re.VERBOSE
    value_first = not head.strip()
    pattern = re.compile(tail if value_first else head, flags)
    rest = re.compile(tail, flags) if tail.strip() and not value_first else None
    is_foreign = not form.pattern.isascii() and _LATIN_WORD.search(form.pattern) is None
    return _CompiledForm(form, pattern, rest, value_first, is_foreign)


_FORMS = tuple(_compile(form) for form in (*FORMS, *LANGUAGE_FORMS, *MORE_FORMS))
# Words that may stand before a noun phrase without a determiner.
_CONNECTIVES = QUALIFIERS | {
    *[
        "and",
        "but",
        "so",
        "thus",
        "then",
        "hence",
        "therefore",
        "that",
        "is",
        "now",
        "finally",
        "overall",
        "clearly",
        "ultimately",
        "because",
        "conclusion",
    ],
    *["i", "think", "believe", "say", "conclude", "means", "step", "question", "note"],
    *["die", "richtige", "korrekte", "beste", "meine", "endgültige", "wahrscheinlichste", "passende", "zutreffende"],
    *["also", "daher", "somit", "ist", "deshalb"],
    *[
        "la",
        "le",
        "bonne",
        "meilleure",
        "ma",
        "donc",
        "mi",
        "mejor",
        "opción",
        "respuesta",
        "a",
        "minha",
        "melhor",
        "mia",
        "migliore",
        "el",
        "una",
    ],
    *[
        "правильный",
        "верный",
        "мой",
        "окончательный",
        "het",
        "juiste",
        "goede",
        "correcte",
        "beste",
        "prawidłowa",
        "poprawna",
        "doğru",
        "dass",
        "que",
    ],
}
_WORD_BEFORE = re.compile(r"([^\W\d_](?:[^\W_]|'|-(?=\w))*)(?:['\"]?,? |_)\Z")
_MAX_ADJECTIVES = 7
_CLAUSE_START = re.compile(r"(?:\A|[.!?:;,>)\](\[|\n=✅☑✔*/]\s?|-\s|\d\s?|[^\x00-\x7f]\s?)[\"']?\Z")


def statements(text: str, question: Question) -> Iterator[Statement]:
    """Yield the statements of all forms in plain ``text`` that their context does not withdraw."""
    reach = 2 * REACH + 2 * question.longest
    is_ascii, lowered = text.isascii(), text.lower()
    # A model caught in a loop repeats itself to its last token: each window is read once.
    read: dict[tuple[int, str, int], Statement | None] = {}
    for number, compiled in enumerate(_FORMS):
        if (is_ascii and compiled.is_foreign) or not contains_any(lowered, compiled.form.needs or ("",)):
            continue
        # The value of a form that closes a response stands within its last characters.
        begin = max(0, len(text) - reach) if compiled.form.closes else 0
        for match in compiled.pattern.finditer(text, begin):
            first = max(0, match.start() - reach)
            window = text[first : match.end() + reach]
            key = (number, window, match.start() - first)
            if key not in read:
                read[key] = _read(compiled, window, match.start() - first, match.end() - first, question)
            if stated := read[key]:
                yield dataclasses.replace(stated, start=match.start())


def _read(compiled: _CompiledForm, text: str, start: int, end: int, question: Question) -> Statement | None:
    """Return the statement of a form that matches from ``start`` to ``end``; None if it states nothing there.

    A sentence that draws a conclusion counts as a conclusion.
    """
    form = compiled.form
    if compiled.value_first:
        placed = question.value_before(text, start)
        if placed is None:
            return None
        value, start = placed
        value_start = start
        if _LISTED_BEFORE.search(text, max(0, start - 20), start):
            return None
    else:
        if form.starts_clause and not _starts_clause(text, start):
            return None
        if form.noun_phrase and not _is_whole_noun_phrase(text, start):
            return None
        following = question.value_at(text, end)
        if following is None:
            return None
        value, value_start = following, end
        if form.closes and not _closes(text, start, end, value):
            return None
        end = value.end
        if compiled.tail:
            tail = compiled.tail.match(text, end)
            if tail is None:
                return None
            end = max(end, tail.end())
    relative = _RELATIVE.search(text, start, value_start) if form.noun_phrase else None
    if relative and clause_denies(relative[0]):
        return None
    if not _accepts(form, value, text) or is_withdrawn(text, start, end, len(value.letters) > 1):
        return None
    concludes = form.strength == SENTENCE and CONCLUDES.search(sentence_before(text, start))
    strength = CONCLUSION if concludes else form.strength
    return Statement(start, value.letters, strength, "option_text" if value.by_text else "declaration")


_RELATIVE = re.compile(
    r"\b(?:(?:that|which|whose|who)\b.*|to (?:exclude|reject|avoid|eliminate|rule out|dismiss|discard)\b)",
    re.IGNORECASE,
)
# A label of another option, or the number of an item, right before.
_ITEM_BEFORE = re.compile(
    r"(?:(?:\A|[\n(])(?:option\ )?[A-Ha-h][)\]]?|(?:\A|\n)\d{1,2}[.)](?:\ [A-H])?\ ?|\n\W?(?:Q|question|no|item"
    r"|\#)\.?\ ?\d{1,3})\Z",
    re.IGNORECASE | re.VERBOSE,
)
_BARE_LETTER = re.compile(r"[A-H](?=\W*\Z)")
_PUNCTUATED = re.compile(r"\([A-Ha-h]\)|[A-Ha-h][\"')\]}]*[.!\"'}\]]")
# A sentence whose subject is a letter: the next one may start alike.
_SUBJECT = re.compile(
    r"(?:\A|[.!?\n]\s?)(?:[Oo]ption\ )?[A-H]\)?\ (?:is|does|can|has|was|would|cannot|looks|ist|scheidet|est|es|è|é)\b"
    r"|\b(?:not|nicht|pas|no)\ [A-H]\b"
)
_LISTED_BEFORE = re.compile(
    r"(?:\b(?:and|or|nor|und|oder|et|ou|y|o)|[&/+]|和|或|と)\s?[(\"']?\Z|(?<![A-Za-z])[A-H]\)?,\s[(\"']?\Z",
    re.IGNORECASE,
)


def _accepts(form: Form, value: Value, text: str) -> bool:
    """Tell whether a form accepts a value of this kind: any value, a letter, or a letter with its text."""
    if form.takes == "any":
        return True
    # A small `a` at the end may be the article of a text that is cut off.
    is_article = text[value.end - 1 : value.end] == "a" and value.end == len(text)
    return not value.by_text and (value.has_text or (form.takes == "letter" and not is_article))


def _closes(text: str, start: int, end: int, value: Value) -> bool:
    """Tell whether a value at the end of a text is an answer, and not the last item of a list or a word cut off."""
    if _ITEM_BEFORE.search(text, max(0, start - 60), start):
        return False
    if text.startswith(":", start) and not value.has_text and OTHER_LABELS.search(sentence_before(text, start)):
        return False
    is_arrow = text[start : start + 3].lstrip("\n")[:2] in ("->", "=>")
    is_bare = not value.by_text and not value.has_text
    if is_bare and not is_arrow and not _PUNCTUATED.search(text, end):
        label = _BARE_LETTER.search(text, end)
        if label is None or label[0] == "A" or _SUBJECT.search(text, max(0, start - REACH), start):
            return False
    return len(value.letters) > 1 or not is_list_item(text, end, min(value.letters), value.has_text, [])


def _starts_clause(text: str, start: int) -> bool:
    word, start = _word_before_adjectives(text, start)
    return word in _CONNECTIVES if word else bool(_CLAUSE_START.search(text, max(0, start - 4), start))


def _is_whole_noun_phrase(text: str, start: int) -> bool:
    """Tell whether no other word qualifies the noun at ``start``."""
    word, _ = _word_before_adjectives(text, start, DETERMINERS)
    return not word or word in _CONNECTIVES | DETERMINERS


def _is_adjective(word: str) -> bool:
    return word in ADJECTIVES or ("-" in word and ADJECTIVES.issuperset(word.split("-")))


def _word_before_adjectives(text: str, start: int, stops: frozenset[str] = frozenset()) -> tuple[str, int]:
    """Return the word before a noun and its adjectives, and where they start; empty if a clause starts there."""
    for _ in range(_MAX_ADJECTIVES):
        word = _WORD_BEFORE.search(text, max(0, start - 30), start)
        if word is None:
            return "", start
        if word[1].lower() in stops or not _is_adjective(word[1].lower()):
            return word[1].lower(), start
        start = word.start()
    return "many", start
