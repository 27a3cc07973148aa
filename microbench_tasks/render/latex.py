"""Escape text for LaTeX."""

from __future__ import annotations

import re

from microbench_tasks.util.text_safety import printable_line

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    # A bracket after \\ would be read as its argument.
    "[": "{[}",
    "]": "{]}",
    "\N{MINUS SIGN}": "$-$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{EN DASH}": "--",
} | {character: f"\\{character}" for character in "&%$#_{}"}
# The sign of a number, not a hyphen within a word or between numbers.
_SIGN = re.compile(r"(?<![\w.])[+-](?=\d)")


def latex_text(text: str) -> str:
    r"""Escape ``text`` for one line of LaTeX in text mode; signs of numbers become those of mathematics.

    >>> print(latex_text("a_b & 5 %"))
    a\_b \& 5 \%
    >>> print(latex_text("-1.50 [+0.20]"))
    $-$1.50 {[}$+$0.20{]}
    """
    escaped = "".join(_ESCAPED.get(character, character) for character in printable_line(text))
    return _signs(escaped)


def _signs(text: str) -> str:
    """Set the sign of a number as in mathematics: a hyphen before a digit would be too short."""
    return _SIGN.sub(lambda match: f"${match.group()}$", text)
