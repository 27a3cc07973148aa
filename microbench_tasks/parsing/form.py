"""What a form of a statement is: a pattern, its strength and its conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Strengths. The whole response as an answer needs none: nothing else is there.
SENTENCE, CONCLUSION, MARK = 1, 2, 3


@dataclass(frozen=True)
class Form:
    """One way to state an answer.

    Attributes:
        name: what the form is called.
        strength: `SENTENCE`, `CONCLUSION` or `MARK`.
        pattern: where ``@`` stands first, the value is looked for before the rest, else after what comes first.
        example: a text of this form that states B, of the options platelet, basophil.
        needs: words of which a text in this form contains one, in lower case; without it, any text is searched.
        takes: whether the value may be any, must hold a ``letter``, or must be a letter with its text (``both``).
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
