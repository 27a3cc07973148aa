"""Words that withdraw a statement, and words that only seem to.

Each table lists them by language, as regular expressions in verbose mode.
"""

from __future__ import annotations

import re

IS_NOT = (
    r"(?:(?:is|are|was|seems|looks|does|do|can|could|would|fits?)(?:\ (?:also|clearly|definitely|actually|really"
    r"|certainly|simply|just))?\ "
    r"(?:not|never|wrong|incorrect|false|unlikely|impossible|mistaken|(?:be\ )?(?:ruled\ out|excluded|eliminated"
    r"|discarded|rejected|mistaken|wrong|incorrect))"
    r"|(?:is|does|do|can|could|would|was|wo)n't|cannot|can't|has\ to\ be\ (?:ruled\ out|excluded))"
)

# In the clause before a statement.
DENIED = {
    "en": r"\b(?:not|never|cannot|neither|nor|hardly|unlikely|I\ doubt|without|instead\ of|rather\ than|except"
    r"|no\ longer|least|doubts?|doubtful|(?:second|third|next|2nd|3rd)-?\ ?best|runner-?\ ?up|worst|poorest|weakest"
    r"|back-?up|fall-?back|(?:second|third|next|less)\ (?:most\ )?(?:likely|probable|suitable)"
    r"|(?:wrong|incorrect|false|mistaken|misleading|a\ mistake|tempting)\ (?:to|that)"
    r"|reject(?:ed|ing|s)?|eliminat(?:ed|ing|es?)|exclud(?:ed|ing|es?)|discard(?:ed|ing|s)?|rul(?:ed|ing|es?)\ out"
    r"|(?:opposite|reverse|contrary|negation|inverse|antonym|half|part)\ (?:of|to)"
    r"|letter\ (?:before|after|following|preceding|next\ to)"
    r"|dismiss(?:ed|ing|es)?"
    r"|(?:wrong|incorrect|false|other|remaining|another|alternative|first|second|third|[2-9](?:nd|rd|th)|next|given"
    r"|following|possible"
    r"|available|all)\ (?:answers?|options?|choices?|candidates?)"
    r"|(?:options|choices|candidates|possibilities|alternatives|distractors?)"
    r"(?=\ (?:are|were|include|for|to\ consider|like)\b|\s?:?\s?\Z))\b|n't\b",
    "en label": r"\b(?:incorrect|wrong|false|no|(?:second|third)(?:\ place)?|(?:panel|figure|fig|lane|row|column"
    r"|table|chapter|step|well"
    r"|page)(?:\.?\ ?\d{1,3})?)\s?:?\Z",
    "zh": r"不(?!难|同)|并非|没有|排除|错误|否认|未必|候选|第二|其次",
    "ja": r"除外|誤り|間違|候補",
    "de": r"\b(?:nicht|keine?|kaum|weder|falsche?|ausgeschlossen|zweit\w+|schlecht\w+|unwahrscheinlich\w+)\b",
    "fr": r"\bn'est\b|\b(?:pas|jamais|ni|fausse|incorrecte|exclue?|deuxième|seconde|pire|moins\ \w+)\b",
    "es": r"\b(?:no|nunca|ni|tampoco|incorrecta|descart\w+|segund[ao]|peor|menos\ \w+)\b",
    "pt": r"\b(?:não|nunca|nem|incorreta|errada|segund[ao]|pior|menos\ \w+)\b",
    "it": r"\b(?:non|mai|né|errata|sbagliata|second[ao]|peggiore?|meno\ \w+)\b",
    "ru": r"\b(?:не|ни|неправильный|неверный)\b",
    "ko": r"아니|틀린|제외",
    "others": r"\b(?:inte|ikke|fel|felaktig\w*|forkert\w*|feil|není|nie|nem|nu\ este|tidak|bukan|salah|niet|geen"
    r"|onjuiste?"
    r"|hibás|väärä|ei|неправильна|невірна|хибна|nesprávn\w+|chybná|yanlış|greșit\w*|δεν|λάθος)\b|ไม่|không|sai\b|לא",
}
# Negations that deny no answer: of a doubt, and of what a response is not meant to be.
HARMLESS = {
    "en": r"\b(?:there\ (?:is|can\ be)\ )?(?:no|little|without(?:\ any|\ a)?|beyond(?:\ any|\ a)?|not\ in|not)"
    r"\ (?:real\ |reasonable\ |reason\ to\ )?(?:doubt|question)\b"
    r"|\bnot?\ (?:wonder|surprise|coincidence|surprising(?:ly)?|(?:hard|difficult)\ to\ (?:see|say|tell)|only\b"
    r"|a\ stretch)"
    r"|\b(?:cannot|can't|can\ not)\ be\ (?:excluded|ruled\ out|eliminated|rejected|dismissed|discarded)\b"
    r"|\b(?:not|cannot)\ (?:be\ |possible\ to\ be\ )(?:certain|sure)\b(?!\ (?:that|whether|if|it|the)\b)"
    r"|\b(?:not|cannot)\ (?:replace|substitute|constitute|provide|offer|amount\ to|serve\ as)\b"
    r"|\bnot\ (?:be\ )?(?:(?:intended|meant|given|to\ be\ (?:used|taken|understood))\ (?:as|for|to)\b"
    r"|(?:used|taken|understood|relied)\ (?:as|for|on)\b|for\ (?:\w+\ )?use\b"
    r"|(?:an?\ |any\ )?(?:(?:medical|clinical|professional|formal|definitive|definite|official|final|expert|legal"
    r"|health|human"
    r"|certified|trained|qualified|complete|confirmed)\ ){0,2}(?:advice|diagnosis|diagnoses|opinion|substitute"
    r"|replacement"
    r"|consultation|pathologist|physician|doctor|expert|guarantee)\b)",
    "zh": r"毫无疑问|没有疑问|无疑|不是(?:医疗|医学|诊断|专业)\w*|不(?:构成|能代替|能替代)",
    "ja": r"間違いな[いく]|(?:診断|医学的助言|医療アドバイス)では(?:ありません|ない)",
    "de": r"\b(?:kein(?:en|erlei)?\ Zweifel|(?:keine|nicht\ als)\ (?:\w+\ )?(?:Diagnose|Beratung|Empfehlung))\b",
    "fr": r"\b(?:sans\ (?:aucun\ )?doute|(?:pas\ de|aucun)\ doute|n'est\ pas\ un\ (?:avis|diagnostic))\b",
    "es": r"\b(?:no\ hay\ (?:ninguna\ )?duda|no\ es\ un\ (?:consejo|diagnóstico))\b",
    "pt": r"\b(?:não\ há\ dúvida|não\ é\ um\ (?:conselho|diagnóstico))\b",
    "it": r"\b(?:non\ c'è\ dubbio|non\ è\ una\ diagnosi)\b",
    "ru": r"\b(?:без\ сомнения|нет\ сомнений)\b",
}
# Right after a statement: another letter is denied (`B, not A`).
OTHER_DENIED = (
    r"[\"')\]}]{0,3},?\ ?[(]?(?:(?:and|und|et|y|e|en|och|og|i|а)\ )?(?:(?:not|nicht|pas|non|não|niet|inte|ikke|nie"
    r"|не)\ "
    r"(?:die\ |la\ |l'|a\ (?=[A-H]))?|不是\s?)[(\"']?(?-i:[A-H])(?![\w'&-])[)\"']{0,2}"
)
# Before a statement that is only a form: a template, an example or an instruction that is quoted.
FORMAT = {
    "en": r"^\W*(?:(?:the|your|my|a|an|required|expected|requested|desired|output|answer|response|reply|sample|example)"
    r"\ )*(?:format|template|example|sample|placeholder)(?:\ (?:output|answer|response|reply|format))?(?:\ (?:is|was))?"
    r"(?:\s?[:=]|\W*(?:answer\W*)?\Z)"
    r"|^\W*(?:expected|required|desired|example|sample)\ (?:output|response|reply)\s?(?:[:=]|\Z)"
    r"|\b(?:sample|example|dummy|placeholder|mock|hypothetical)\Z|\b(?:sample|example|dummy|mock)\ (?=answer)"
    r"|\b(?:should|must|shall|please|to)\ (?:look|read|reply|respond|be\ written"
    r"|be\ formatted)\ (?:exactly\ )?(?:like|as)\b|^\W*reply\ like\b|\bof\ the\ form\b"
    r"|\b(?:asked|told|instructed|prompted)\b[^.:]{0,40}[\"'][^\"']{0,30}\Z"
    r"|\b(?:must|should|to)\ (?:read|write|say|reply|respond|answer|output)(?:\ with)?:?\ [\"'][^\"']{0,30}\Z",
    "other": r"^\W*\w{0,8}(?:format|formato|vorlage|beispiel|exemple|ejemplo|exemplo|esempio|plantilla)\s?(?:[:=]|\Z)"
    r"|格式|例如|示例|書式|形式",
}
# In the sentence before a statement, back to a `but`.
CONDITIONAL = {
    "en": r"\b(?:if(?!\ (?:I|we|you|one)\ (?:had|have|were|must|look|looks|consider|am)\b|\ (?:forced|asked|pressed))"
    r"|unless|assum(?:e|ing)"
    r"|suppos(?:e|ing)|(?:^|[,(]\ ?)provided|in\ (?:the\ )?(?:case|event)|(?:under|on|with)\ the\ (?:assumption"
    r"|condition"
    r"|premise)|conditional\ on|as\ long\ as|contingent|granting|presum(?:e|ing)|once\ (?:we|you|I)\ know|whether"
    r"|imagine|hypothetically|otherwise|depends?|depending|let's\ say|say,|"
    r"(?<!.)say\ the"
    r"|when(?:ever)?(?!\ (?:we|you|I|one)\ (?:look|compare|consider|examine|zoom)|\ (?:looking|comparing|considering"
    r"|viewed|examin))"
    r"|(?:had|were|should)\ (?:the|it|there|this|these|its|they)\b|(?:e\.g\.|for\ example|such\ as|in\ the\ form"
    r"|the\ format|the\ template))",
    "zh": r"如果|若|假如|假设|否则|要是|倘若|除非|是否",
    "ja": r"もし|場合|なら(?!ず|ない)|であれば|とすれば|かどうか",
    "de": r"\bnicht,\ dass\b|\b(?:wenn|falls|sofern|ob|angenommen|wäre(?!\ (?:daher|also))(?=[^.]*(?:dann|,))|sonst)\b",
    "fr": r"(?:^|\b(?:que|et|mais),?\ )si\b|\bs'il\b|\bsinon\b|\bà\ supposer\b",
    "es": r"(?:^|,\ )si\b(?!,)|\bsupon(?:ga|iendo)\b|\bde\ lo\ contrario\b",
    "pt": r"^se\b(?=[^.]*\bresposta\b)|\bcaso\ contrário\b",
    "it": r"^se\b(?=[^.]*\brisposta\b)|\baltrimenti\b",
    "ru": r"\bесли\b|\bиначе\b",
    "ko": r"만약|만일",
}
TENTATIVE = {
    "en": r"\b(?:might|may|could|possibl[ey]|perhaps|maybe|tentative(?:ly)?|leaning|speculat\w+|initially|at\ first"
    r"|at\ first\ glance|for\ now|wonder"
    r"|(?:first|initial|rough|wild|quick|early)\ (?:guess|thought|impression|instinct|idea|answer|choice)|guess"
    r"(?:ing)?|hunch"
    r"|(?:was|were)\ (?:going|about|tempted)\ to|first\ (?:thought|considered|assumed)|used\ to\ think|(?:I|we)\ "
    r"(?:thought|assumed)|'d\ have\ said|would\ have\ said)\b",
    "zh": r"(?<!最有)(?<![最很极大])可能(?!性最)|也许|或许|说不定|似乎|一开始|起初|最初|猜|原以为|以为",
    "ja": r"かもしれ|可能性(?!が(?:最も)?高)|最初は|はじめは|一見",
    "de": r"\b(?:vielleicht|möglicherweise|könnte|eventuell|zunächst|anfangs|womöglich)\b",
    "fr": r"\b(?:peut-être|pourrait|éventuellement|au\ début|d'abord)\b",
    "es": r"\b(?:quizás?|tal\ vez|podría|posiblemente|a\ lo\ mejor|al\ principio)\b",
    "pt": r"\b(?:talvez|poderia|pode\ ser|possivelmente|inicialmente)\b",
    "it": r"\b(?:forse|potrebbe|possibilmente|inizialmente)\b",
    "ru": r"\b(?:возможно|может\ быть|мог(?:ла|ло)?|сначала)\b",
    "ko": r"아마도?|처음에는",
    "others": r"\b(?:kanske|måske|kanskje|ehkä|možná|może|mungkin|misschien|belki|poate|talán|ίσως|можливо)\b"
    r"|có\ thể|อาจ",
}
_SOURCE = (
    r"(?:textbooks?|books?|key(?=[,:]|\ (?:says?|said|claims|states|gives)\b|\ the\b)|answer\ key|reports?|legend"
    r"|captions?|literature|articles?|papers?|prompt|internet|wikipedia)"
)
_PERSON = (
    r"(?:someone|somebody|people|others|students?|users?|colleagues?|teachers?|experts?|friends?|authors?|reviewers?"
    r"|professors?|doctors?|pathologists?|physicians?|scientists?|researchers?|AI|(?:AI|language)\ models?"
    r"|(?:chat)?gpt(?:-\w+)?|label)"
)
_CLAIM = r"(?:say|said|claim|suggest|hold|state|argue|think|thought|believe|assert|insist|answer|report)(?:s|d|ed)?"
_DETERMINER = r"(?:(?:an?|the|my|your|some|most|many|this|that)\ )"
# What may argue or claim so in a response's own name.
_OWN = r"(?:I|we|analysis|reasoning|evidence|image|picture|morphology|everything)"
OTHERS_SAY = (
    r"\b(?:nobody|no\ one|few|some|many|others|people|students?|novices|someone|somebody|textbooks?|readers?|(?:some"
    r"|any|many)one|you|they|one)(?:\ \w+)?"
    r"(?:\ (?:may|might|would|could|will|often|sometimes|usually))?\ (?:say|think|thinks|believe|argue|claim|guess"
    r"|assume|conclude|answer|choose|pick|expect|mistake)\b|\b(?:textbook|question|user|colleague|literature|caption"
    r"|article|prompt)s?\ (?:says?|claims?|states?)\b|\bit\ (?:is|was)\ (?:\w+\ )?(?:said|claimed|argued|assumed"
    r"|believed|suggested)"
    rf"|\b(?:{_SOURCE}|{_PERSON})(?:\ (?!(?:I|we)\b)\w+)?\ {_CLAIM}\b|\bet\ al\.?\ {_CLAIM}\b"
    rf"|\b(?!{_OWN}\ )[\w.-]+\ (?:claim(?:s|ed)|argue[sd]|alleges?|insist(?:s|ed)|thinks|believes)\b"
    r"|\b(?:he|she|they)\ (?:says?|said|thinks?|thought|claims?|believes?)\b"
    r"|\b(?:reportedly|allegedly|supposedly|purportedly|rumou?r)\b"
    rf"|\b(?:according\ to|in)\ {_DETERMINER}?(?:\w+\ )?{_SOURCE}\b"
    rf"|\baccording\ to\ {_DETERMINER}?(?:\w+\ )?{_PERSON}\b"
    r"|\b(?:laut|selon|d'après|según|segundo|secondo)\ (?:\w+\ |l')?(?:lehrbuch|buch|manuel|livre|libro|livro|manuale?"
    r"|legende|légende|leyenda)|\b(?:jemand|manche|viele|quelqu'un|certains|alguien|algunos|alguém|qualcuno)\b"
    r"|(?:有人|有些人|很多人|别人|他们?|她|同学|老师|网友|用户|教科书|课本|医生|专家)(?:都|也|会|可能)?"
    r"(?:说|认为|觉得|称|以为|表示|声称)|据说|根据(?:教科书|课本|答案)|(?:教科書|誰か|友人)(?:によ|は|が)"
)
# Right after a statement.
DENIED_AFTER = {
    "en": rf"[\"')\]}}]{{0,3}}[.,;:]?\s?(?:-+\s)?"
    r"(?:(?:but|however|although|though|and|yet|except\ that|no),?\s){0,2}(?:"
    r"(?:(?:this|that|it|which|the\ latter|they|these|he)\ (?:answer\ |option\ |one\ )?)?"
    rf"{IS_NOT}\ ?(?:right|correct|fit|the\ answer|true|it|possible|match|present|here|be\b|work|quite|apply|hold"
    r"|seen)?|(?:this|that|which|it)\ (?:contradicts|fails))"
    r"|[\"')\]}]{0,3},?\ (?:maybe|perhaps|possibly|I\ guess|tentatively|or\ so)\b"
    r"|[\"')\]}]{0,3}\ (?:is|was)\ my\ first\b"
    r"|,\ but\ I\ (?:disagree|doubt|don't)"
    r"|[.,]\s(?:or|but)\ (?:is|could|might|would)\ (?:it|that)\b",
    "en verb": r"[\"')\]]{0,3}\ (?:would|could|might|may|can|will|should|must)[\ -]\w",
    "en joke": r"[\"')\]]{0,3}[.,;:]?\s?(?:-+\s)?\(?(?:(?:just\ )?(?:kidding|joking)|jk|/s)\b"
    r"|,\ (?:sorry|oops|nope|nah|no),\s",
    "zh": r"[\"')\]]{0,3}\s?(?:选项)?[,]?\s?(?:是|都|就)?(?:不|错|并非|吗)",
    "ja": r"[\"')\]]{0,3}\s?(?:で(?:は|も)|じゃ|だとは|とは|が(?:誤|間違)|は(?:誤|間違|違|除外)"
    r"|かも|の可能性|でしょうか|ですか|か\?)",
    "ko": r"[\"')\]]{0,3}\s?(?:이|가)\s?아[니닙]|[\"')\]]{0,3}\s?일\s?(?:수|지)",
    "others": r"[\"')\]]{0,3}\ (?:değil|नहीं|inte\b|ikke\b|ei\ ole)",
    "de": r"[\"')\]]{0,3},?\ (?:(?:was|aber\ das)\ )?(?:ist|passt)?\ ?(?:aber\ )?(?:nicht|falsch)\b",
    "fr": r"[\"')\]]{0,3},?\ (?:(?:ce\ qui|mais\ ce)\ )?(?:n'est\ pas|est\ (?:fausse?|incorrecte?))\b",
    "es": r"[\"')\]]{0,3},?\ (?:(?:lo\ que|pero\ eso)\ )?(?:no\ es|es\ (?:falsa|incorrect[oa]))\b",
}
# Later in the sentence: what denies the statement as a whole.
DENIED_LATER = re.compile(
    r"\b(?:that|this|it)\ (?:(?:cannot|can't)\ be|is\ not|isn't)\ (?:right|correct|true|the\ answer)|\b(?:that"
    r"|this)\ is\ (?:wrong|incorrect)",
    re.IGNORECASE | re.VERBOSE,
)
REJECTIONS = ("wrong", "incorrect", "excluded", "ruled out", "impossible", "eliminated", "not ")
DENIED_LETTER = re.compile(
    r"(?<![\w-])([A-H])\)?\ (?:is|must\ be|can\ be|has\ to\ be|is\ therefore)\ (?:wrong|incorrect|excluded|ruled\ out"
    r"|impossible|eliminated"
    r"|not\ (?:correct|right|the\ answer))",
    re.VERBOSE,
)
CONDITION_WORDS = (
    *("if", "unless", "provided", "assuming", "in case", "depending", "were it", "event", "condition"),
    *("as long as", "assumption"),
)
CONDITION_AFTER = re.compile(
    r"(?:(?!\b(?:because|since|as|for|so|but|and)\b)[^.;\n?]){0,80}?\b(?:if(?!\ (?:I|we|you|one)\b)|unless|provided"
    r"|assuming|in\ case|depending|were\ it|in\ the\ event|on\ (?:the\ )?condition|conditional"
    r"|as\ long\ as|under\ the\ assumption)\b",
    re.IGNORECASE | re.VERBOSE,
)
# Words that withdraw all earlier statements.
REVISION = {
    "en": r"(?:(?:but|hmm+|oh|ah|oops|no|sorry|okay|ok|uh|well|yet|and|however)[,.!]*\ )*(?:wait|hold\ on|actually"
    r"|correction|scratch\ that|on\ second\ thoughts?|on\ reflection"
    r"|on\ closer\ inspection|no(?=[,.!]|\ -)|oops|sorry|edit\b|update\b|let\ me\ (?:correct|reconsider|rethink"
    r"|revise|re-?evaluate|redo|start\ over|re-?examine|(?:think|look)(?:\ about\ (?:it|this))?\ again)|I\ "
    r"(?:stand\ corrected|was\ wrong|made\ a\ mistake|take\ (?:that|it)\ back|correct\ myself"
    r"|revise|misread|overlooked|misspoke|need\ to\ correct|must\ correct|have\ to\ correct|retract)|my\ mistake"
    r"|strike\ that|I'm\ changing|(?:just\ )?(?:kidding|joking)|jk|nope"
    r"|nah)\b|(?:please\ )?disregard\ (?:that|this|my)",
    "zh": r"(?:等等|等一下|不对|不,|更正|纠正|实际上|其实|重新|我错了|且慢)",
    "ja": r"(?:いや|待って|待てよ|訂正|実は|やはり|やっぱり|間違え)",
    "ko": r"(?:아니요?|잠깐|정정|다시)",
    "de": r"(?:moment|halt|warte|korrektur|nein|eigentlich|doch\ nicht)\b",
    "fr": r"(?:attendez|attends|correction|non(?=[,.!])|en\ fait|pardon)\b",
    "es": r"(?:espera|un\ momento|corrección|no,|en\ realidad|mejor\ dicho|perdón)",
    "pt": r"(?:espere|espera|correção|não,|na\ verdade|aliás)",
    "it": r"(?:aspetta|un\ momento|correzione|no,|in\ realtà|anzi)",
    "ru": r"(?:стоп|подождите|нет,|исправление|на\ самом\ деле)",
}
# What announces a second look, which may change the answer or confirm it.
SECOND_LOOK = (
    r"(?:but\ |hmm+,?\ |now\ )*(?:let\ me\ (?:double-?\ ?check|check|verify|think|look)|hmm|looking\ (?:again"
    r"|more\ closely)|after\ (?:looking|checking|reconsider\w+)|upon\ (?:closer|further))"
)


