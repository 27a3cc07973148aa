"""The forms in which a response states its answer, in the order of their strength.

Each row of `FORMS` is a regular expression (verbose, in any case) in which ``@`` stands for the value: a letter, an
option's own text, or both. A row says how strong a statement it makes: among statements that differ, a later and
stronger one replaces an earlier one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

# Strengths. The whole response as an answer needs none: nothing else is there.
SENTENCE, CONCLUSION, MARK = 1, 2, 3


@dataclass(frozen=True)
class Form:
    """One way to state an answer.

    Attributes:
        name: what the form is called.
        strength: `SENTENCE`, `CONCLUSION` or `MARK`.
        pattern: where ``@`` stands first, the value is looked for before the rest, else after what comes first.
        example: a text of this form that states B, of the options platelet, basophil.
        takes: whether the value may be any, must hold a ``letter``, or must be a letter with its text (``both``).
        starts_clause: whether a clause must start where the form does.
        closes: whether the value ends the response, so that it must not be the last item of a list.
        noun_phrase: whether the form starts with a noun phrase, which words outside it must not qualify.
    """

    name: str
    strength: int
    pattern: str
    example: str
    takes: Literal["any", "letter", "both"] = "any"
    starts_clause: bool = False
    closes: bool = False
    noun_phrase: bool = False


# What may qualify an answer. Other words, such as `eliminated`, `other` or `first`, make it another thing.
_ADJECTIVE = (
    r"(?:the|my|our|your|this|its|correct|right|best|final|most|more|likely|probable|appropriate|accurate|suitable|fitting"
    r"|single|only|actual|true|proper|chosen|selected|overall|preferred|corrected|revised|closest|model's|expected|predicted"
    r"|definitive|ultimate|matching|own|one)"
)
_NOUN = r"(?:answer|option|choice|selection|letter|pick|match|fit|statement|alternative|solution)"
_TO_WHAT = r"(?:\ (?:to|for|of|in|here|that|which|among|based|from)\b[^.,;:!?\n]{0,60}?)?"
_LABEL = (
    r"(?:(?:final|correct|best|right|my|chosen|selected|predicted|corrected|revised|overall|most\ likely|the)[\ _]){0,4}"
    r"(?:answer|ans|option|choice|selection|letter|response|pick|solution|verdict|decision|conclusion|diagnosis|prediction"
    r"|classification|result|final|correct|determination)"
)
_BE = r"(?:(?:is|remains|stays|becomes|(?:would|should|must|will|has\ to|can\ only)\ be|(?:appears|seems)\ to\ be)\b)"
_IS = rf"(?:(?:\ {_BE}|'s\b)(?:\ ?[:-])?|\ ?(?:[:=]|-{{1,2}}>?|=>)(?=[\s(\[\"'A-Za-z]))"
_SURELY = (
    r"(?:(?:(?:the\ )?(?:most\ |very\ |quite\ )?(?:likely|probably|probable)|clearly|definitely|certainly|obviously|therefore"
    r"|thus|indeed|simply|hence|surely|in\ fact|then|still|now|undoubtedly|almost\ certainly|again|actually"
    r"|(?:the\ )?(?:option|choice|letter|answer)(?:\ (?:labell?ed|marked))?),?:?\s){0,3}"
)
_THEREFORE = (
    r"(?:therefore|thus|hence|so|consequently|accordingly|in\ conclusion|conclusion|in\ summary|finally|ultimately|overall"
    r"|i\.e\.|ergo|also|daher|deshalb|somit|folglich|donc|ainsi|por\ (?:lo\ )?tanto|portanto|quindi|dunque|entonces"
    r"|因此|所以|故|综上(?:所述)?|よって|したがって|従って|ゆえに|따라서|그러므로|следовательно|значит)"
)
# Where a statement ends, or its reason starts.
_END = (
    r"(?=[\s\"')\]}>]{0,4}(?:[.,;:!\n。、]|\Z|\ ?[(\[-]|\ (?:because|since|as|due|given|for|based|here|in\ this|with|and\ not|not"
    r"|rather|weil|da|denn|car|porque|pois|perché)\b))"
)
_CORRECT = r"(?:(?:most|clearly|definitely|indeed|also|only)\ )?(?:correct|right|true)"

FORMS: tuple[Form, ...] = (
    # --- marks: the place that a prompt or a format keeps for the answer ---
    Form("double brackets", MARK, r"\[\[@\ ?\]\]", "[[B]]"),
    Form("open answer tag", MARK, r"<(?:final_?)?answer>\s?@(?=\W*\Z)", "<answer>B"),
    Form(
        "key of an object",
        MARK,
        r"""["'](?:(?:final|correct|best|my|selected|chosen|predicted|the)?[\ _]?(?:answer|option|choice|letter|prediction
        |selection|response|label)(?:[\ _](?:letter|choice|option|key))?)["']\s?[:=]\s?[\[{]?\s?
        (?:["']\w{1,10}["']\s?:\s?)?(?=["'])@""",
        '{"answer": "B"}',
    ),
    Form("final answer", MARK, rf"\bfinal\ (?:answer|choice|decision|selection|verdict){_TO_WHAT}{_IS}\s?{_SURELY}@", "Final answer: B"),
    # --- conclusions: labels, and words that close an argument ---
    Form(
        "label",
        CONCLUSION,
        rf"\b{_LABEL}[\])]?(?:\ ?(?:[:=]|-{{1,2}}>?|=>)|(?<=answer)\n|(?<=conclusion)\n|(?<=verdict)\n)\s?{_SURELY}@",
        "Answer: B",
        starts_clause=True,
    ),
    Form("therefore", CONCLUSION, rf"\b{_THEREFORE}[,:]?\ (?:(?:it|this|that)(?:\ is|'s)\ )?{_SURELY}@{_END}", "Hence B."),
    Form("arrow", CONCLUSION, r"[-=]>\ ?@(?=\W*\Z)", "Dark granules => B", closes=True),
    Form("closing letter", CONCLUSION, r"(?<=[.!?])(?<!\bfig.)(?<!\bcf.)(?<!\bvs.)\ @(?=\W*\Z)", "The granules are dark. B", "letter", closes=True),
    Form("closing comma", CONCLUSION, r",\ @(?=\W*\Z)", "As the rest is excluded, B) basophil.", "both", closes=True),
    Form("closing colon", CONCLUSION, r":\ @(?=\W*\Z)", "It is a basophil: B", "letter", closes=True),
    # --- sentences ---
    Form(
        "answer is",
        SENTENCE,
        rf"\b(?:{_ADJECTIVE},?\ ){{0,6}}{_NOUN}{_TO_WHAT}[\"']?{_IS}\s?{_SURELY}@",
        "The answer is B.",
        noun_phrase=True,
    ),
    Form(
        "it is",
        SENTENCE,
        rf"\b(?:it|this|that|which)(?:'s|\ (?:is|must\ be|should\ be|has\ to\ be|can\ only\ be|(?:appears|seems)\ to\ be))\ {_SURELY}@{_END}",
        "It's B.",
        "letter",
    ),
    Form(
        "statement that is",
        SENTENCE,
        rf"\b(?:{_ADJECTIVE},?\ ){{1,6}}{_NOUN}\ (?:that|which)\b[^.,;:!?\n]{{1,80}}\ is:?\ {_SURELY}@{_END}",
        "The option that fits best is B.",
        noun_phrase=True,
    ),
    Form("named as", SENTENCE, rf"\b(?:is|'s|to\ be|shows|represents|depicts)\ {_SURELY}:?\s?@", "The cell is B) basophil.", "both"),
    Form(
        "I choose",
        SENTENCE,
        rf"\b(?:I|we)(?:'d|'ll|'m|'ve|\ (?:am|would|will|have|must|can|do|should))?(?:\ (?:therefore|thus|then|still|now|hereby))?\ (?:choose|chose|select(?:ed)?"
        rf"|pick(?:ed)?|go(?:ing)?\ (?:with|for)|say|answer|vote\ for|opt\ for|settle\ on|conclude|meant?|stick\ with|decide\ (?:on|for)"
        rf"|think|believe)\ (?:that\ )?(?:it(?:'s|\ is)\ )?{_SURELY}@{_END}",
        "I would go with B.",
    ),
    Form("change to", CONCLUSION, rf"\b(?:chang|correct|revis)(?:e|ed|ing)\ (?:my\ answer|it|that|this)\ (?:to|as)\ {_SURELY}@{_END}", "I change my answer to B."),
    Form(
        "is correct",
        SENTENCE,
        rf"@[\s,]{{0,2}}(?:\ (?:is|must\ be|remains)|'s)\ (?:{_SURELY}(?:(?:the|my|our)\ (?:{_ADJECTIVE},?\ ){{0,5}}answer\b"
        rf"|(?:the|my|our)\ (?:{_ADJECTIVE},?\ ){{1,5}}(?:option|choice|one|match|fit|pick|selection|diagnosis|letter)\b"
        rf"|(?:the\ )?{_CORRECT}\b(?!-|\ (?:about|in|to|that|if)\b)(?:\ (?:option|choice|one|answer))?))(?!\ (?:only\ )?if\b)",
        "B is the correct answer.",
    ),
    Form("fits best", SENTENCE, r"@\ (?:(?:best|most\ closely)\ (?:fits|matches|describes|corresponds)|(?:fits|matches)\ best)\b", "Option B fits best.", "letter"),
    Form(
        "remains",
        SENTENCE,
        rf"\b(?:leav(?:es|ing)|left\ with|remain(?:s|ing)\ (?:is|option\ is)|only\ possibility\ is)\ (?:us\ with\ |only\ )*{_SURELY}@{_END}",
        "That leaves B.",
    ),
    Form("only remains", SENTENCE, r"\bonly\ @\ (?:remains|is\ left|fits|is\ possible)", "Only B remains.", "letter"),
    Form(
        "corresponds to",
        SENTENCE,
        rf"\b(?:(?:corresponds?\ to|matches|points?\ to|leads?\ to|is)\ (?:the\ )?(?:option|answer|choice)|{_THEREFORE}[^.;\n]{{0,60}}\b(?:points?|leads?|corresponds?)\ to)\ @{_END}",
        "This corresponds to option B.",
        "letter",
    ),
    Form(
        "with an adverb",
        SENTENCE,
        rf"\b(?:probably|most\ likely|likely|clearly|definitely|certainly|surely|yes|no\ doubt|obviously),?\ (?:it(?:'s|\ is)\ )?@(?=[\"')\].!]{{0,4}}(?:\n|\Z|\ [A-Z]))",
        "Most likely B.",
        "letter",
        starts_clause=True,
    ),
)
# A place whose whole content is read: in LaTeX, as a tag, or between GLM's box tokens.
BOXES = re.compile(
    r"\\f(?:rame)?box ?\{(?P<fbox>(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+)\}"
    r"|\\boxed ?\{(?P<boxed>(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+)\}"
    r"|<(?P<tag>(?:final_?)?answer|conclusion|choice|option|output|solution)>(?P<tagged>[^<>]*+(?:<\|?\w+\|?>[^<>]*+</?\|?\w+\|?>[^<>]*+)?)</(?P=tag)>"
    r"|<\|begin_of_(?:box|solution)\|>(?P<token>[^<>]*+)<\|end_of_(?:box|solution)\|>",
    re.IGNORECASE,
)
