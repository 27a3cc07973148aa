"""Write the page of a benchmark: a table, and a page that says how it was made."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import scipy


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(title: str, command: str, reading: str, sections: Iterable[str]) -> str:
    """A page of results that says how it was made."""
    versions = (
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}; "
        f"{date.today().isoformat()}."
    )
    return "\n\n".join([f"# {title}", f"`{command}`, {versions}", reading, *sections]) + "\n"
