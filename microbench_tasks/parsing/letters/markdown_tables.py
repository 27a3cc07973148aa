"""Read the answer from a Markdown table: a column `Answer` with one row, or a row `Answer | B`."""

from __future__ import annotations

import re

from microbench_tasks.parsing.letters.option_values import Question
from microbench_tasks.parsing.letters.phrases import ADJECTIVES
from microbench_tasks.parsing.letters.whole_response import whole_answer

# What the column or the row of an answer is called; `option` and the like head lists.
_HEADINGS = frozenset(
    [
        "answer",
        "choice",
        "selection",
        "pick",
        "prediction",
        "decision",
        "verdict",
        "conclusion",
        "response",
        "antwort",
        "réponse",
        "respuesta",
        "resposta",
        "risposta",
        "ответ",
        "答案",
        "回答",
        "答え",
        "正解",
        "정답",
        "답",
    ]
)
# What a cell of the same row says to reject it.
_DENIALS = frozenset(
    [
        "no",
        "false",
        "wrong",
        "incorrect",
        "nein",
        "falsch",
        "non",
        "faux",
        "falso",
        "错误",
        "否",
        "✗",
        "✘",
        "❌",
        "✖",
        "×",
    ]
)
_RULE = re.compile(r"\|?\s?:?-{2,}:?\s?(?:\|\s?:?-{2,}:?\s?)*\|?")


def table_answer(text: str, question: Question) -> tuple[frozenset[str], int]:
    """Return the letters that the tables in plain ``text`` state as the answer, and where the last one starts."""
    letters: frozenset[str] = frozenset()
    position, start, rows = 0, 0, []
    for line in (*text.splitlines(), ""):
        if "|" in line:
            rows.append(line)
        elif rows:
            letters, start = letters | _stated(rows, question), position
            rows = []
        position += len(line) + 1
    return letters, start


def _stated(lines: list[str], question: Question) -> frozenset[str]:
    """Return the letters that one table states: several contradict one another."""
    ruled = any(_RULE.fullmatch(line) for line in lines)
    rows = [_cells(line) for line in lines if not _RULE.fullmatch(line)]
    if not ruled or not rows:
        return frozenset()
    pairs = [row[1] for row in rows if len(row) == 2 and _is_heading(row[0])]
    letters = frozenset().union(*(whole_answer(cell, question)[1] for cell in pairs))
    if letters or len(rows) != 2 or len(rows[0]) != len(rows[1]) or not _DENIALS.isdisjoint(map(str.casefold, rows[1])):
        return letters
    answers = [cell for heading, cell in zip(*rows, strict=True) if _is_heading(heading)]
    return frozenset().union(*(whole_answer(cell, question)[1] for cell in answers))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]


def _is_heading(cell: str) -> bool:
    words = cell.casefold().rstrip(":").split()
    return bool(words) and words[-1] in _HEADINGS and ADJECTIVES.issuperset(words[:-1])
