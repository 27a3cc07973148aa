"""The forms of `microbench_tasks.parsing.letters.english_forms` in other languages, in the same order of strength."""

from __future__ import annotations

from microbench_tasks.parsing.letters.form import MARK, SENTENCE, Form
from microbench_tasks.parsing.letters.phrases import END

_COLON = r"\s?(?:[:=]|-{1,2}>?)\s?"
_ZH_SURE = r"(?:应该|应当|应|應該|應|就|很可能|最可能|大概率|显然|便)?(?:是|为|為|选|選)?"
_JA_NOUN = (
    r"(?:(?:(?:可能性が)?(?:最も)?高い|適した)(?:もの|の)|答え|答|正解|回答|解答|結論|正答"
    r"|(?:正しい|適切な|最適な|近い|私の)選択肢|(?:適切な|正しい|近い|最適な)(?:もの|の))"
)
_KO_NOUN = r"(?:정답|답변|답|결론|선택지|선택|보기)"
_DE_NOUN = r"(?:Antwort(?:möglichkeit)?|Lösung|Option|Wahl|Auswahl|Buchstabe|Fazit|Ergebnis|Schlussfolgerung)"
_FR_NOUN = r"(?:réponse|option|choix|solution|conclusion|lettre)"
_ES_NOUN = r"(?:respuesta|opción|alternativa|elección|solución|conclusión|letra)"
_PT_NOUN = r"(?:resposta|opção|alternativa|escolha|solução|conclusão|letra)"
_IT_NOUN = r"(?:risposta|opzione|alternativa|scelta|soluzione|conclusione|lettera)"
_RU_NOUN = r"(?:ответ|вариант|вывод)"

_DE_NEEDS = ("antwort", "lösung", " ist ", "wahl", "buchstabe", "fazit", "ergebnis", "schlussfolgerung")
_FR_NEEDS = ("réponse", "choix", "lettre", " est ", "serait")
_ES_NEEDS = ("respuesta", "opción", "alternativa", "elección", "solución", "conclusión", "letra", " es ")
_PT_NEEDS = ("resposta", "opção", "alternativa", "escolha", "solução", "conclusão", "letra")
_IT_NEEDS = ("risposta", "opzione", "alternativa", "scelta", "soluzione", "conclusione", "lettera")

