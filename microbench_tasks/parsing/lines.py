"""The first and the last line of a response as its answer, told from items of a list of options."""

from __future__ import annotations

import re
from dataclasses import dataclass

from microbench_tasks.parsing.values import LABEL, Question
from microbench_tasks.parsing.whole import WholeRule, echoes, whole

_BULLET = re.compile(r"(?:\d{1,2}[.)]\s|[-•*✗✘❌✖✓✔✅☑|]\s?)*")
# A line that starts with it states an answer and is no item of a list.
_ANSWER_LABEL = re.compile(r"(?:the |final |my )?(?:answer|letter|antwort|réponse|respuesta|答)", re.IGNORECASE)
# What may follow an answer that a response opens with.
_OPENS = re.compile(
    r"""["')\]}]{0,3}(?:\n|[.:;,]?\s?\n|[.:;](?:\s|\Z)|\)\s|\s?-{1,2}>?\s|\s?[(（]|\.\.\.|。|\s?です|,?\s(?:because|since|as|due|given|for|and\ not|not
    |rather|weil|da|denn|car|porque|pois|perché)\b|,\s(?:which|because|since|with)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_LABEL_WITH_COLON = re.compile(r"(?<![\w-])[A-H]:")
_OPENS_BY_TEXT = re.compile(r"""["')\]]{0,3}(?:\s?\n|\.\s|\s-{1,2}\s|\s?[(（]|。)""")
# What a line says that comes before the discussion of the other options.
_OTHERS = re.compile(r"\b(?:others?|remaining|rest|why|incorrect|wrong|ruled? out|not)\b", re.IGNORECASE)
# What a line says that comes before a list of options.
_ANNOUNCES = re.compile(
    r"\b(?:each|every|options?|choices?|candidates?|possibilit\w+|alternatives?|one by one|in turn|analy\w+|consider\w*|compar\w+|evaluat\w+"
    r"|go(?:ing)? through|examin\w+|look(?:ing)? at|list(?:ed)?|break down)\b|选项|選択肢|option|opci[oó]n|각",
    re.IGNORECASE,
)
_ANSWERS = re.compile(r"\b(?:answer|conclu\w+|correct|best|therefore|thus|hence|verdict|diagnosis|final|choose|pick)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Item:
    """A line that starts with an option, and where it starts."""

    letter: str
    start: int
    has_text: bool


def items(text: str, question: Question) -> list[Item]:
    """The lines that start with an option: its letter, its text, or both."""
    found, start = [], 0
    read: dict[str, tuple[str, bool]] = {}
    for line in text.splitlines():
        shown = line[: question.longest + 80]
        if shown not in read:
            read[shown] = _item(shown, question)
        letter, has_text = read[shown]
        if letter:
            found.append(Item(letter, start, has_text))
        start += len(line) + 1
    return found


def _item(line: str, question: Question) -> tuple[str, bool]:
    """The option that a line starts with, and whether it has a text; no letter if there is none."""
    begin = _BULLET.match(line).end()
    if not line[begin:] or _ANSWER_LABEL.match(line, begin):
        return "", False
    value = question.value_at(line, begin)
    if value and len(value.letters) == 1:
        return min(value.letters), value.by_text or value.end - begin > 3
    label = LABEL.match(line, begin)
    return (label[1].upper(), True) if label and label[1].upper() in question.letters else ("", False)


def opening_line(text: str, question: Question, lines: list[Item]) -> tuple[WholeRule, frozenset[str], int] | None:
    """The answer that a response opens with: by which rule, which letters, and where it ends."""
    value = question.value_at(text, 0)
    if value is None:
        return None
    follows = (_OPENS_BY_TEXT if value.by_text else _OPENS).match(text, value.end)
    if follows is None or (len(value.letters) > 1 and echoes(text, question)):
        return None
    if ":" in follows[0] and _LABEL_WITH_COLON.search(text, follows.end(), text.find("\n") if "\n" in text else len(text)):
        return None
    if len(value.letters) == 1 and _heads_a_list(text, min(value.letters), value.end, lines, question):
        return None
    has_text = value.end > 4 and not value.by_text
    return ("option_text" if value.by_text else "letter_with_text" if has_text else "whole_letter"), value.letters, value.end


def _heads_a_list(text: str, letter: str, end: int, lines: list[Item], question: Question) -> bool:
    """Whether the next line about an option is about the one after ``letter``."""
    following = next((item for item in lines if item.start > 0), None)
    successor = chr(ord(letter) + 1)
    if following is None:
        inline = (question.shown(text, label) for label in LABEL.finditer(text, end))
        return next(filter(None, inline), None) == {successor}
    return following.letter == successor and not _OTHERS.search(text, text.find("\n"), following.start)


def closing_line(text: str, question: Question, lines: list[Item]) -> tuple[WholeRule, frozenset[str], int] | None:
    """The answer that a response ends with, as its last line: by which rule, which letters, and where it starts."""
    start = text.rfind("\n") + 1
    if start == 0:
        return None
    rule, letters = whole(text[start:], question)
    if not letters or (len(letters) == 1 and is_list_item(text, start, min(letters), rule != "whole_letter", lines)):
        return None
    return rule, letters, start


def is_list_item(text: str, start: int, letter: str, has_text: bool, lines: list[Item]) -> bool:
    """Whether the option at ``start`` is an item of a list: the one after the item before, or the first of a list."""
    before = [item for item in lines if item.start < start]
    if before:
        last = before[-1]
        is_next = last.letter == chr(ord(letter) - 1) and last.has_text == has_text
        return is_next and letter not in {item.letter for item in before}
    line_start = text.rfind("\n", 0, start) + 1
    labels = [label[1].upper() for label in LABEL.finditer(text, line_start, start)]
    if labels:
        return has_text and labels[-1] == chr(ord(letter) - 1) and letter not in labels
    if letter != "A":
        return False
    before_line = text[max(0, start - 200) : start].rstrip("\n").rpartition("\n")[2]
    return _ANNOUNCES.search(before_line) is not None and _ANSWERS.search(before_line) is None
