"""Read the first or the last line of a response as its answer, if it is not an item of a list of options."""

from __future__ import annotations

import re
from dataclasses import dataclass

from microbench_tasks.parsing.letters.context import denies_nothing
from microbench_tasks.parsing.letters.option_values import LABEL, Question
from microbench_tasks.parsing.letters.phrases import ADVERB, NUMBERED
from microbench_tasks.parsing.letters.whole_response import WholeRule, repeats_options, whole_answer
from microbench_tasks.parsing.matching import end_of_match

_ITEM_END = re.compile(r"[\"'*]{0,2}(?:[)\].:|]|\s?-{1,2}>?\s|\s?\Z)|\s?[(（]")
_BULLET = re.compile(r"(?:\d{1,2}[.)]\s|[-•*✗✘❌✖✓✔✅☑|]\s?)*")
# A line that starts with it states an answer and is no item of a list.
_ANSWER_LABEL = re.compile(
    r"(?:the |final |my )?(?:answer|letter|antwort|réponse|respuesta|resposta|risposta|答)(?! ?[A-H]\b)",
    re.IGNORECASE,
)
# What may follow an answer at the beginning of a response.
_OPENS = re.compile(
    rf"""["')\]}}]{{0,3}}(?:\n|[.:;,]?\s?\n|[.:;](?:\s|\Z)|\)\s|\s?-{{1,2}}>?\s|\s?[(（](?!\?)|\.\.\.|。|\s?です
    |,?\s(?:because|since|as|due|given|for|and\ not|not|rather|instead\ of|weil|da|denn|car|porque|pois|perché)\b
    |,\s(?:nicht|pas|non|não|niet|inte|ikke|nie|не)\s[A-H]\b
    |(?:,\s|\s(?=[^,.;:\n]{{1,30}}\W*\Z))(?:{ADVERB}|I\ (?:think|believe)|for\ sure)\b(?!\W{{0,3}}(?-i:[A-H])\b)
    |,\s(?:which|because|since|with)\b|,\s?(?:因为|由于)|:(?=[^\x00-\x7f]))""",
    re.IGNORECASE | re.VERBOSE,
)
# What a sentence that opens with an option says to reject it.
_REJECTED = re.compile(
    r"\b(?:can\ be|is|are|must\ be|has\ been|was|may\ be)\ (?:\w+\ )?(?:excluded|ruled\ out|eliminated|discarded"
    r"|incorrect|wrong|false|out\b(?!\ of))"
    r"|\bis\ not\ (?:it|correct|right|the)|\bdoes(?:n't|\ not)\ (?:fit|match|apply)|\b(?:cannot|can't)\ be\ (?:it"
    r"|right|correct|the)\b",
    re.IGNORECASE | re.VERBOSE,
)
_NO = re.compile(
    r"\W{0,2}(?:incorrect|wrong|(?:just\ )?(?:kidding|joking)|no|false|not|nein"
    r"|falsch|faux|non)\b(?!\ (?:other|nucle|granul))|[✗✘❌✖×]",
    re.IGNORECASE | re.VERBOSE,
)
_SENTENCE_END = re.compile(r"[.!?](?:\s|\Z)|\n")
_LABEL_WITH_COLON = re.compile(r"(?<![\w-])[A-H]:")
_SENTENCE_LABEL = re.compile(r"(?<=[.!?]\s)([B-H])[.)]\s(?=[A-Z])")
_NUMBERED_LINE = re.compile(rf"^{NUMBERED}", re.IGNORECASE | re.MULTILINE)
# What may precede an answer at the beginning of a response.
_PREFIX = re.compile(rf"[✅✔☑]? ?{NUMBERED}?", re.IGNORECASE)
# The question or the case that an answer is to, where several have one each.
_CASE = re.compile(
    r"(?:\A|[\n.,;:]\s?|(?<=[A-H] )(?:and )?)(?:(?:the )?(?:answer|ans)\.?(?: (?:to|for))? ?)?(?P<case>"
    r"(?:for|in) (?:the )?[^:.\n]{1,40}"
    r"|(?:(?:q|question|part|item|no|task|image|figure|panel|cell|case|问题|第)\.? ?)?\(?\d{1,2}题?"
    r"|(?:panel|cell|case|part) \(?[a-h]|i{1,3}|iv"
    r"|(?:the )?(?:left|right|top|bottom|upper|lower|first|second|third)(?: (?:question|part|image|panel|cell))?)"
    r" ?[:.)=]{1,2}\s?",
    re.IGNORECASE,
)
_CASE_END = re.compile(r"""[)\]"']{0,2}\s?(?:[.,;\n]|\Z)|\s(?=\(?(?:\d|[Qq]|and \d))""")
_MAX_LETTER_LINE = 12
_NUMBERING = "\n0123456789.-*•() "
_OPENS_BY_TEXT = re.compile(r"""["')\]]{0,3}(?:\s?\n|\.\s|\s-{1,2}\s|\s?[(（]|。)""")
# What a line says that comes before the discussion of the other options.
_OTHERS = re.compile(r"\b(?:others?|remaining|rest|why)\b", re.IGNORECASE)
# What a line says that comes before a list of options.
_ANNOUNCES = re.compile(
    r"\b(?:each|every|options?|choices?|candidates?|possibilit\w+|alternatives?|one by one|in turn|analy\w+"
    r"|consider\w*|compar\w+|evaluat\w+"
    r"|go(?:ing)? through|examin\w+|look(?:ing)? at|list(?:ed)?|break down)\b|选项|選択肢|option|opci[oó]n|각",
    re.IGNORECASE,
)
_OPTIONS = re.compile(
    r"\b(?:options|choices|candidates|answers|alternatives|possibilities|optionen|opciones|opções|opzioni|réponses"
    r"|respuestas|risposte|respostas|antworten|antwortmöglichkeiten)\b|选项|選択肢|보기",
    re.IGNORECASE,
)
# A question that is echoed, whose options follow.
_ASKS = re.compile(r"(?:\A|\n)question:[^\n]{0,200}\n\Z|(?:\A|\n)(?:what|which)\b[^\n]{0,200}\?\n\Z", re.IGNORECASE)
_ANSWERS = re.compile(
    r"\b(?:answers?|conclu\w+|correct|best|therefore|thus|hence|so|verdict|diagnosis|final|choose|pick|choice|antwort"
    r"|fazit|réponse|respuesta|resposta|risposta)\b|答|结论|結論|正解|답|ответ",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Item:
    """Hold the option that a line starts with, and where the line starts."""

    letter: str
    start: int
    has_text: bool


def list_items(text: str, question: Question) -> list[Item]:
    """Return the lines that start with an option: its letter, its text, or both."""
    listed, start = [], 0
    read: dict[str, tuple[str, bool]] = {}
    for line in text.splitlines():
        beginning = line[: question.longest + 80]
        if beginning not in read:
            read[beginning] = _item(beginning, question)
        letter, has_text = read[beginning]
        if letter:
            listed.append(Item(letter, start, has_text))
        start += len(line) + 1
    return listed


def _item(line: str, question: Question) -> tuple[str, bool]:
    """Return the option that a line starts with, and whether it has a text; no letter if there is none."""
    begin = end_of_match(_BULLET, line)
    if not line[begin:] or _ANSWER_LABEL.match(line, begin):
        return "", False
    value = question.value_at(line, begin)
    if value and len(value.letters) == 1 and (value.by_text or value.has_text or _ITEM_END.match(line, value.end)):
        return min(value.letters), value.by_text or value.has_text
    label = LABEL.match(line, begin)
    return (label[1].upper(), True) if label and label[1].upper() in question.letters else ("", False)


def opening_line(text: str, question: Question, lines: list[Item]) -> tuple[WholeRule, frozenset[str], int] | None:
    """Return the answer at the beginning of a response: the rule, the letters, and where it ends."""
    value = question.value_at(text, end_of_match(_PREFIX, text))
    if value is None:
        return None
    follows = (_OPENS_BY_TEXT if value.by_text else _OPENS).match(text, value.end)
    if follows is None or (len(value.letters) > 1 and repeats_options(text, question)):
        return None
    if ":" in follows[0] and value.letters == {"A"} and not (value.has_text or value.by_text):
        # `A:` may stand for the word, and `Option A:` starts a list.
        return None
    sentence_end = value.end if "\n" in follows[0] else _first_end(text, follows.end())
    if _is_rejected(text, follows.end()) or _REJECTED.search(text, value.end, sentence_end):
        return None
    line_end = len(text.partition("\n")[0])
    if ":" in follows[0] and _LABEL_WITH_COLON.search(text, follows.end(), line_end):
        return None
    if len(value.letters) == 1 and _heads_a_list(text, min(value.letters), value.end, lines, question):
        return None
    has_text = value.end > 4 and not value.by_text
    rule: WholeRule = "letter_with_text" if has_text else "whole_letter"
    return "option_text" if value.by_text else rule, value.letters, value.end


def _is_rejected(text: str, start: int) -> bool:
    """Tell whether the words at ``start`` reject the answer before them."""
    no = _NO.match(text, start)
    return no is not None and not denies_nothing(text, no.start(), no.end())


def _first_end(text: str, start: int) -> int:
    """Return where the first sentence after ``start`` ends."""
    end = _SENTENCE_END.search(text, start)
    return end.start() if end else len(text)


def _heads_a_list(text: str, letter: str, end: int, lines: list[Item], question: Question) -> bool:
    """Tell whether the next line about an option is about the one after ``letter``."""
    following = next((item for item in lines if item.start > 0), None)
    successor = chr(ord(letter) + 1)
    if following is None:
        if any(label[1] == successor or letter == "A" for label in _SENTENCE_LABEL.finditer(text, end)):
            return True
        inline = (question.labeled_letter(text, label) for label in LABEL.finditer(text, end))
        return next(filter(None, inline), None) == {successor}
    return following.letter == successor and not _OTHERS.search(text, text.find("\n"), following.start)


def closing_line(text: str, question: Question, lines: list[Item]) -> tuple[WholeRule, frozenset[str], int] | None:
    """Return the answer on the last line of a response: the rule, the letters, and where it starts."""
    start = text.rfind("\n") + 1
    if start == 0:
        return None
    rule, letters = whole_answer(text[start:], question)
    above = [item for item in lines if item.start < start]
    is_below = bool(above) and text.find("\n", above[-1].start) == start - 1
    if is_below and letters == {above[-1].letter}:
        # The heading above names the same option: this is the start of what is said about it.
        return None
    if text[start:] == "A" and len(lines) > 0 and lines[-1].letter != question.letters[-1]:
        # Within a list it may be the article that starts a sentence.
        return None
    if _NUMBERED_LINE.match(text, start) and _NUMBERED_LINE.search(text, 0, start):
        # One of the answers to several questions.
        return None
    if not letters or (len(letters) == 1 and is_list_item(text, start, min(letters), rule != "whole_letter", lines)):
        return None
    return rule, letters, start


def single_line(text: str, question: Question, lines: list[Item]) -> tuple[WholeRule, frozenset[str], int] | None:
    """Return the letter that stands alone on a line between the first and the last, if no other letter does."""
    alone: dict[frozenset[str], int] = {}
    start = 0
    for line in text.splitlines():
        if len(line) < _MAX_LETTER_LINE and (stated := whole_answer(line, question))[0] == "whole_letter":
            alone.setdefault(stated[1], start)
        start += len(line) + 1
    if len(alone) != 1:
        return None
    [(letters, start)] = alone.items()
    if len(letters) != 1 or is_list_item(text, start, min(letters), False, lines):
        return None
    return "whole_letter", letters, start


def answers_to_several_questions(text: str, question: Question) -> frozenset[str]:
    """Return the letters of a text that ends with different answers to several questions or cases; else none."""
    answers: dict[str, frozenset[str]] = {}
    end = 0
    for case in _CASE.finditer(text):
        value = question.value_at(text, case.end())
        if value and _CASE_END.match(text, value.end):
            answers[case["case"].lower()] = value.letters
            end = value.end
    letters = frozenset().union(*answers.values())
    is_apart = len(answers) > 1 and len(letters) > 1 and not text[end:].strip(" .)]\"'\n")
    return letters if is_apart else frozenset()


def is_list_item(text: str, start: int, letter: str, has_text: bool, lines: list[Item]) -> bool:
    """Tell whether the option at ``start`` is an item of a list: it follows the item before or is the first item."""
    before = [item for item in lines if item.start < start]
    if before:
        last = before[-1]
        return last.letter == chr(ord(letter) - 1) and letter not in {item.letter for item in before}
    line_start = text.rfind("\n", 0, start) + 1
    labels = [label[1].upper() for label in LABEL.finditer(text, line_start, start)]
    if labels:
        return has_text and labels[-1] == chr(ord(letter) - 1) and letter not in labels
    if letter != "A":
        return False
    is_echo = _ASKS.search(text, max(0, start - 200), start)
    before_line = text[max(0, start - 200) : start].rstrip(_NUMBERING).rpartition("\n")[2]
    starts_line = line_start > 0 and not text[line_start:start].strip(_NUMBERING)
    is_header = (starts_line and before_line.endswith(":")) or _ANNOUNCES.search(before_line) is not None
    is_announced = is_header and _ANSWERS.search(before_line) is None
    return is_announced or is_echo is not None or _OPTIONS.search(before_line) is not None
