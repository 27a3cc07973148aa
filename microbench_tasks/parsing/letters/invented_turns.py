"""Find where a response continues with a new question that the model invents after its answer."""

from __future__ import annotations

import re

_SPEAKERS = "user|human|用户|用戶|ユーザー"
_QUESTIONS = (
    "question|q|instruction|exercise|frage|aufgabe|pregunta|pergunta|domanda|вопрос|fråga|spørgsmål|spørsmål|vraag"
    "|pytanie|soru|问题|題目|题目|問題|质问|質問|질문"
)
_MAX_TURNS = 3
_MAX_LABEL = 40
_END = r"[ *_]{0,4}(?:[:：.】\]]|\Z)"
# A new question stands after an empty line, or has a number or a speaker; else it may be the same one again.
_NEW_TURN = re.compile(rf"(?:{_SPEAKERS}|(?:(?:next|new)\ )?(?:{_QUESTIONS})\ ?\#?\d{{1,3}}){_END}", re.I | re.X)
_NEW_TURN_AFTER_GAP = re.compile(rf"(?:(?:next|new|another|follow-?up)\ )?(?:{_QUESTIONS}){_END}", re.I | re.X)
# `Q2: B` answers a question; it asks none.
_ANSWERS = re.compile(r"[ *_]{0,4}[(\[]?[A-H][)\].*_]{0,4}\Z", re.IGNORECASE)


def new_turns(text: str) -> list[int]:
    r"""Return where the first lines of ``text`` stand that start a new question.

    >>> new_turns("A\n\nQuestion: Which stain was used?\nAnswer: C")
    [3]
    """
    starts, position, after_gap = [], 0, False
    for line in text.splitlines(keepends=True):
        label = line.strip().lstrip("#>*_【[ ")
        turn = _NEW_TURN.match(label) or (after_gap and _NEW_TURN_AFTER_GAP.match(label))
        if turn and position and not _ANSWERS.match(label[:_MAX_LABEL], turn.end()):
            starts.append(position)
            if len(starts) == _MAX_TURNS:
                break
        after_gap = not label
        position += len(line)
    return starts
