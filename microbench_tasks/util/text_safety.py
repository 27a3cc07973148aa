"""Make untrusted text harmless on a terminal, on a page, or in one line of Markdown."""

from __future__ import annotations

import re
import unicodedata

# Of Unicode: controls, formats (which turn the direction of writing), surrogates, private use, unassigned, separators of lines.
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
# Of other categories, and drawn as nothing: joiners, fillers of syllables, inherent vowels, variation selectors, the blank Braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_MARKUP = re.compile(r"([\\`*\[\]<>(){}#!|~$&@:^=+\"']|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.)", re.IGNORECASE)


def printable_line(text: str) -> str:
    """``text`` on one line, with what cannot be seen, or would turn the text around, made visible."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Replace unprintable characters in ``text``, except line breaks and tabs.

    >>> printable("\\x1b[2Jcell\\u202e")
    '\ufffd[2Jcell\ufffd'
    """
    return "\n".join(_replace_unprintable(line) for line in text.split("\n"))


def _replace_unprintable(line: str) -> str:
    # A fast path for most lines.
    if line.isprintable() and not _INVISIBLE.search(line):
        return line
    return "".join(
        character if character == "\t" or _is_printable(character) else "\N{REPLACEMENT CHARACTER}"
        for character in line
    )


def _is_printable(character: str) -> bool:
    return unicodedata.category(character) not in _UNPRINTABLE and not _INVISIBLE.match(character)


def confusable_key(text: str) -> str:
    """What texts have in common that a reader cannot tell apart: `printable_line`, wide and other forms of a letter as that letter, white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", printable_line(text)).split())


def markdown_text(text: str) -> str:
    """``text`` for a line or a cell of a table: no markup, link, HTML or further cell comes of it."""
    return _MARKUP.sub(r"\\\1", printable_line(text))


def markdown_code(text: str) -> str:
    """``text`` for within backticks in a cell of a table."""
    return printable_line(text).replace("`", "'").replace("|", "\\|")
