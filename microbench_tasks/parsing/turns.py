"""Find where a response goes on with a new question that the model invents after its answer."""

from __future__ import annotations

import re

_NAMES = (
    *("question", "q", "user", "human", "instruction", "exercise", "frage", "aufgabe"),
    *("pregunta", "pergunta", "domanda", "вопрос", "fråga", "spørgsmål", "spørsmål", "vraag", "pytanie", "soru"),
    *("问题", "題目", "题目", "問題", "质问", "質問", "질문", "用户", "用戶", "ユーザー"),
)
_MAX_TURNS = 3
# A line that names a speaker or a question; what follows on it is no answer (`Q2: B`).
_NEW_TURN = re.compile(
    rf"\n\[?(?:(?:next|new|another|follow-?up)\ )?(?:{'|'.join(_NAMES)})(?:\ ?\#?\d{{1,3}})?\ ?\]?(?:[:.]|(?=\n|\Z))"
    r"(?!\s?[(\[]?[A-H][)\].]{0,2}(?:\n|\Z))",
    re.IGNORECASE | re.VERBOSE,
)


def new_turns(text: str) -> list[int]:
    """Where the first lines of plain ``text`` stand that start a new question.

    >>> new_turns("A\\nQuestion: Which stain was used?\\nAnswer: C")
    [1]
    """
    return [turn.start() for _, turn in zip(range(_MAX_TURNS), _NEW_TURN.finditer(text))]
