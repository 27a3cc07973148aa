"""Define a section of a report before its plots are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from microbench_tasks.render.figure_specs import FigureSpec
from microbench_tasks.render.page_content import Gallery, Table

SUBJECT_NAMES = {
    "coarse": "coarse questions",
    "fine": "fine questions",
    "cognition": "cognition questions",
}


@dataclass(frozen=True)
class FoldedParts:
    """Hold parts of a section that readers open if they want; ``about`` is said beside the title."""

    title: str
    parts: Sequence[Part]
    about: str = ""


Part = FigureSpec | Table | Gallery | FoldedParts


@dataclass(frozen=True)
class ReportSection:
    """Hold a section of the page; blank lines in ``text`` separate paragraphs."""

    title: str
    parts: Sequence[Part]
    text: str = ""


def flat_parts(parts: Iterable[Part]) -> Iterator[FigureSpec | Table | Gallery]:
    """Yield all parts in their order, those that are folded as well."""
    for part in parts:
        if isinstance(part, FoldedParts):
            yield from flat_parts(part.parts)
        else:
            yield part


def file_name(*words: str) -> str:
    """Join words to the name of a file: lower-case ASCII letters, digits and hyphens."""
    text = "-".join(words).lower()
    return "".join(character if character.isascii() and character.isalnum() else "-" for character in text)
