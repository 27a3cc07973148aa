"""Tokens of text that contains boxes as numbers: brackets, keys, numbers, strings, tags and comments."""

from __future__ import annotations

import re

_DECIMAL = r"[-+]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?"
_NUMBER = rf"(?:{_DECIMAL}|[-+]?(?i:nan|inf(?:inity)?)\b)"
_TAG = r"(?P<tag></?+[A-Za-z|][^<>\n]*+>)"
_ANGLED = rf"(?P<angled><\s*+{_DECIMAL}(?:[\s,]++{_DECIMAL}){{3}}\s*+>)"
# Outside brackets only the beginnings of boxes are matched; inside, every token is. A string must end on its line
# or with the text. An apostrophe inside a word is not a quotation mark.
OUTSIDE = re.compile(
    rf"""{_TAG}|{_ANGLED}|(?P<open>[\[({{])
    |(?<!\w)(?P<key>(?P<quote>["'])[^"'\n\[\](){{}}<>]*+(?P=quote))\s*+:
    |\b(?P<bare_key>[^\W\d]\w*+)\s*+:""",
    re.VERBOSE,
)
INSIDE = re.compile(
    rf"""{_TAG}|{_ANGLED}|(?P<open>[\[({{])|(?P<close>[\])}}])
    |(?P<comment>//[^\n]*+|\#[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)|(?P<fence>```)
    |(?<!\w)(?P<key>"[^"\n]*+"|'[^'\n]*+')\s*+:|(?P<bare_key>[^\W\d]\w*+)\s*+:
    |(?P<number>{_NUMBER})|(?P<quote>["'])\s*+(?P<quoted_number>{_NUMBER})\s*+(?P=quote)
    |(?<!\w)(?P<string>"[^"\n]*+(?:"|\Z)|'[^'\n]*+(?:'(?!\w)|\Z))
    |(?P<word>[^\W\d]\w*+)|(?P<cut>;)|(?P<other>[^\s,])""",
    re.VERBOSE,
)

BOX_TAGS = {
    "<box>": "</box>",
    "<bbox>": "</bbox>",
    "<|box_start|>": "<|box_end|>",
    "<|det|>": "<|/det|>",
    "<|begin_of_box|>": "<|end_of_box|>",
}
CLOSING_TAGS = frozenset(BOX_TAGS.values())
# The bracket of a group between two tags of a box.
TAG_GROUP = "<box>"
OPENING_BRACKETS = {"]": "[", ")": "(", "}": "{"}

NULLS = ("null", "none")
# A box in a string: four numbers, with or without brackets, or two points.
_POINT = rf"\(\s*+{_DECIMAL}\s*+,\s*+{_DECIMAL}\s*+\)"
STRING_OF_NUMBERS = re.compile(
    rf"\s*+(?:[\[(<]{{0,2}}\s*+{_DECIMAL}(?:[\s,;]++{_DECIMAL}){{3}}\s*+[\])>]{{0,2}}"
    rf"|\[?\s*+{_POINT}\s*+,?\s*+{_POINT}\s*+\]?)\s*+"
)


def parse_numbers(text: str) -> list[float]:
    """Read all decimal numbers of a text.

    >>> parse_numbers("(10, 2.5)")
    [10.0, 2.5]
    """
    return [float(number) for number in re.findall(_DECIMAL, text)]
