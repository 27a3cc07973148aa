"""Reduce responses and options to plain text: fold compatibility characters, remove markup and extra spaces."""

from __future__ import annotations

import re
import unicodedata

from microbench_tasks.parsing.matching import end_of_match

# Short pieces, since NFKC takes quadratic time for long runs of accents. Arabic ligatures of whole phrases are left
# out, since NFKC makes them 18 times as long.
_NOT_ASCII = re.compile(r".?[^\x00-\x7f\ufdf0-\ufdff]{1,64}")
# Quotation marks, brackets, hyphens, dashes and arrows that NFKC does not unify, and invisible characters.
_TYPOGRAPHY = str.maketrans(
    dict.fromkeys("‘’", "'")
    | dict.fromkeys("“”„«»", '"')
    | dict.fromkeys("【「『〔〖", "[")
    | dict.fromkeys("】」』〕〗", "]")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
    | {"→": "->", "⇒": "=>", **dict.fromkeys("➡👉☞⟶⮕▶", "->"), "∴": "so ", "…": "..."}
    | dict.fromkeys("\u00ad\u200b\u20e3\ufe0f\ufeff\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
)
# Boxed letters (emoji) stand for words, not for options.
_FIRST_BOXED, _LAST_BOXED = "\U0001f130", "\U0001f1ff"
# Symbols that call an option right or wrong; all other symbols at the ends of a line are ornaments.
_JUDGING = frozenset("✓✔✅☑○◯✗✘❌✖×☒🚫⛔👎🙅❎❓❔⚠🛑🤷")
_LATEX_COMMAND = re.compile(
    r"\\(?:(?:text|math)(?:bf|it|rm|sf|tt|normal|bb|cal|up)?|operatorname\*?|mbox|hbox|bm|boldsymbol|underline|emph)"
    r"(?= ?\{)"
    r"|\\(?:rm|bf|it|sf|tt|large|Large|displaystyle|left|right)(?![A-Za-z]) ?"
)
_LATEX_SPACE = re.compile(r"\\(?:q?quad(?![A-Za-z])|[,;:! ])")
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~|<(del|strike)>[^<\n]{1,200}</\1>", re.IGNORECASE)
_HTML_BLOCK = re.compile(
    r"</?(?:p|div|li|ul|ol|br|hr|h[1-6]|tr|table|center|details|summary|section)\s?/?>",
    re.IGNORECASE,
)
_HTML_INLINE = re.compile(r"</?(?:b|i|u|em|strong|span|code|pre|mark|small|sub|sup|tt|td|th)\s?>", re.IGNORECASE)
# Emphasis, code and mathematics; an underscore inside a word belongs to the word.
_MARKS = re.compile(r"[*`$]+|(?<![^\W_])_+|_+(?![^\W_])|\\[()\[\]]")
# Headings, quotations and lists.
_LINE_MARKS = re.compile(r"(?:[#>•+-]+ )*")


def to_plain_text(text: str) -> str:
    r"""Fold ``text`` with NFKC, and remove markdown, LaTeX styles, HTML and empty lines.

    >>> to_plain_text("## **Answer:**   $\\mathbf{Ｂ}$")
    'Answer: {B}'
    """
    text = _NOT_ASCII.sub(lambda run: unicodedata.normalize("NFKC", run[0].translate(_TYPOGRAPHY)), text)
    if "\\" in text:
        text = _LATEX_SPACE.sub(" ", _LATEX_COMMAND.sub("", text))
    if "<" in text or "~~" in text:
        text = _HTML_BLOCK.sub("\n", _STRUCK.sub("", text))
        # A lone <B> is a letter.
        text = _HTML_INLINE.sub("", text) if "</" in text else text
    lines = (" ".join(line.split()) for line in _MARKS.sub("", text).splitlines())
    unmarked = (_without_ornaments(line[end_of_match(_LINE_MARKS, line) :]) for line in lines)
    return "\n".join(line for line in unmarked if line)


def _is_ornament(character: str) -> bool:
    is_symbol = character >= "\u2190" and unicodedata.category(character) == "So"
    return is_symbol and character not in _JUDGING and not _FIRST_BOXED <= character <= _LAST_BOXED


def _without_ornaments(line: str) -> str:
    """Remove emoji and other symbols from both ends of a line."""
    start, end = 0, len(line)
    while start < end and _is_ornament(line[start]):
        start += 1
    while start < end and _is_ornament(line[end - 1]):
        end -= 1
    return line[start:end].strip() if (start, end) != (0, len(line)) else line


def strip_punctuation(text: str) -> str:
    """Strip punctuation and check marks from both ends of ``text``."""
    return text.strip(" \n.,;:!\"'✅✔☑👍🔬")
