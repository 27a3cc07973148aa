"""Forms of statements that are built from a table: a noun, a verb and the value, or a verb of choice.

Each row of `_ROWS` gives the words of one language; `MORE_FORMS` is built from the rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from microbench_tasks.parsing.letters.form import SENTENCE, Form
from microbench_tasks.parsing.letters.phrases import END

_COLON = r"\s?(?:[:=]|-{1,2}>?)\s?"


@dataclass(frozen=True)
class _Language:
    """Hold the words of one language, as regular expressions in verbose mode.

    Attributes:
        nouns: what an answer is called.
        verbs: what stands between the noun and the value.
        example: a sentence with the noun that states B.
        before: words that may qualify the noun before it; other words make it another thing.
        after: words that may qualify the noun after it.
        choose: verbs of choice, with their subject.
        it_is: pronoun and verb (`it is`).
    """

    code: str
    nouns: str
    verbs: str
    example: str
    before: str = ""
    after: str = ""
    choose: tuple[str, str] | None = None
    it_is: tuple[str, str] | None = None


_ROWS = (
    _Language(
        "sv",
        r"svar(?:et)?|svarsalternativ(?:et)?|alternativ(?:et)?|slutsats(?:en)?|beskrivning(?:en)?",
        r"är|blir",
        "Rätt svar är B.",
        "rätt rätta det den korrekt korrekta mitt bästa riktigt riktiga slutgiltiga att",
        choose=(r"jag\ (?:väljer|svarar)", "Jag väljer B."),
        it_is=(r"det\ (?:är|måste\ vara)", "Det är B."),
    ),
    _Language(
        "da, no",
        r"svar(?:et)?|svaralternativ(?:et)?|alternativ(?:et)?|konklusjon(?:en)?|konklusion(?:en)?",
        r"er|blir|bliver",
        "Det rigtige svar er B.",
        "rigtig rigtige riktig riktige rett det den korrekt korrekte mitt mit bedste beste endelige at",
        choose=(r"jeg\ (?:vælger|velger|svarer)", "Jeg vælger B."),
        it_is=(r"det\ er", "Det er B."),
    ),
    _Language(
        "fi",
        r"vastaus|vaihtoehto|vastaukseni",
        r"on",
        "Oikea vastaus on B.",
        "oikea paras lopullinen että",
        choose=(r"valitsen|vastaan", "Valitsen B."),
        it_is=(r"se\ on", "Se on B."),
    ),
    _Language(
        "cs, sk",
        r"odpověď|odpoveď|možnost|možnosť",
        r"je|zní|znie",
        "Správná odpověď je B.",
        "správná správna má moje nejlepší najlepšia konečná že",
        choose=(r"vyb[íe]rám|volím|vyberám", "Vybírám B."),
        it_is=(r"je\ to|to\ je", "Je to B."),
    ),
    _Language(
        "hr, sr, sl",
        r"odgovor",
        r"je",
        "Točan odgovor je B.",
        "točan tačan ispravan pravilen moj pravi da",
        choose=(r"biram|odabirem|izbiram", "Biram B."),
    ),
    _Language(
        "uk",
        r"відповідь|варіант",
        r"-|це|є",
        "Правильна відповідь — B.",
        "правильна вірна моя правильний що",
        choose=(r"обираю|вибираю", "Обираю B."),
    ),
    _Language("bg", r"отговор(?:ът)?", r"е", "Верният отговор е B.", "верният верен правилният правилен моят че"),
    _Language(
        "ro",
        r"răspuns(?:ul)?|varianta?|opțiunea",
        r"este|e",
        "Răspunsul corect este B.",
        "că",
        after=r"corecte?|corectă",
        choose=(r"aleg", "Aleg B."),
    ),
    _Language("ca", r"resposta|opció", r"és", "La resposta correcta és la B.", "millor meva", after="correcta"),
    _Language("hu", r"válasz|megoldás", r"az?", "A helyes válasz a B.", "helyes legjobb hogy"),
    _Language(
        "el",
        r"απάντηση",
        r"είναι",
        "Η σωστή απάντηση είναι B.",
        "σωστή η ότι",
        choose=(r"επιλέγω", "Επιλέγω B."),
    ),
    _Language(
        "id, ms",
        r"jawaban(?:nya)?|jawapan(?:nya)?|pilihan",
        r"adalah|ialah|yaitu",
        "Jawaban yang benar adalah B.",
        "bahwa bahawa",
        after=r"yang\ (?:benar|betul|tepat|paling\ \w+)|terbaik|saya",
        choose=(r"saya\ (?:memilih|pilih)", "Saya memilih B."),
    ),
    _Language(
        "vi",
        r"câu\ trả\ lời",
        r"là",
        "Câu trả lời đúng là B.",
        "rằng",
        after=r"đúng|chính\ xác|đúng\ nhất",
        choose=(r"tôi\ chọn", "Tôi chọn B."),
    ),
    _Language("tl", r"sagot", r"ay", "Ang tamang sagot ay B.", "ang tamang"),
    _Language("he", r"התשובה", r"היא", "התשובה הנכונה היא B.", after=r"הנכונה"),
    _Language(
        "nl",
        r"antwoord",
        r"is",
        "Het antwoord is B.",
        "het juiste goede mijn dat",
        choose=(r"ik\ kies(?:\ voor)?", "Ik kies B."),
        it_is=(r"het\ is", "Het is B."),
    ),
    _Language(
        "pl",
        r"odpowied[źz]",
        r"to|jest|brzmi",
        "Odpowiedź to B.",
        "prawidłowa poprawna właściwa moja najlepsza że",
        after=r"prawidłowa|poprawna",
        choose=(r"wybieram", "Wybieram B."),
        it_is=(r"to\ jest", "To jest B."),
    ),
)
# Thai is written without spaces.
_THAI = Form("th answer", SENTENCE, rf"คำตอบ(?:ที่ถูกต้อง|ที่ถูก)?(?:\s?คือ\s?|{_COLON})(?:ข้อ\s?)?@", "คำตอบคือ B")
# Words that may stand before a noun phrase of these languages.
QUALIFIERS = frozenset(word for row in _ROWS for word in row.before.split())


def _stems(words: str) -> tuple[str, ...]:
    """How the alternatives of a pattern begin."""
    return tuple(re.findall(r"(?:^|\|)([^\W\d_]+)", words))


def _forms(row: _Language) -> list[Form]:
    after = rf"(?:\ (?:{row.after}))?" if row.after else ""
    pattern = rf"\b(?:{row.nouns}){after}(?:\ (?:{row.verbs}):?\ |{_COLON})(?:(?:la|a|den|det|de)\ )?@"
    forms = [Form(f"{row.code} answer", SENTENCE, pattern, row.example, _stems(row.nouns), noun_phrase=True)]
    if row.choose:
        verb, example = row.choose
        pattern = rf"\b(?:{verb})\ (?:(?:la|de|det)\ )?@"
        forms.append(Form(f"{row.code} choose", SENTENCE, pattern, example, _stems(verb)))
    if row.it_is:
        verb, example = row.it_is
        forms.append(Form(f"{row.code} it is", SENTENCE, rf"\b(?:{verb})\ @{END}", example, _stems(verb), "letter"))
    return forms


MORE_FORMS: tuple[Form, ...] = (*(form for row in _ROWS for form in _forms(row)), _THAI)
