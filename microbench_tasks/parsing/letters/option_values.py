"""Find the option that a place in a text names: by letter, by its own text, or by both."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.parsing.letters.phrases import OPTION_DETERMINER, OPTION_NOUN
from microbench_tasks.parsing.letters.plain_text import strip_punctuation, to_plain_text
from microbench_tasks.parsing.matching import end_of_match

# Words of scripts without spaces that go on with the sentence after a letter; others make a name (A型, B细胞).
_GOES_ON = (
    "选项|项|選項|項|是|为|為|吗|不|而|和|或|与|及|才|正确|正確|错|对|可|因|也|选|并"
    "|です|で|だ|が|は|を|と|に|か|も|の可能|また|입|이|가|은|는|을|를|로|와|과|일|예|임|였|또"
)
# A letter ends here, unless it goes on as a word (B-cell, H&E, G1, A+).
_LETTER_END = (
    r"(?![A-Za-z0-9_+\u00c0-\u024f\u0370-\u04ff]|[-&'^=~%]\w)"
    rf"(?=[^\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|\Z|{_GOES_ON})"
)
_OPENING = re.compile(
    rf"""[✅✔☑]? ?[(\[{{"'<]{{0,4}} ?"""
    rf"""(?:(?:{OPTION_DETERMINER}?{OPTION_NOUN}|选项|選項|選択肢|ข้อ) ?)?[(\[{{"'<]{{0,3}} ?""",
    re.IGNORECASE,
)
_LETTER = re.compile(rf"([A-Ha-h]){_LETTER_END}")
# What may stand between a letter and its option's text, also as the next key of a JSON object.
_GAP = re.compile(r"""["'],? ["']\w{1,20}["']: ["']|[\s)\]}"'>.:,;=]{0,6}(?:-{1,2}>? ?)?[(\[{"']{0,2}""", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:an?|the|un|une|ein|eine|el|la|le|il) (?=\S)", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r"""["')\]}*]{0,3}(?:[\n.,;:!?)\]}"']|\Z| ?[(（\[]"""
    r"""| (?:-|because|since|as|due|based|given|which|and|but|so|rather|not|in this"""
    r"""|is the|is my|is correct|is right|です|par|car|porque|weil|da|denn)\b"""
    r"""| ?(?:です|で|だ|。|입니다|이다)| ?-{1,2}>? )""",
    re.IGNORECASE,
)
# A letter that a lower-case word follows starts a name (E. coli, B cell) or is an article (A cell); these words start
# neither.
_NO_NAME = (
    rf"{_GOES_ON}|है|[a-z]?[)\]]|(?:according|although|among|and|as|at|based|because|but|by|can|cannot|clearly|due"
    rf"|for|from"
    r"|given|here|if|in|indeed|instead|is|isn't|not|of the|on|or|out of|over|remains|left|fits|matches|correct|right"
    r"|rather"
    r"|seems|since|so|that|the|then|therefore|this|though|to|was|when|where|which|while|with|without|would"
    r"|definitely|probably|richtig|korrekt"
    r"|falsch"
    r"|als|car|da|denn|et|est|ist|mais|nicht|oder|ou|parce|porque|pero|und|weil|y|es|que|o|и|или|так|потому|pois|e"
    r"|perché"
    r"|è|é|die|der|das|wählen|nehmen)\b"
)
_NAME = re.compile(rf"\.? ?(?!{_NO_NAME})[^\W\d_A-Z]")
_ARTICLE_OF = re.compile(rf" (?!{_NO_NAME})\w", re.IGNORECASE)
_ALSO = re.compile(
    r"""(?: ?\([^()\n]{1,60}\))?[\s)\]}"'.]{0,3}(?:[,;/&+、]|,? ?\b(?:and|or|und|oder|et|ou|y|o|e|и|или)\b(?:/or)?"""
    r"""|和|或者?|与|と|または|か|와|과|또는) ?(?:(?:and|or|maybe|possibly|option|choice|either) ){0,2}[(\["']{0,2}"""
    rf"""([A-H]|[a-h](?=[)\].,;"'\n]|\Z)){_LETTER_END}""",
    re.IGNORECASE,
)
# What begins a new clause about the next letter instead of a list (`The answer is A, B is wrong`).
_PREDICATE = re.compile(
    r"[)\]]?\.? (?:is|are|was|has|have|had|does|do|did|would|could|should|might|may|can|cannot|can't|shows?|lacks?"
    r"|looks?|fits?|seems?|being|doesn't|isn't|hasn't|won't|wouldn't|ist|est|es|è|não|no|n'est)\b",
    re.IGNORECASE,
)
_LINE_END = re.compile(r"[^\w\n]*(?:\n|\Z)")
_TEXT_LETTER = re.compile(
    r"\s?(?:[(\[](?:option |answer |letter |choice )?([A-Ha-h])[)\]]"
    r"|(?:, |-{1,2}>? ?|: )(?:option |answer |letter |choice )?\(?([A-H])\)?(?=\W*(?:\n|\Z)))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Value:
    """Hold what a place in a text names.

    Attributes:
        letters: the letters; several are a list or a contradiction.
        by_text: whether an option is named by its text alone.
        end: where the value ends in the text.
        has_text: whether an option is named by its letter with a text.
    """

    letters: frozenset[str]
    by_text: bool
    end: int
    has_text: bool = False


class Question:
    """Hold the options of a question in the form in which they are compared with responses."""

    def __init__(self, options: tuple[str, ...]):
        self.letters = LETTERS[: len(options)]
        self.texts = dict(zip(self.letters, map(_option_text, options), strict=True))
        self.longest = max(map(len, self.texts.values()))
        self._folded = {letter: own.casefold() for letter, own in self.texts.items()}
        self._initials = frozenset(own[:1].casefold() for own in self.texts.values() if own)

    def equal(self, text: str) -> frozenset[str]:
        """Return the letters whose option is ``text``; case counts only if options differ in nothing else."""
        folded = text.casefold()
        exact = frozenset(letter for letter, own in self.texts.items() if own and own == text)
        return exact or frozenset(letter for letter, own in self._folded.items() if own and own == folded)

    def named_at(self, text: str, start: int) -> tuple[frozenset[str], int]:
        """Return the letters of the longest option text that stands at ``start``, and where it ends."""
        if text[start : start + 1].casefold() not in self._initials:
            return frozenset(), start
        ends = {}
        for letter, own in self._folded.items():
            end = start + len(self.texts[letter])
            if own and text[start:end].casefold() == own and not _continues(text, end):
                ends[letter] = end
        longest = max(ends.values(), default=start)
        letters = frozenset(letter for letter, end in ends.items() if end == longest)
        exact = frozenset(letter for letter in letters if text.startswith(self.texts[letter], start))
        return exact or letters, longest

    def named_before(self, text: str, end: int) -> tuple[frozenset[str], int]:
        """Return the letters of the longest option text that ends at ``end``, and where it starts."""
        starts = {}
        for letter, own in self._folded.items():
            start = end - len(self.texts[letter])
            is_part = text[start - 1 : start].isalnum() and own[:1].isalnum()
            if own and start >= 0 and not is_part and text[start:end].casefold() == own:
                starts[letter] = start
        first = min(starts.values(), default=end)
        return frozenset(letter for letter, start in starts.items() if start == first), first

    def value_at(self, text: str, position: int, names: bool = True) -> Value | None:
        """Return the value at ``position``, after opening brackets and quotation marks; None if there is none."""
        start = end_of_match(_OPENING, text, position)
        by_text = self._text_at(text, start) if names else None
        letter = _LETTER.match(text, start)
        if letter is None or letter[1].upper() not in self.letters:
            return by_text
        if by_text and (by_text.end - start > 1 or len(by_text.letters) > 1):
            return by_text
        return self._letter_at(text, start)

    def _text_at(self, text: str, start: int) -> Value | None:
        """Return an option's own text at ``start``, with its letter after it or not, where a clause ends."""
        for begin in dict.fromkeys((start, end_of_match(_ARTICLE, text, start))):
            letters, end = self.named_at(text, begin)
            if not letters:
                continue
            label = _TEXT_LETTER.match(text, end)
            if label and (named := (label[1] or label[2]).upper()) in self.letters:
                return Value(frozenset({named}) if named in letters else letters | {named}, False, label.end(), True)
            if _CLAUSE_END.match(text, end):
                # A capital may be the article or a letter.
                is_letter = begin > start and text[start] in self.letters and text[start + 1] == " "
                return Value(letters | {text[start]}, False, end) if is_letter else Value(letters, True, end)
        return None

    def _letter_at(self, text: str, start: int) -> Value | None:
        """Return a letter at ``start``: itself, nothing, or a contradiction with what follows."""
        letter, has_text = text[start].upper(), False
        gap = end_of_match(_GAP, text, start + 1)
        for begin in dict.fromkeys((gap, end_of_match(_ARTICLE, text, gap), start)):
            named, end = self.named_at(text, begin)
            if named and "\n" in text[start:begin] and not _LINE_END.match(text, end):
                continue
            if letter in named:
                if text[start:begin] == "a " and not _CLAUSE_END.match(text, end):
                    # The article of a text that goes on (`a platelet or a basophil`).
                    return None
                has_text = True
                break
            if named and (begin == start or self._is_own(text, start + 1, begin, end)):
                return Value(named | {letter}, False, end, True)
        else:
            end = start + 1
            is_article = text[start] == "a" and _ARTICLE_OF.match(text, end)
            if is_article or (_NAME.match(text, end) and not text.startswith(")", end)):
                return None
            if rival := self._cut_off_text(text, end):
                return Value(rival | {letter}, False, len(text))
        return Value(frozenset({letter}) | self._listed_after(text, end, letter), False, end, has_text)

    def _is_own(self, text: str, gap: int, begin: int, end: int) -> bool:
        """Tell whether the option text from ``begin`` to ``end`` belongs to the letter before the gap."""
        return text[gap:begin].strip(" ") in (")", "(", "):", ":") or _CLAUSE_END.match(text, end) is not None

    def _cut_off_text(self, text: str, end: int) -> frozenset[str]:
        """Return the letters of options whose text is cut off at the end of the response, after a letter's bracket."""
        gap_end = end_of_match(_GAP, text, end)
        rest = text[gap_end:].casefold() if len(text) - end < self.longest + 8 else ""
        if len(rest) < 3 or ")" not in text[end:gap_end]:
            return frozenset()
        return frozenset(letter for letter, own in self._folded.items() if own.startswith(rest))

    def _listed_after(self, text: str, end: int, letter: str) -> frozenset[str]:
        """Return the next letter of a list (``B or C``) or of an echo of the options that goes on from ``letter``."""
        also = _ALSO.match(text, end)
        if also:
            is_clause = ("," in also[0] or ";" in also[0]) and _PREDICATE.match(text, also.end())
            return frozenset() if is_clause else frozenset({also[1].upper()})
        label = LABEL.match(text, end_of_match(_BREAK, text, end))
        shown = self.labeled_letter(text, label) if label else frozenset()
        # On lines of their own the options are echoed only in their order; explanations start anywhere.
        is_apart = label is not None and "\n" in text[end : label.start()] and shown != {chr(ord(letter) + 1)}
        return frozenset() if is_apart else shown

    def labeled_letter(self, text: str, label: re.Match[str]) -> frozenset[str]:
        """Return the letter of a label that stands before its own option's text."""
        letter = label[1].upper()
        is_shown = letter in self.texts and letter in self.named_at(text, label.end())[0]
        return frozenset({letter}) if is_shown else frozenset()

    def value_before(self, text: str, end: int) -> tuple[Value, int] | None:
        """Return the value that ends at ``end``, and where it starts: a letter, a text, or a letter with its text."""
        close = len(text[:end].rstrip(" \"')]},"))
        named, start = self.named_before(text, close)
        before = text[max(0, (start if named else close) - 40) : start if named else close]
        label = _LABEL_BEFORE.search(before) if named else _LETTER_BEFORE.search(before)
        if label is None:
            return (Value(named, True, end), start) if named else None
        letter, offset = label[1].upper(), (start if named else close) - len(before)
        if letter not in self.letters:
            return None
        letters = frozenset({letter}) if not named or letter in named else named | {letter}
        return Value(letters, False, end, bool(named)), offset + label.start()


LABEL = re.compile(r"\b([A-Ha-h])\"?[).:\]]{1,2}\s?\"?")
_BREAK = re.compile(r"[\s,;.()\[]{0,3}")
_LABEL_BEFORE = re.compile(
    r"(?<![\w'&-])[(\[\"']?(?:(?:option|choice|answer) )?[(\[\"']{0,2}([A-Ha-h])[)\].:,\"']{0,3} ?-? ?[(\[\"']{0,2}\Z",
    re.IGNORECASE,
)
_LETTER_BEFORE = re.compile(
    r"(?<![A-Za-z0-9_'&-])[(\[\"']?(?:(?:option|choice|answer|选项|選択肢) ?)?[(\[\"']{0,2}([A-H])\Z",
    re.IGNORECASE,
)


def _continues(text: str, end: int) -> bool:
    """Tell whether the word that ends at ``end`` goes on, as in `basophil-like` or `basophils`."""
    following = text[end : end + 1]
    return (following.isascii() and following.isalnum()) or (following == "-" and text[end + 1 : end + 2].isalpha())


@functools.lru_cache(maxsize=4096)
def _option_text(option: str) -> str:
    """Return the text of an option as it is compared with responses."""
    return strip_punctuation(to_plain_text(option))


@functools.lru_cache(maxsize=4096)
def cached_question(options: tuple[str, ...]) -> Question:
    """Return the question with these options; questions are kept, since the same ones come again and again."""
    return Question(options)