LANGUAGE_FORMS: tuple[Form, ...] = (
    Form("zh final", MARK, rf"最终(?:的)?(?:答案|选择|结论)[\])]?(?:{_ZH_SURE}{_COLON}|{_ZH_SURE}\s?)@", "最终答案：B"),
    Form("ja final", MARK, r"最終(?:的な)?(?:答え|回答|解答)[\])]?\s?(?:は|:|=)\s?@", "最終的な答え：B"),
    Form(
        "de final",
        MARK,
        r"\b(?:endgültige|finale)\ (?:Antwort|Lösung)(?:\ (?:ist|lautet))?:?\ @",
        "Endgültige Antwort: B",
        ("endgültige", "finale"),
    ),
    Form("fr final", MARK, rf"\bréponse\ finale(?:\ est)?{_COLON}@", "Réponse finale : B", ("réponse finale",)),
    Form("es final", MARK, rf"\brespuesta\ final(?:\ es)?{_COLON}@", "Respuesta final: B", ("respuesta final",)),
    Form(
        "zh answer",
        SENTENCE,
        rf"(?:答案|(?:正确|正確|最佳|最可能的?|最合适的?|最适合的?)(?:选项|選項)|回答|结论|結論|选择)(?:[\])]\s?|{_ZH_SURE}[\])]?\s?[:=]\s?|[\])]?"
        rf"(?:应该|应当|应|應該|應|就|很可能|最可能|显然|便)?(?:是|为|為|选|選)\s?|\s?(?=[A-H](?![A-Za-z])))(?:选项|選項)?\s?@",
        "答案是B。",
    ),
    Form(
        "zh choose",
        SENTENCE,
        r"(?:正确的是|(?:最可能|最有可能|可能性最大|可能性最高)的?(?:选项|答案)?是|正确的选项是|应(?:该)?(?:为|是)|(?:(?:故|因此|所以|应该|应|應|我|本题|综上|那么|则"
        r"|最终)(?:应该|应|我)?|(?<=[,。.;:\n])|\A)(?:选择|選擇|选|選)(?!项|項)[:]?)\s?@",
        "故选B。",
    ),
    Form(
        "zh is correct",
        SENTENCE,
        r"@\s?(?:选项|項|项|选)?\s?(?:才)?(?:是|为)?\s?(?:最)?(?:正确|正確|对的|正解)(?:的|答案|选项|的答案)?(?!吗|性)",
        "B是正确的。",
    ),
    Form("zh named as", SENTENCE, r"是\s?@", "最可能的细胞是B) basophil。", takes="both"),
    Form("zh not but", SENTENCE, r"(?:而是|而应(?:该)?是)\s?@", "答案不是A，而是B。"),
    Form("ja not but", SENTENCE, r"では?なく(?:て)?[,、]?\s?@", "Aではなく、Bです。"),
    Form("ko not but", SENTENCE, r"(?:이|가)\s?아니라\s?@", "A가 아니라 B입니다."),
    Form("ja answer", SENTENCE, rf"{_JA_NOUN}[\])]?\s?(?:としては|は|:|=)\s?(?:おそらく|たぶん)?\s?@", "答えはBです。"),
    Form("ja is correct", SENTENCE, r"@\s?(?:です)?が(?:正解|正しい|最も適切|適切|答え|最適)", "Bが正解です。"),
    Form("ja choose", SENTENCE, r"@\s?(?:を選|だと(?:思|考)|と(?:考え|思|判断))", "Bを選びます。", takes="letter"),
    Form("ko answer", SENTENCE, rf"{_KO_NOUN}\s?(?:은|는|:|=)\s?@", "정답은 B입니다."),
    Form("ko is correct", SENTENCE, r"@\s?(?:이|가)\s?(?:정답|맞|옳)", "B가 정답입니다."),
    Form(
        "de answer",
        SENTENCE,
        rf"\b{_DE_NOUN}(?:\ (?:ist|lautet|wäre|bleibt)(?:\ (?:daher|also|somit|wahrscheinlich|vermutlich"
        rf"|eindeutig))?:?\ |{_COLON})(?:die\ )?@",
        "Die Antwort ist B.",
        _DE_NEEDS,
        noun_phrase=True,
    ),
    Form(
        "de right is",
        SENTENCE,
        r"\b(?:richtig|korrekt|ist\ (?:daher\ |also\ )?(?:die\ )?(?:richtige\ |korrekte\ )?(?:Antwort|Option)|"
        r"(?:lautet|ist)\ die\ (?:richtige\ |korrekte\ )?Antwort)\ (?:ist\ )?@",
        "Richtig ist B.",
        ("richtig", "korrekt", "antwort", "option"),
    ),
    Form(
        "de choose",
        SENTENCE,
        r"\bich\ (?:wähle|nehme|entscheide\ mich\ für|würde\ sagen|antworte(?:\ mit)?)\ (?:die\ )?@",
        "Ich wähle B.",
        ("ich ",),
    ),
    Form(
        "de is correct",
        SENTENCE,
        r"@\ ist\ (?:eindeutig\ |die\ )?(?:richtig|korrekt|zutreffend)(?:e\ (?:Antwort|Option|Wahl))?\b"
        r"|@\ ist\ die\ Antwort\b",
        "B ist richtig.",
        (" ist ",),
    ),
    Form(
        "de ist richtig",
        SENTENCE,
        r"\bist\ @\ (?:richtig|korrekt|zutreffend|die\ richtige\ Antwort)",
        "Daher ist B richtig.",
        ("ist ",),
    ),
    Form(
        "de that is",
        SENTENCE,
        r"\b(?:Antwort|Lösung|Option)\ @\ ist(?=\W*(?:\n|\Z|,|\.))",
        "… dass die Antwort B ist.",
        ("antwort", "lösung"),
    ),
    Form(
        "fr not but",
        SENTENCE,
        r"\b(?:n'est\ )?pas\ [^.;\n]{1,40}\ mais\ (?:la\ )?@",
        "La réponse n'est pas A mais B.",
        (" mais ",),
    ),
    Form("es not but", SENTENCE, r"\bno\ [^.;\n]{1,40}\ sino\ (?:la\ )?@", "No es A, sino B.", (" sino ",)),
    Form(
        "pt not but",
        SENTENCE,
        r"\bnão\ [^.;\n]{1,40}\ mas\ (?:sim\ )?(?:a\ (?=\S))?@",
        "Não é A, mas B.",
        (" mas ",),
    ),
    Form(
        "it not but",
        SENTENCE,
        r"\bnon\ [^.;\n]{1,40}\ (?:ma|bensì)\ (?:la\ )?@",
        "Non è A, ma B.",
        (" ma ", "bensì"),
    ),
    Form("de not but", SENTENCE, r"\bsondern\ @", "Nicht A, sondern B.", ("sondern",)),
    Form(
        "fr answer",
        SENTENCE,
        rf"\b{_FR_NOUN}(?:\ (?:correcte|exacte|juste|appropriée|attendue|la\ plus\ (?:probable|vraisemblable"
        rf"|appropriée)))?(?:\ (?:est|serait|reste)(?:\ (?:donc|probablement|bien|sûrement))?\s?:?\ |{_COLON})(?:la\ "
        rf"|le\ |l')?@",
        "La réponse est B.",
        _FR_NEEDS,
        noun_phrase=True,
    ),
    Form(
        "fr choose",
        SENTENCE,
        r"\bje\ (?:choisis|dirais|réponds|sélectionne|opte\ pour)\ (?:donc\ )?(?:la\ |l')?@",
        "Je choisis B.",
        ("je ",),
    ),
    Form(
        "fr is correct",
        SENTENCE,
        r"@\ est\ (?:donc\ )?(?:(?:la\ )?(?:bonne|meilleure)\ (?:réponse|option)|(?:la\ (?:réponse\ )?)?correcte?"
        r"|exacte?|juste|la\ réponse)\b",
        "B est correcte.",
        (" est ",),
    ),
    Form(
        "es answer",
        SENTENCE,
        rf"\b{_ES_NOUN}(?:\ (?:correcta|adecuada|acertada|apropiada|más\ probable))?(?:\ (?:es|sería|debe\ ser)(?:\ "
        rf"(?:probablemente|claramente|por\ tanto))?\s?:?\ |{_COLON})(?:la\ |el\ )?@",
        "La respuesta es B.",
        _ES_NEEDS,
        noun_phrase=True,
    ),
    Form(
        "es choose",
        SENTENCE,
        r"\b(?:elijo|escojo|selecciono|opto\ por|yo\ diría|me\ quedo\ con)\ (?:la\ )?@",
        "Elijo la opción B.",
        ("elijo", "escojo", "selecciono", "opto", "diría", "quedo"),
    ),
    Form(
        "es is correct",
        SENTENCE,
        r"@\ es\ (?:la\ )?(?:correcta|respuesta|opción\ correcta|acertada|respuesta\ correcta)\b",
        "La opción B es la correcta.",
        (" es ",),
    ),
    Form(
        "pt answer",
        SENTENCE,
        rf"\b{_PT_NOUN}(?:\ (?:correta|certa|adequada|mais\ provável))?(?:\ (?:é|seria|deve\ ser)(?:\ "
        rf"(?:provavelmente|claramente|portanto))?\s?:?\ |{_COLON})(?:a\ (?=\S)|o\ )?@",
        "A resposta é B.",
        _PT_NEEDS,
        noun_phrase=True,
    ),
    Form(
        "pt is correct",
        SENTENCE,
        r"@\ (?:é\ a\ (?:correta|certa|resposta)|está\ correta|é\ correta)\b",
        "A opção B está correta.",
        (" é ", "está"),
    ),
    Form(
        "pt choose",
        SENTENCE,
        r"\b(?:escolho|seleciono|opto\ por|eu\ diria)\ (?:a\ (?=\S))?@",
        "Escolho a opção B.",
        ("escolho", "seleciono", "opto", "diria"),
    ),
    Form(
        "it answer",
        SENTENCE,
        rf"\b{_IT_NOUN}(?:\ (?:corretta|giusta|esatta|più\ probabile))?(?:\ (?:è|sarebbe)(?:\ (?:quindi|probabilmente"
        rf"|chiaramente))?\s?:?\ |{_COLON})(?:la\ |il\ )?@",
        "La risposta è B.",
        _IT_NEEDS,
        noun_phrase=True,
    ),
    Form(
        "it is correct",
        SENTENCE,
        r"@\ è\ (?:la\ )?(?:corretta|risposta|giusta|quella\ (?:corretta|giusta))\b",
        "B è corretta.",
        (" è ",),
    ),
    Form(
        "it choose",
        SENTENCE,
        r"\b(?:scelgo|direi|seleziono|opto\ per)\ (?:la\ )?@",
        "Scelgo B.",
        ("scelgo", "direi", "seleziono", "opto"),
    ),
    Form("ru answer", SENTENCE, rf"\b{_RU_NOUN}(?:{_COLON}|\ (?:это\ )?)@", "Ответ: B", noun_phrase=True),
    Form("ru choose", SENTENCE, r"\b(?:выбираю|выберу)\ (?:вариант\ |ответ\ )?@", "Я выбираю B."),
    Form(
        "nl answer",
        SENTENCE,
        rf"\b(?:antwoord|optie)(?:\ (?:is|luidt)\ |{_COLON})(?:dus\ )?@",
        "Het juiste antwoord is B.",
        ("antwoord", "optie"),
        noun_phrase=True,
    ),
    Form(
        "pl answer",
        SENTENCE,
        rf"\bodpowied[źz](?:\ (?:to|brzmi)\ |{_COLON})@",
        "Prawidłowa odpowiedź to B.",
        ("odpowied",),
        noun_phrase=True,
    ),
    Form(
        "tr answer",
        SENTENCE,
        rf"\b(?:cevap|yanıt)(?:{_COLON}|\ )@",
        "Doğru cevap B.",
        ("cevap", "yanıt"),
        noun_phrase=True,
    ),
    Form("vi answer", SENTENCE, rf"đáp\ án(?:\ đúng)?(?:\ là\ |{_COLON}|\ )@", "Đáp án đúng là B.", ("đáp",)),
    Form("ar answer", SENTENCE, rf"الإجابة(?:\ الصحيحة)?(?:\ هي\ |{_COLON})@", "الإجابة الصحيحة هي B."),
    Form("hi answer", SENTENCE, rf"उत्तर(?:{_COLON}|\ )@", "सही उत्तर B है।"),
    Form("de it is", SENTENCE, rf"\bes\ ist\ (?:die\ )?@{END}", "Es ist B.", ("es ist",), "letter"),
    Form(
        "de would choose",
        SENTENCE,
        r"\bich\ würde\ @\ (?:wählen|nehmen|sagen)",
        "Ich würde B wählen.",
        ("würde",),
        "letter",
    ),
    Form(
        "fr it is",
        SENTENCE,
        rf"\b(?:c'est|il\ s'agit\ de)\ (?:donc\ )?(?:l'option\ |la\ réponse\ |la\ )?@{END}",
        "C'est B.",
        ("c'est", "il s'agit"),
        "letter",
    ),
    Form("es it is", SENTENCE, rf"\b(?:es|se\ trata\ de)\ (?:la\ )?@{END}", "Es la B.", ("es ", "se trata"), "letter"),
    Form("pt it is", SENTENCE, rf"\bé\ (?:a\ (?=\S))?@{END}", "É a B.", ("é ",), "letter"),
    Form("it it is", SENTENCE, rf"\bè\ (?:la\ )?@{END}", "È la B.", ("è ",), "letter"),
)
