"""Wrap texts that label a plot."""

from __future__ import annotations

import re
import textwrap

# Keeps the words of a label on one line.
HARD_SPACE = "\N{NO-BREAK SPACE}"

_SPACES = re.compile(rf"[^\S{HARD_SPACE}]+")


def wrap_label(text: str, width: int = 34, max_lines: int = 5) -> str:
    """Wrap a label, but not at hard spaces; replace unprintable characters with question marks.

    Args:
        text: of the label.
        width: most characters of a line.
        max_lines: the rest is cut off, and marked with an ellipsis.

    Returns:
        The lines of the label; a space if there is nothing to show.
    """
    words = _SPACES.sub(" ", text).strip()
    printable = "".join(character if character.isprintable() or character == HARD_SPACE else "?" for character in words)
    lines = textwrap.wrap(printable, width, max_lines=max_lines, placeholder=" …", break_on_hyphens=False)
    return "\n".join(lines) or " "
