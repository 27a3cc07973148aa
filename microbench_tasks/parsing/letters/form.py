"""Define a form of statement: a pattern, its strength and its conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Strengths of statements. A response that is only an answer needs none.
SENTENCE, CONCLUSION, MARK = 1, 2, 3


@dataclass(frozen=True)
class Form:
    """Define one way to state an answer.

    Attributes:
        name: what the form is called.
        strength: `SENTENCE`, `CONCLUSION` or `MARK`.
        pattern: the words of the form. If it begins with ``@``, the value comes before them, else after them.
        example: a text of this form that states B, of the options platelet, basophil.
        needs: lower-case words; only texts with one of them are searched. If empty, every text is searched.
        takes: ``any`` value, a value with a ``letter``, or a letter with its text (``both``).
        starts_clause: whether a clause must start where the form does, `ADJECTIVES` left aside.
        noun_phrase: whether the form starts with a noun, which only `ADJECTIVES` may qualify.
        closes: whether the value ends the response; the last item of a list is none.
    """

    name: str
    strength: int
    pattern: str
    example: str
    needs: tuple[str, ...] = ()
    takes: Literal["any", "letter", "both"] = "any"
    starts_clause: bool = False
    noun_phrase: bool = False
    closes: bool = False