# One of these words stands in every text with a revision, or a second look.
REVISION_WORDS = (
    *("wait", "hold on", "actually", "correct", "scratch", "second thought", "reflection", "inspection", "no"),
    *("oops", "sorry", "edit", "update", "let me", "i stand", "i was", "i made", "i take", "i revise", "i misread"),
    *("i overlooked", "i misspoke", "i need", "i must", "i have", "i retract", "my mistake", "strike", "nein"),
    *("i'm changing", "disregard", "kidding", "joking", "jk", "nah"),
    *("等", "不", "更正", "纠正", "其实", "实际", "重新", "我错", "且慢", "いや", "待", "訂正", "実は"),
    *(
        "やはり",
        "やっぱり",
        "間違",
        "아니",
        "잠깐",
        "정정",
        "다시",
        "moment",
        "halt",
        "warte",
        "korrektur",
        "eigentlich",
        "doch",
    ),
    *("attend", "en fait", "pardon", "espera", "corrección", "realidad", "mejor dicho", "perdón", "espere"),
    *("correção", "não", "verdade", "aliás", "aspetta", "correzione", "realtà", "anzi", "стоп", "подождите", "нет"),
    *("исправление", "деле"),
)
SECOND_LOOK_WORDS = ("let me", "hmm", "looking", "after", "upon")
