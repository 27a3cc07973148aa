"""Make untrusted text harmless on a terminal, on a page, in a spreadsheet, or in one line of Markdown."""

from __future__ import annotations

import re
import unicodedata

# Unicode categories: controls, formats (which change the direction of writing), surrogates, private use, unassigned,
# separators of lines.
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
# Characters of other categories that are drawn as nothing: joiners, fillers of syllables, inherent vowels, variation
# selectors, the blank Braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# Spreadsheets take a text that starts with one of them for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@")
_MARKUP = re.compile(r"([\\`*\[\]<>(){}#!|~$&@:^=+\"']|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.)", re.IGNORECASE)


def printable_line(text: str) -> str:
    """Return ``text`` on one line, with characters that are invisible or reverse the text replaced."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    r"""Replace unprintable characters in ``text``, except line breaks and tabs.

    >>> printable("\x1b[2Jcell\u202e")
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
    """Return a key that is equal for texts that a reader cannot tell apart.

    Invisible characters are replaced as in `printable_line`, wide and other forms of a letter by that letter, and
    white space by one space.
    """
    return " ".join(unicodedata.normalize("NFKC", printable_line(text)).split())


def markdown_text(text: str) -> str:
    """Escape ``text`` for a line or a table cell of Markdown: it makes no markup, link, HTML or further cell."""
    return _MARKUP.sub(r"\\\1", printable_line(text))


def markdown_code(text: str) -> str:
    """Escape ``text`` for use between backticks in a table cell of Markdown."""
    return printable_line(text).replace("`", "'").replace("|", "\\|")


def csv_text(text: str) -> str:
    """Escape text so that no spreadsheet reads it as a formula."""
    shown = printable_line(text)
    # Spreadsheets also accept full-width forms of these characters.
    return f"'{shown}" if unicodedata.normalize("NFKC", shown).lstrip().startswith(_FORMULA_STARTS) else shown
