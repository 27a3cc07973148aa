"""Reduce responses and options to plain text: fold compatibility characters, remove markup and extra spaces."""

from __future__ import annotations

import re
import unicodedata

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
    | {"→": "->", "⇒": "=>", "➡": "->", "∴": "so ", "…": "..."}
    | dict.fromkeys("\u00ad\u200b\ufe0f\ufeff")
)
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


def plain(text: str) -> str:
    """Fold ``text`` with NFKC, and remove markdown, LaTeX styles, HTML and empty lines.

    >>> plain("## **Answer:**   $\\\\mathbf{Ｂ}$")
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
    unmarked = (line[_LINE_MARKS.match(line).end() :] for line in lines)
    return "\n".join(line for line in unmarked if line)


def trimmed(text: str) -> str:
    """Strip punctuation and check marks from both ends of ``text``."""
    return text.strip(" \n.,;:!\"'✅✔☑👍🔬")
