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
        needs: words of which a text in this form contains one, in lower case; without it, any text is searched.
        takes: whether the value may be any, must hold a ``letter``, or must be a letter with its text (``both``).
        starts_clause: whether a clause must start where the form does, `ADJECTIVES` left aside.
        noun_phrase: whether the form starts with a noun, which only `ADJECTIVES` may qualify.
        closes: whether the value ends the response; the last item of a list is none.
    """

    name: str
    strength: int
    pattern: str
    example: str
    needs: tuple[str, ...] = ()
    takes: Literal["any", "letter", "both"] = "any"
    starts_clause: bool = False
    noun_phrase: bool = False
    closes: bool = False


# What may qualify an answer. Other words, such as `eliminated`, `other` or `first`, make it another thing.
DETERMINERS = frozenset("the my our your this its".split())
ADJECTIVES = DETERMINERS | frozenset(
    """correct right best final most more likely probable appropriate accurate suitable fitting single only actual true
    proper chosen selected overall preferred corrected revised closest model's expected predicted definitive ultimate
    matching own supported fitted suited""".split()
)
_ADJECTIVE = f"(?:{'|'.join(sorted(ADJECTIVES))})"
_NOUNS = ("answer", "option", "choice", "selection", "letter", "pick", "match", "fit", "statement", "alternative")
_NOUNS += ("solution", "diagnosis", "classification", "conclusion", "verdict", "prediction", "decision")
_LABELS = (*_NOUNS, "ans", "response", "result", "final", "correct", "determination")
_NOUN, _LABELED = f"(?:{'|'.join(_NOUNS)})", f"(?:{'|'.join(_LABELS)})"
_TO_WHAT = r"(?:\ (?:to|for|of|in|here|that|which|among|based|from|left|remaining|shown|given)\b[^.,;:!?\n]{0,60}?)?"
_BE = r"(?:(?:is|remains|stays|becomes|(?:would|should|must|will|has\ to|can\ only)\ be|(?:appears|seems)\ to\ be)\b)"
_IS = rf"(?:(?:\ {_BE}|'s\b)(?:\ ?[:-])?|\ ?(?:[:=]|-{{1,2}}>?|=>)(?=[\s(\[\"'A-Za-z]))"
_SURELY = (
    r"(?:(?:(?:the\ )?(?:most\ |very\ |quite\ )?(?:likely|probably|probable)|clearly|definitely|certainly|obviously"
    r"|therefore|thus|indeed|simply|hence|surely|in\ fact|then|still|now|undoubtedly|almost\ certainly|again|actually"
    r"|(?:the\ )?(?:option|choice|letter|answer)(?!\ (?:is|should|would|must|has|to|for)\b)(?:\ (?:labell?ed|marked))?),?:?\s){0,3}"
)
_THEREFORES = ("therefore", "thus", "hence", "so", "consequently", "accordingly", "in conclusion", "conclusion", "in summary")
_THEREFORES += ("finally", "ultimately", "overall", "i.e.", "ergo", "also", "daher", "deshalb", "somit", "folglich", "donc")
_THEREFORES += ("ainsi", "por tanto", "por lo tanto", "portanto", "quindi", "dunque", "entonces", "因此", "所以", "故", "综上")
_THEREFORES += ("综上所述", "よって", "したがって", "従って", "ゆえに", "따라서", "그러므로", "следовательно", "значит")
_THEREFORE = f"(?=[{''.join({word[0] for word in _THEREFORES})}])(?:{'|'.join(re.escape(word) for word in sorted(_THEREFORES, key=len, reverse=True))})"
CONCLUDES = re.compile(rf"\b{_THEREFORE}", re.IGNORECASE | re.VERBOSE)
# Where a statement ends, or its reason starts.
_END = (
    r"(?=[\s\"')\]}>]{0,4}(?:[.,;:!\n。、]|\Z|\ ?[(\[-]|\ (?:because|since|as|due|given|for|based|here|in\ this|with|and\ not"
    r"|not|rather|weil|da|denn|car|porque|pois|perché)\b))"
)
_AT_END = r"(?=\W*\Z)"
_CHOOSE = (
    r"(?:choose|chose|select(?:ed)?|pick(?:ed)?|go(?:ing)?\ (?:with|for)|say|answer|vote\ for|opt\ for|settle\ on|conclude"
    r"|meant?|stick\ with|decide\ (?:on|for)|think|believe)"
)

FORMS: tuple[Form, ...] = (
    # --- marks: the place that a prompt or a format keeps for the answer; see also `BOXES` ---
    Form("double brackets", MARK, r"\[\[@\ ?\]\]", "[[B]]", ("[[",)),
    Form("open answer tag", MARK, rf"<(?:final_?)?answer>\s?@{_AT_END}", "<answer>B", ("answer>",)),
    Form(
        "key of an object",
        MARK,
        r"""["'](?:(?:final|correct|best|my|selected|chosen|predicted|the)?[\ _]?(?:answer|option|choice|letter|prediction
        |selection|response|label)(?:[\ _](?:letter|choice|option|key))?)["']\s?[:=]\s?[\[{]?\s?
        (?:["']\w{1,10}["']\s?:\s?)?(?=["'])@""",
        '{"answer": "B"}',
        ("answer", "option", "choice", "letter", "prediction", "selection", "response", "label"),
    ),
    Form(
        "final answer",
        MARK,
        rf"\bfinal\ (?:answer|choice|decision|selection|verdict){_TO_WHAT}{_IS}\s?{_SURELY}@",
        "Final answer: B",
        ("final",),
    ),
    # --- conclusions: labels, and words that close an argument ---
    Form(
        "label",
        CONCLUSION,
        rf"(?<![A-Za-z0-9]){_LABELED}[\])]?(?:\ ?(?:[:=]|-{{1,2}}>?|=>)|(?<=answer)\n|(?<=conclusion)\n|(?<=verdict)\n)\s?{_SURELY}@",
        "Answer: B",
        _LABELS,
        starts_clause=True,
    ),
    Form(
        "therefore",
        CONCLUSION,
        rf"\b{_THEREFORE}(?:[,:]?\ |:\n)(?:(?:it|this|that)(?:\ is|'s)\ )?{_SURELY}@{_END}",
        "Hence B.",
        _THEREFORES,
        "letter",
    ),
    Form("arrow line", CONCLUSION, r"(?:\A|\n)[-=]>\ ?@(?=[\"')\].]{0,3}\n)", "=> B\nIt has granules.", ("->", "=>")),
    Form("arrow", CONCLUSION, rf"[-=]>\ ?@{_AT_END}", "Dark granules => B", ("->", "=>"), closes=True),
    Form(
        "closing letter",
        CONCLUSION,
        rf"(?<=[.!?])(?<!\bfig.)(?<!\bcf.)(?<!\bvs.)\ @{_AT_END}",
        "The granules are dark. B",
        takes="letter",
        closes=True,
    ),
    Form("closing colon", CONCLUSION, rf":\ @{_AT_END}", "It is a basophil: B", takes="letter", closes=True),
    Form("closing comma", CONCLUSION, rf",\ @{_AT_END}", "As the rest is out, B) basophil.", takes="both", closes=True),
    Form(
        "change to",
        CONCLUSION,
        rf"\b(?:chang|correct|revis)(?:e|ed|ing)\ (?:my\ answer|it|that|this)\ (?:to|as)\ {_SURELY}@{_END}",
        "I change my answer to B.",
        ("chang", "correct", "revis"),
    ),
    Form(
        "rather",
        CONCLUSION,
        rf"\b(?:actually|no|wait|rather|I\ mean|correction)[,:]\ (?:it(?:'s|\ is)\ )?@{_END}",
        "A... no, B.",
        ("actually", "no", "wait", "rather", "i mean", "correction"),
        "letter",
        starts_clause=True,
    ),
    # --- sentences ---
    Form(
        "answer is",
        SENTENCE,
        rf"\b{_NOUN}{_TO_WHAT}[\"']?{_IS}\s?{_SURELY}@",
        "The answer is B.",
        _NOUNS,
        noun_phrase=True,
    ),
    Form(
        "answer that fits is",
        SENTENCE,
        rf"\b{_NOUN}\ (?:that|which)\b[^.,;:!?\n]{{1,80}}\ is:?\ {_SURELY}@{_END}",
        "The option that fits best is B.",
        (" that ", " which "),
        noun_phrase=True,
    ),
    Form(
        "answer is not but",
        SENTENCE,
        r"\b(?:answer|option|choice|it)(?:\ is|'s)(?:\ not|n't)\ [^.;:!?\n]{1,60}?,?\ but(?:\ rather)?\ @",
        "The answer is not A but B.",
        (" but ",),
    ),
    Form(
        "it is",
        SENTENCE,
        rf"\b(?:it|this|that|which)(?:'s|\ (?:(?:is|must\ be|should\ be|has\ to\ be|can\ only\ be|(?:appears|seems)\ to\ be)\b))"
        rf"\ {_SURELY}@{_END}",
        "It's B.",
        takes="letter",
    ),
    Form(
        "named as",
        SENTENCE,
        rf"(?:\b(?:is|to\ be|shows|represents|depicts|makes?\ it|making\ it|as)|'s)\ {_SURELY}:?\s?@",
        "The cell is B) basophil.",
        takes="both",
    ),
    Form(
        "I choose",
        SENTENCE,
        rf"\b(?:I|we)(?:'d|'ll|'m|'ve|\ (?:am|would|will|have|must|can|do|should))?"
        rf"(?:\ (?:therefore|thus|then|still|now|hereby))?\ {_CHOOSE}\ (?:that\ )?(?:it(?:'s|\ is)\ )?{_SURELY}@{_END}",
        "I would go with B.",
        tuple("choose chose select pick go say answer vote opt settle conclude mean stick decide think believe".split()),
    ),
    Form(
        "based on",
        SENTENCE,
        rf"\b(?:based\ on|given|considering|in\ view\ of)\ [^.,;:!?\n]{{1,80}},\ @{_END}",
        "Based on the image, B.",
        ("based on", "given", "considering", "in view of"),
        "letter",
        starts_clause=True,
    ),
    Form(
        "correct one is",
        SENTENCE,
        rf"\b(?:correct|right|best|matching|most\ likely)\ one(?:\ here)?{_IS}\s?{_SURELY}@",
        "The correct one is B.",
        (" one",),
        noun_phrase=True,
    ),
    Form(
        "going with",
        SENTENCE,
        rf"\b(?:going\ with|choosing|picking|selecting)\ {_SURELY}@{_END}",
        "Going with B.",
        ("going with", "choosing", "picking", "selecting"),
        starts_clause=True,
    ),
    Form(
        "makes it",
        SENTENCE,
        rf"\bmak(?:es?|ing)\ @\ (?:the|my|our)\ (?:{_ADJECTIVE},?\ ){{1,5}}(?:answer|option|choice|one|match|fit|diagnosis)\b",
        "That makes B the correct choice.",
        ("make", "making"),
    ),
    Form("you should choose", SENTENCE, rf"\byou\ should\ (?:choose|select|pick)\ {_SURELY}@{_END}", "You should choose B.", ("you should",)),
    Form(
        "corresponds to both",
        SENTENCE,
        rf"\b(?:corresponds\ to|matches|fits|consistent\ with|points\ to|typical\ (?:of|for))\ @{_AT_END}",
        "This is most consistent with B) basophil.",
        ("correspond", "match", "fits", "consistent", "point", "typical"),
        "both",
    ),
    Form("let us choose", SENTENCE, rf"\blet(?:'s|\ us)\ (?:go\ with|choose|pick)\ {_SURELY}@{_END}", "Let's go with B.", ("let",)),
    Form(
        "is correct",
        SENTENCE,
        rf"@\ (?:is|must\ be|remains)\ {_SURELY}(?:(?:the|my|our)\ (?:{_ADJECTIVE},?\ ){{0,5}}answer\b"
        rf"|(?:the|my|our)\ (?:{_ADJECTIVE},?\ ){{1,5}}(?:option|choice|one|match|fit|pick|selection|diagnosis|letter)\b"
        rf"|(?:the\ )?(?:most\ (?:likely|probable|appropriate)|correct|right|true)\b(?!-|\ (?:about|in|to|that|if)\b)"
        rf"(?:\ (?:option|choice|one|answer|diagnosis))?)(?!\ (?:only\ )?if\b)",
        "B is the correct answer.",
        ("correct", "right", "true", "answer", "option", "choice", "match", "fit", "pick", "diagnosis", "likely", "probable"),
    ),
    Form(
        "fits best",
        SENTENCE,
        r"@\ (?:(?:best|most\ closely)\ (?:fits|matches|describes|corresponds)|(?:fits|matches)\ best)\b",
        "Option B fits best.",
        ("best", "most closely"),
        "letter",
    ),
    Form("it is, reversed", SENTENCE, r"@\ it\ is\b(?=\W*(?:\n|\Z))", "B it is.", (" it is",), "letter"),
    Form(
        "remains",
        SENTENCE,
        rf"\b(?:leav(?:es|ing)|left\ with|remain(?:s|ing)\ (?:is|option\ is)|only\ possibility\ is)\ (?:us\ with\ |only\ )*"
        rf"{_SURELY}@{_END}",
        "That leaves B.",
        ("leav", "left with", "remain", "only possibility"),
    ),
    Form("only remains", SENTENCE, r"\bonly\ @\ (?:remains|is\ left|fits|is\ possible)", "Only B remains.", ("only",), "letter"),
    Form(
        "corresponds to",
        SENTENCE,
        r"\b(?:corresponds?\ to|match(?:es)?|fits|points?\ to|leads?\ to|consistent\ with|indicates?|supports?|is)\ (?:the\ )?"
        rf"(?:option|answer|choice)\ @{_END}",
        "This corresponds to option B.",
        ("option", "answer", "choice"),
        "letter",
    ),
    Form(
        "leads to",
        SENTENCE,
        rf"\b{_THEREFORE}[^.;\n]{{0,60}}\b(?:points?|leads?|corresponds?)\ to\ @{_END}",
        "So these points lead to B.",
        ("point", "lead", "correspond"),
        "letter",
    ),
    Form(
        "classified as",
        SENTENCE,
        rf"\b(?:classif(?:y|ied)|identif(?:y|ied)|recogni[sz]ed?|labell?ed)\ (?:(?:this|it|the\ \w+(?:\ \w+)?)\ )?as\ @{_END}",
        "I classify it as B.",
        ("classif", "identif", "recogni", "label"),
        "letter",
    ),
    Form(
        "with an adverb",
        SENTENCE,
        r"\b(?:probably|most\ likely|likely|clearly|definitely|certainly|surely|yes|no\ doubt|obviously),?\ (?:it(?:'s|\ is)\ )?@"
        r"(?=[\"')\].!]{0,4}(?:\n|\Z|\ [A-Z]))",
        "Most likely B.",
        ("likely", "probably", "clearly", "definitely", "certainly", "surely", "yes", "no doubt", "obviously"),
        "letter",
        starts_clause=True,
    ),
)
# Places whose whole content is read: boxes in LaTeX, tags, and GLM's box tokens.
_BRACES = r"(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+"
BOXES = re.compile(
    rf"\\(?:boxed|f(?:rame)?box) ?\{{(?P<boxed>{_BRACES})\}}"
    r"|<(?P<tag>(?:final_?)?answer|conclusion|choice|option|output|solution)>"
    r"(?P<tagged>[^<>]*+(?:<\|?\w+\|?>[^<>]*+</?\|?\w+\|?>[^<>]*+)?)</(?P=tag)>"
    r"|<\|begin_of_(?:box|solution)\|>(?P<token>[^<>]*+)<\|end_of_(?:box|solution)\|>",
    re.IGNORECASE,
)
