"""Print names with texts beside them, within the width of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator

WIDTH = 80
_GAP = 2


def two_columns(
    rows: Iterable[tuple[str, str]], indent: int = 2, name_width: int = 0, unwrapped: Collection[str] = ()
) -> Iterator[str]:
    r"""Yield lines with a name at the left and its text, wrapped, at the right; a long name has a line of its own.

    Args:
        rows: names and texts.
        indent: spaces before the names.
        name_width: of the column of names; by default that of the longest name.
        unwrapped: names whose text stays on one line, such as a command to copy.

    >>> print("\n".join(two_columns([("clip", "a model"), ("openclip", "another one")])))
      clip      a model
      openclip  another one
    """
    rows = list(rows)
    width = name_width or max((len(name) for name, _ in rows), default=0)
    margin = " " * (indent + width + _GAP)
    for name, text in rows:
        # Names of models, paths and addresses are not broken, at hyphens or elsewhere: they are to be copied.
        width_left = len(text) + 1 if name in unwrapped else WIDTH - len(margin)
        lines = textwrap.wrap(text, width_left, break_on_hyphens=False, break_long_words=False) or [""]
        if len(name) > width:
            yield f"{' ' * indent}{name}"
        else:
            lines[0] = f"{' ' * indent}{name.ljust(width + _GAP)}{lines[0]}".rstrip()
            yield lines.pop(0)
        yield from (f"{margin}{line}" for line in lines)
