"""Words and phrases from which the forms of statements are built, as parts of regular expressions in verbose mode."""

from __future__ import annotations

import re

# What may qualify an answer. Other words, such as `eliminated`, `other` or `first`, make it another thing.
DETERMINERS = frozenset(["the", "my", "our", "your", "this", "its"])
ADJECTIVES = (
    DETERMINERS
    | frozenset(
        [
            "correct",
            "right",
            "best",
            "final",
            "most",
            "more",
            "likely",
            "probable",
            "appropriate",
            "accurate",
            "suitable",
            "fitting",
            "single",
            "only",
            "actual",
            "true",
            "proper",
            "chosen",
            "selected",
            "overall",
            "preferred",
            "corrected",
            "revised",
            "closest",
            "model's",
            "expected",
            "predicted",
            "definitive",
            "ultimate",
            "matching",
            "own",
            "supported",
            "fitted",
            "suited",
            "short",
            "quick",
            "brief",
            "simple",
            "direct",
            "concise",
        ]
    )
    | {"one-letter", "single-letter", "one-word"}
)
ADJECTIVE = f"(?:{'|'.join(sorted(ADJECTIVES))})"
NOUNS = (
    *("answer", "option", "choice", "selection", "letter", "pick", "match", "fit", "statement", "alternative"),
    *("solution", "diagnosis", "classification", "conclusion", "verdict", "prediction", "decision"),
    *("response", "reply"),
)
LABELS = (*NOUNS, "ans", "result", "final", "correct", "determination")
# A bare `alternative` is another option; only one of these makes it the answer.
_CHOSEN = ("correct", "right", "best", "appropriate", "likely", "probable", "suitable", "chosen", "selected", "true")
_ALTERNATIVE = "(?:" + "|".join(rf"(?<={word}\ )" for word in _CHOSEN) + ")alternative"
NOUN = f"(?:{'|'.join(NOUNS)})".replace("alternative", _ALTERNATIVE)
LABELED = f"(?:{'|'.join(LABELS)})".replace("alternative", _ALTERNATIVE)
TO_WHAT = r"(?:\ (?:to|for|of|in|here|that|which|among|based|from|left|remaining|shown|given)\b[^.,;:!?\n]{0,60}?)?"
BE = (
    r"(?:(?:is|remains|stays|becomes|(?:would|should|must|will|has\ to|can\ only)(?:\ then|\ therefore)?\ be|"
    r"(?:appears|seems)\ to\ be)\b)"
)
IS = rf"(?:(?:\ {BE}|'s\b)(?:\ ?[:-])?|\ ?(?:[:=]|-{{1,2}}>?|=>)(?=[\s(\[\"'A-Za-z]))"
SURELY = (
    r"(?:(?:(?:the\ )?(?:most\ |very\ |quite\ )?(?:likely|probably|probable)|clearly|definitely|certainly|obviously"
    r"|therefore|thus|indeed|simply|hence|surely|in\ fact|then|still|now|undoubtedly|(?:without|beyond)\ (?:a\ "
    r"|any\ )?doubt|no\ doubt|almost\ certainly|again|actually"
    r"|(?:the\ )?(?:option|choice|letter|answer)(?!\ (?:is|should|would|must|has|to|for)\b)(?:\ (?:labell?ed"
    r"|marked))?),?:?\s){0,3}"
)
THEREFORES = (
    *("therefore", "thus", "hence", "so", "consequently", "accordingly", "in conclusion", "conclusion", "in summary"),
    *("en conclusión", "en conclusion", "em conclusão", "in conclusione", "zusammenfassend"),
    *("tl;dr", "tldr", "in short", "in brief", "to sum up", "bottom line", "in a nutshell", "long story short"),
    *("simply put", "in a word", "kurz gesagt", "en bref", "en resumen", "em resumo", "in breve", "kort sagt"),
    *("简而言之", "总之", "总而言之", "まとめると", "要するに", "요약하면"),
    *("finally", "ultimately", "overall", "i.e.", "ergo", "also", "daher", "deshalb", "somit", "folglich", "donc"),
    *(
        "ainsi",
        "por tanto",
        "por lo tanto",
        "portanto",
        "quindi",
        "dunque",
        "entonces",
        "因此",
        "所以",
        "故",
        "综上",
        "综上所述",
    ),
    *("よって", "したがって", "従って", "ゆえに", "따라서", "그러므로", "следовательно", "значит"),
)
_LONGEST_FIRST = "|".join(re.escape(word) for word in sorted(THEREFORES, key=len, reverse=True))
# The set of first letters makes the search fast.
THEREFORE = f"(?=[{''.join(sorted({word[0] for word in THEREFORES}))}])(?:{_LONGEST_FIRST})"
CONCLUDES = re.compile(rf"\b{THEREFORE}", re.IGNORECASE | re.VERBOSE)
# Where a statement ends, or its reason starts.
END = (
    r"(?=[\s\"')\]}>]{0,4}(?:[.,;:!\n。、]|\Z|\ ?[(\[-]"
    r"|です|である|だ|\ (?:because|since|as|due|given|for|based|here|in\ this|with|and\ not"
    r"|not|rather|instead\ of|over|weil|da|denn|car|porque|pois|perché)\b))"
)
# Labels of other things than the answer, by their last words (`Blood type: B`). What a question may ask for, such as
# the stain, is none.
OTHER_LABELS = re.compile(
    r"\A\W*(?!(?:for|in|on|to|of|at|with|from|by|what)\b)(?:[\w'-]+\ ){0,3}"
    r"(?:alternative|confidence|certainty|uncertainty|probability|likelihood|difficulty|quality|score|rating|ranking"
    r"|rank|grade|level|severity|priority|importance|relevance|blood\ (?:type|group)|group|vitamin"
    r"|hepatitis|influenza|magnification|objective|scale|channel|area|position"
    r"|section|appendix|plate|batch|slide|sample|patient|subject|case|source|reference|model|author"
    r"|initials?|arm|cohort|plan|part|exhibit|distractor|decoy|trap|opposite|control|image|picture|photo"
    r"|top|bottom|unit|units|symbol|filter|bucket"
    r"|signed|factor|key|HLA|drug|serotype)"
    r"\Z",
    re.IGNORECASE | re.VERBOSE,
)
# After `is correct`: no word that it qualifies (`is the correct size`, `is right next to`).
NO_OBJECT = (
    r"(?!\ (?!(?:because|since|as|here|and|given|based|so|with|but|due|on|from|in|by|according|over|rather|not|while"
    r"|for\ (?:this|these|the\ (?:following|image|picture|question|cell|given)|two|three|several)|whereas|although"
    r"|though|among|of\ the\ \w+\ (?:options|choices)"
    r"|is|are|then|therefore|when|considering|judging|overall|after|I|we)\b)\w)"
)
NO_FORM = r"(?!\ (?:format|sheet|label|key|control|slot|field|box|template|number)\b)"
AT_END = r"(?=\W*\Z)"
# The number of the question before an answer (`Q1: B`); not in verbose mode.
NUMBERED = (
    r"(?:(?:q|question|no|nr|frage|aufgabe|antwort zu|answer(?: to question)?|zu(?: frage)?|ad|re|item|task|exercise"
    r"|pregunta|pergunta|domanda|вопрос|问题|题|第|問|#|a)\.? ?\d{1,3} ?(?:题|問)?[.:)=\-]{1,2} ?|\(\d{1,3}\) ?)"
)
# What an option is called before its letter (`option B`, `la lettre B`); not in verbose mode.
OPTION_NOUNS = (
    *("option", "choice", "answer", "letter", "antwort", "buchstabe", "möglichkeit", "réponse", "lettre"),
    *("proposition", "choix", "opción", "letra", "alternativa", "respuesta", "inciso", "opção", "resposta", "item"),
    *("opzione", "lettera", "risposta", "вариант", "ответ", "буква", "варіант", "відповідь", "optie", "antwoord"),
    *("alternativ", "svar"),
    *("vaihtoehto", "odpowiedź", "opcja", "litera", "možnost", "varianta", "pilihan", "opsi", "seçenek", "đáp án"),
)
OPTION_NOUN = f"(?:{'|'.join(sorted(OPTION_NOUNS, key=len, reverse=True))})"
OPTION_DETERMINER = r"(?:(?:the|die|der|la|le|el|il|a|o|lo|het|de) |l')"
# How sure a response is, where no verb follows (`Probably B - dark granules`).
ADVERBS = (
    *("most likely", "most probably", "very likely", "likely", "probably", "presumably", "almost certainly", "clearly"),
    *("definitely", "certainly", "surely", "yes", "no doubt", "without a doubt", "without doubt", "obviously"),
    *("evidently", "undoubtedly", "wahrscheinlich", "vermutlich", "höchstwahrscheinlich", "eindeutig", "sicherlich"),
    *("zweifellos", "probablement", "sans doute", "certainement", "probablemente", "seguramente", "sin duda"),
    *("provavelmente", "certamente", "sem dúvida", "probabilmente", "certamente", "senza dubbio", "waarschijnlijk"),
    *("вероятно", "скорее всего", "sannolikt", "troligen", "sandsynligvis", "sannsynligvis", "prawdopodobnie"),
)
ADVERB = f"(?:{'|'.join(re.escape(word) for word in sorted(set(ADVERBS), key=len, reverse=True))})"
CHOOSE = (
    r"(?:choose|chose|select(?:ed)?|pick(?:ed)?|go(?:ing)?\ (?:with|for)|say|(?:answer|respond|reply)(?:\ with)?"
    r"|vote\ for|opt\ for|settle\ on"
    r"|conclude|meant?|stick\ with|decide\ (?:on|for)|think|believe)"
)
