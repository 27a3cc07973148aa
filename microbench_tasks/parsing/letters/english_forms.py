"""The forms in which a response states its answer, in the order of their strength.

Each row of `FORMS` is a regular expression (verbose, in any case) in which ``@`` stands for the value: a letter, an
option's own text, or both. A row says how strong a statement it makes: among statements that differ, a later and
stronger one replaces an earlier one.
"""

from __future__ import annotations

from microbench_tasks.parsing.letters.form import CONCLUSION, MARK, SENTENCE, Form
from microbench_tasks.parsing.letters.phrases import (
    ADJECTIVE,
    ADVERB,
    ADVERBS,
    AT_END,
    CHOOSE,
    END,
    IS,
    LABELED,
    LABELS,
    NO_FORM,
    NO_OBJECT,
    NOUN,
    NOUNS,
    SURELY,
    THEREFORE,
    THEREFORES,
    TO_WHAT,
)

FORMS: tuple[Form, ...] = (
    # --- marks: the place that a prompt or a format keeps for the answer; see also `BOXES` in `strict` ---
    Form("double brackets", MARK, r"\[\[@\ ?\]\]", "[[B]]", ("[[",)),
    Form("open answer tag", MARK, rf"<(?:final_?)?answer>\s?@{AT_END}", "<answer>B", ("answer>",)),
    Form(
        "key of an object",
        MARK,
        r"""["'](?:(?:final|correct|best|my|selected|chosen|predicted|the)?[\ _]?(?:answer|option|choice|letter
        |prediction|selection|response|label)(?:[\ _](?:letter|choice|option|key))?)["']\s?[:=]\s?[\[{]?\s?
        (?:["']\w{1,10}["']\s?:\s?)?(?=["'])@""",
        '{"answer": "B"}',
        ("answer", "option", "choice", "letter", "prediction", "selection", "response", "label"),
    ),
    Form(
        "final answer",
        MARK,
        rf"\bfinal\ (?:answer|choice|decision|selection|verdict){TO_WHAT}{IS}\s?{SURELY}@",
        "Final answer: B",
        ("final",),
    ),
    # --- conclusions: labels, and words that close an argument ---
    Form(
        "label",
        CONCLUSION,
        rf"(?<![A-Za-z0-9]){LABELED}[\])]?(?:\ ?(?:[:=]|-{{1,2}}>?|=>)|(?<=answer)\n|(?<=conclusion)\n|"
        rf"(?<=verdict)\n)\s?{SURELY}@",
        "Answer: B",
        LABELS,
        starts_clause=True,
    ),
    Form(
        "therefore",
        CONCLUSION,
        rf"\b(?<!but\ ){THEREFORE}(?:\ -{{1,2}}\ |[,:]?\ |:\n|(?<=[^\x00-\x7f])[,、:]?)(?:(?:it|this|that)(?:\ is"
        rf"|'s)\ )?{SURELY}@{END}",
        "Hence B.",
        THEREFORES,
        "letter",
    ),
    Form("arrow line", CONCLUSION, r"(?:\A|\n)[-=]>\ ?@(?=[\"')\].]{0,3}\n)", "=> B\nIt has granules.", ("->", "=>")),
    Form("arrow", CONCLUSION, rf"[-=]>\ ?@{AT_END}", "Dark granules => B", ("->", "=>"), closes=True),
    Form(
        "closing letter",
        CONCLUSION,
        rf"(?<=[.!?])(?<!\bfig.)(?<!\bcf.)(?<!\bvs.)(?<!\be\.g.)\ @{AT_END}",
        "The granules are dark. B",
        takes="letter",
        closes=True,
    ),
    Form("closing colon", CONCLUSION, rf":\ @{AT_END}", "It is a basophil: B", takes="letter", closes=True),
    Form("closing comma", CONCLUSION, rf",\ @{AT_END}", "As the rest is out, B) basophil.", takes="both", closes=True),
    Form(
        "change to",
        CONCLUSION,
        rf"\b(?:chang|correct|revis)(?:e|ed|ing)\ (?:my\ answer|it|that|this)\ (?:to|as)\ {SURELY}@{END}",
        "I change my answer to B.",
        ("chang", "correct", "revis"),
    ),
    Form(
        "rather",
        CONCLUSION,
        rf"\b(?:actually|no|wait|rather|I\ mean|correction|(?:just\ )?kidding"
        rf"|nope|sorry)[,:]\ (?:it(?:'s|\ is)\ )?@{END}",
        "A... no, B.",
        ("actually", "no", "wait", "rather", "i mean", "correction", "kidding", "nope", "sorry"),
        "letter",
        starts_clause=True,
    ),
    Form("first of several", CONCLUSION, r"\b1st\ (?:choice|pick)(?:\ is|:)\ @", "1st choice: B", ("1st ",)),
    # --- sentences ---
    Form(
        "answer is",
        SENTENCE,
        rf"\b{NOUN}{TO_WHAT}[\"']?{IS}\s?{SURELY}@",
        "The answer is B.",
        NOUNS,
        noun_phrase=True,
    ),
    Form(
        "answer that fits is",
        SENTENCE,
        rf"\b{NOUN}\ (?:that|which)\b[^.,;:!?\n]{{1,80}}\ is:?\ {SURELY}@{END}",
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
        rf"\b(?:it|this|that|which)(?:'s|\ (?:(?:is|must\ be|should\ be|has\ to\ be|can\ only\ be|looks\ like"
        rf"|(?:appears"
        rf"|seems)\ to\ be)\b))"
        rf"\ {SURELY}@{END}",
        "It's B.",
        takes="letter",
    ),
    Form(
        "would be",
        SENTENCE,
        rf"(?<!,\ )\b(?:it|this|that|which)(?:\ would|\ will|'d)\ (?:then\ |therefore\ )?(?:be|have\ to\ be)\ {SURELY}@"
        r"(?=[\"')\].!]{0,4}(?:\n|\Z|\ (?-i:[A-Z])))",
        "That would be option B.",
        (" would", " will", "'d "),
        "letter",
        starts_clause=True,
    ),
    Form(
        "not but",
        SENTENCE,
        rf"\b(?:not|neither)\ (?!only\b)[^.;:!?\n]{{1,60}}?,?\ but(?:\ rather)?\ @{END}",
        "Not A but B.",
        (" but ",),
        "letter",
        starts_clause=True,
    ),
    Form(
        "nothing but",
        SENTENCE,
        rf"\b(?:(?:cannot|can't|can\ not|could\ not|couldn't)\ be\ anything|(?:can\ be|is)\ nothing)\ (?:but|except"
        rf"|(?:other|else)\ than)\ {SURELY}@{END}",
        "It cannot be anything but B.",
        ("anything", "nothing"),
    ),
    Form(
        "none other than",
        SENTENCE,
        rf"\b(?:is\ (?:none|nothing)\ (?:other|else)|no\ other(?:\ (?:answer|option|choice))?)\ than\ {SURELY}@{END}",
        "The answer is none other than B.",
        (" other ",),
    ),
    Form(
        "named as",
        SENTENCE,
        rf"(?:\b(?:is|to\ be|shows|represents|depicts|makes?\ it|making\ it|as)|'s)\ {SURELY}:?\s?@",
        "The cell is B) basophil.",
        takes="both",
    ),
    Form(
        "I choose",
        SENTENCE,
        rf"\b(?:I|we)(?:'d|'ll|'m|'ve|\ (?:am|would|will|have|must|can|do|should))?"
        rf"(?:\ (?:therefore|thus|then|still|now|hereby))?\ {CHOOSE}\ (?:that\ )?(?:it(?:'s|\ is)\ )?{SURELY}@{END}",
        "I would go with B.",
        ("choose", "chose", "select", "pick", "go", "say", "answer", "respond", "reply", "vote", "opt", "settle")
        + ("conclude", "mean", "stick", "decide", "think", "believe"),
    ),
    Form(
        "based on",
        SENTENCE,
        rf"\b(?:based\ on|given|considering|in\ view\ of)\ [^.,;:!?\n]{{1,80}},\ @{END}",
        "Based on the image, B.",
        ("based on", "given", "considering", "in view of"),
        "letter",
        starts_clause=True,
    ),
    Form(
        "correct one is",
        SENTENCE,
        rf"\b(?:correct|right|best|matching|most\ likely)\ one(?:\ here)?{IS}\s?{SURELY}@",
        "The correct one is B.",
        (" one",),
        noun_phrase=True,
    ),
    Form(
        "going with",
        SENTENCE,
        rf"\b(?:going\ with|choosing|picking|selecting)\ {SURELY}@{END}",
        "Going with B.",
        ("going with", "choosing", "picking", "selecting"),
        starts_clause=True,
    ),
    Form(
        "makes it",
        SENTENCE,
        rf"\bmak(?:es?|ing)\ @\ (?:the|my|our)\ (?:{ADJECTIVE},?\ ){{1,5}}(?:answer|option|choice|one|match|fit"
        rf"|diagnosis)\b",
        "That makes B the correct choice.",
        ("make", "making"),
    ),
    Form(
        "you should choose",
        SENTENCE,
        rf"\byou\ should\ (?:choose|select|pick)\ {SURELY}@{END}",
        "You should choose B.",
        ("you should",),
    ),
    Form(
        "corresponds to both",
        SENTENCE,
        rf"\b(?:corresponds\ to|matches|fits|consistent\ with|points\ to|typical\ (?:of|for))\ @{AT_END}",
        "This is most consistent with B) basophil.",
        ("correspond", "match", "fits", "consistent", "point", "typical"),
        "both",
    ),
    Form(
        "let us choose",
        SENTENCE,
        rf"\blet(?:'s|\ us)\ (?:go\ with|choose|pick)\ {SURELY}@{END}",
        "Let's go with B.",
        ("let",),
    ),
    Form(
        "is correct",
        SENTENCE,
        rf"@\ (?:is|must\ be|remains|(?:appears|seems)\ to\ be)\ {SURELY}(?:(?:the|my|our)\ "
        rf"(?:{ADJECTIVE},?\ ){{0,5}}answer\b"
        rf"|(?:the|my|our)\ (?:{ADJECTIVE},?\ ){{1,5}}(?:option|choice|one|match|fit|pick|selection|diagnosis"
        rf"|letter)\b"
        rf"|(?:the\ )?(?:most\ (?:likely|probable|appropriate)|correct|right|true)\b(?!-|\ (?:about|in|to|that|if)\b)"
        rf"(?:\ (?:option|choice|one|answer|diagnosis|match|fit|pick|selection|letter|alternative"
        rf"|classification|response))?{NO_OBJECT}){NO_FORM}(?!\ (?:only\ )?if\b)",
        "B is the correct answer.",
        ("correct", "right", "true", "answer", "option", "choice", "match", "fit", "pick", "diagnosis", "likely")
        + ("probable", "appropriate"),
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
        rf"\b(?:leav(?:es|ing)|left\ with|remain(?:s|ing)\ (?:is|option\ is)|only\ possibility\ is)\ (?:us\ with\ "
        rf"|only\ )*"
        rf"{SURELY}@{END}",
        "That leaves B.",
        ("leav", "left with", "remain", "only possibility"),
    ),
    Form(
        "only remains",
        SENTENCE,
        r"\bonly\ @\ (?:remains|is\ left|fits|is\ possible)",
        "Only B remains.",
        ("only",),
        "letter",
    ),
    Form(
        "corresponds to",
        SENTENCE,
        r"\b(?:corresponds?\ to|match(?:es)?|fits|points?\ to|leads?\ to|consistent\ with|indicates?|supports?|is)\ "
        r"(?:the\ )?"
        rf"(?:option|answer|choice)\ @{END}",
        "This corresponds to option B.",
        ("option", "answer", "choice"),
        "letter",
    ),
    Form(
        "leads to",
        SENTENCE,
        rf"\b{THEREFORE}[^.;\n]{{0,60}}\b(?:points?|leads?|corresponds?)\ to\ @{END}",
        "So these points lead to B.",
        ("point", "lead", "correspond"),
        "letter",
    ),
    Form(
        "classified as",
        SENTENCE,
        rf"\b(?:classif(?:y|ied)|identif(?:y|ied)|recogni[sz]ed?|labell?ed)\ (?:(?:this|it|the\ \w+"
        rf"(?:\ \w+)?)\ )?as\ @{END}",
        "I classify it as B.",
        ("classif", "identif", "recogni", "label"),
        "letter",
    ),
    Form(
        "with an adverb",
        SENTENCE,
        rf"\b{ADVERB}[,:]?\ (?:it(?:'s|\ is)\ )?@(?:{END}|(?=\ (?-i:[A-Z])))",
        "Most likely B.",
        ADVERBS,
        "letter",
        starts_clause=True,
    ),
)
