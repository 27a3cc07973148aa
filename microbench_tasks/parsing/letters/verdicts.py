"""Read lists and tables that judge each option: `A) platelet: incorrect`, `B) basophil: correct`."""

from __future__ import annotations

import re

from microbench_tasks.parsing.letters.option_values import Question
from microbench_tasks.parsing.matching import end_of_match

_GOES_ON = r"(?=\W*\Z|\s?[.,;:!|)(\-✓]|\ (?:because|since|as|answer|option|choice|one|here)\b|[、。])"
_CORRECT = re.compile(
    rf"(?:(?:this|it|that)\ is\ )?(?:(?:the|a)\ )?(?:correct|right|richtig|korrekt|correcte|correct[ao]|certa"
    rf"|corretta|giusta|正确|正確|正しい|正解|맞음)"
    rf"(?:\ (?:answer|option|choice|one))?{_GOES_ON}",
    re.IGNORECASE | re.VERBOSE,
)
# Weaker: a feature may be true of several options, so all options must be judged.
_YES = re.compile(rf"[✓✔✅☑○◯]|(?:yes|true|ja|vrai|oui|sí|verdadero|对|是|はい){_GOES_ON}", re.IGNORECASE | re.VERBOSE)
_NO = re.compile(
    r"(?:(?:this|it|that)\ is\ )?(?:no|not|false|incorrect|wrong|does\ not|doesn't|falsch|nein|faux|fausse"
    r"|incorrect\w*|non|falso|errada|错误|错"
    r"|不正确|不对|否|誤り|いいえ|아니)\b|[✗✘❌✖×☒]",
    re.IGNORECASE | re.VERBOSE,
)
_BULLET = re.compile(r"(?:\d{1,2}[.)]\s|[-•*|]\s?)?")
_MARK_FIRST = re.compile(r"(?:(?P<good>[✓✔✅☑])|(?P<bad>[✗✘❌✖×]))\s?")
_MARK_LAST = re.compile(r"(?:(?P<good>[✓✔✅☑○◯])|(?P<bad>[✗✘❌✖×☒]))\W*\Z")
_SEPARATOR = re.compile(r"[\s:,;.>\-=\"')\]|]*")
_CORRECT_LAST = re.compile(
    r"(?:<-|<=|←|-|\()\s?(?:this\ is\ )?(?:the\ )?correct(?:\ (?:answer|option|choice|one))?\W*\Z",
    re.IGNORECASE | re.VERBOSE,
)


def judged_correct(text: str, question: Question) -> tuple[frozenset[str], int]:
    """Return the letters that a list of judged options declares correct, and where the list ends.

    One option must be declared correct and another one not. Words that may describe a feature (`yes`, `true`) count
    only where every option is judged.
    """
    correct: set[str] = set()
    yes: set[str] = set()
    no: set[str] = set()
    end, position, heading = 0, 0, ""
    read: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        if line not in read:
            read[line] = _judged(line, question)
        letter, judged = read[line]
        if heading and not letter:
            # The verdict on an option that stands alone on the line before.
            letter, judged, heading = heading, _verdict_of(line, 0), ""
        else:
            heading = letter if not judged else ""
        if judged:
            {"correct": correct, "yes": yes, "no": no}[judged].add(letter)
            end = position + len(line)
        position += len(line) + 1
    if yes and len(correct | yes | no) == len(question.letters):
        correct |= yes
    return (frozenset(correct) if no - correct else frozenset()), end


def _judged(line: str, question: Question) -> tuple[str, str]:
    """Return the option that a line is about, and its verdict; empty without one."""
    start = end_of_match(_BULLET, line)
    mark = _MARK_FIRST.match(line, start)
    value = question.value_at(line, mark.end() if mark else start)
    if value is None or len(value.letters) != 1:
        return "", ""
    letter = min(value.letters)
    if mark:
        return letter, "yes" if mark["good"] else "no"
    remark = line[value.end :]
    if line.startswith("|"):
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        judging = [cell for cell in cells[1:] if len(cell.split()) < 3 and _verdict_of(cell, 0)]
        remark = (judging or cells)[-1] if len(cells) > 1 else ""
    start = end_of_match(_SEPARATOR, remark)
    if _CORRECT_LAST.search(remark) and not _NO.match(remark, start):
        return letter, "correct"
    judged = _verdict_of(remark, start)
    if not judged and (mark := _MARK_LAST.search(remark)):
        judged = "yes" if mark["good"] else "no"
    return (letter, judged) if judged or not remark[start:] else ("", "")


def _verdict_of(remark: str, start: int) -> str:
    """Return the verdict of the words at ``start``: ``correct``, ``yes``, ``no`` or empty."""
    if _NO.match(remark, start):
        return "no"
    if _CORRECT.match(remark, start):
        return "correct"
    return "yes" if _YES.match(remark, start) else ""
