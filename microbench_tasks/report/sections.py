"""Define a section of a report before its plots are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from microbench_tasks.render.figure_specs import FigureSpec
from microbench_tasks.render.pages import Gallery, Table

SUBJECT_NAMES = {
    "coarse": "coarse questions",
    "fine": "fine questions",
    "cognition": "cognition questions",
}

Part = FigureSpec | Table | Gallery


@dataclass(frozen=True)
class ReportSection:
    """Hold a section of the page; blank lines in ``text`` separate paragraphs."""

    title: str
    parts: Sequence[Part]
    text: str = ""


def file_name(*words: str) -> str:
    """Join words to the name of a file: lower-case ASCII letters, digits and hyphens."""
    text = "-".join(words).lower()
    return "".join(character if character.isascii() and character.isalnum() else "-" for character in text)
