"""Fill the templates of ``tests/support/data/answers_parts.json``: questions, lists of options and conclusions."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Case:
    """A question, the index of the option that a response states, and that of another one it may mention.

    An option is a list of five texts: the option itself, a description, a clause for it, one against it, a condition.
    """

    question: str
    scene: Sequence[str]
    options: Sequence[Sequence[str]]
    stated: int
    other: int


@dataclass(frozen=True)
class Composed:
    """A response with its right value; ``why`` is given where it states no letter."""

    case: Case
    response: str
    letter: str | None
    why: str | None = None


def capitalize(text: str) -> str:
    """Capitalize the first letter, and leave the others."""
    return text[:1].upper() + text[1:]


def paragraphs(*texts: str) -> str:
    """Join the texts that are not empty, with an empty line between them."""
    return "\n\n".join(text for text in texts if text)


def stating(case: Case, response: str) -> Composed:
    """Return a response that states the case's option."""
    return Composed(case, response, LETTERS[case.stated])


def replace_all(template: str, values: dict[str, str]) -> str:
    r"""Replace each ``{name}`` of one letter in one pass; other braces stay, as those of ``\boxed{{L}}``."""
    return re.sub(r"\{(\w)\}", lambda match: values.get(match[1], match[0]), template)


class Composer:
    """Fill templates with parts that are drawn in shuffled rounds, so that each is used about equally often."""

    def __init__(self, parts: dict[str, Any], seed: str, language: str = "en") -> None:
        self.rng = random.Random(seed)
        self.questions = parts["questions"]
        self.forms = parts["forms"]
        self.phrases = parts["en"] if language == "en" else parts["languages"][language]
        self.decks: dict[str, list[Any]] = {}

    def draw(self, items: Sequence[Any]) -> Any:
        """Draw an item; none comes again before all others have come."""
        deck = self.decks.setdefault(repr(items), [])
        if not deck:
            deck.extend(items)
            self.rng.shuffle(deck)
        return deck.pop()

    def case(self) -> Case:
        """Draw a question, the option to be stated, and another one that is not "none of the above"."""
        name = self.draw(sorted(self.questions))
        question, scene, options = self.questions[name].values()
        stated = self.draw([(name, index) for index in range(len(options))])[1]
        others = [i for i, option in enumerate(options) if i != stated and option[0].lower() != "none of the above"]
        return Case(question, scene, options, stated, self.rng.choice(others))

    def fill(self, template: str, case: Case) -> str:
        """Fill a template: L, T, f stand for the stated option, X, Y, a, i for the other one, S for the scene."""
        text, _, reason, _, _ = case.options[case.stated]
        other, _, _, against, condition = case.options[case.other]
        scene = self.draw(case.scene) if "{S}" in template else ""
        return replace_all(template, {
            "L": LETTERS[case.stated], "T": text, "E": text.replace("&", "\\&"), "X": LETTERS[case.other], "Y": other,
            "f": reason, "F": capitalize(reason), "a": against, "A": capitalize(against), "i": condition, "S": scene,
        })  # fmt: skip

    def form(self, name: str, case: Case) -> str:
        """Draw a template of forms and fill it."""
        return self.fill(self.draw(self.forms[name]), case)

    def phrase(self, name: str, case: Case) -> str:
        """Draw a phrase of the composer's language and fill it."""
        return self.fill(self.draw(self.phrases[name]), case)

    def conclude(self, case: Case, before: str) -> str:
        """Add a conclusion in a paragraph of its own, or a sentence in the last paragraph."""
        if "\n" not in before and before and self.rng.random() < 0.4:
            return before + self.phrases.get("joint", " ") + self.phrase("inline", case)
        return paragraphs(before, self.phrase(self.draw(("line", "inline")), case))

    def rows(self, case: Case, row: str, clause: Callable[[int], str], verdict: Callable[[int], str] = str) -> str:
        """Write one row for each option, with its clause and verdict."""
        style = self.rng.choice((str, capitalize))
        lines = [
            replace_all(row, {
                "L": LETTERS[i], "l": LETTERS[i].lower(), "n": str(i + 1), "T": style(option[0]),
                "d": clause(i), "D": capitalize(clause(i)), "V": verdict(i),
            })
            for i, option in enumerate(case.options)
        ]  # fmt: skip
        return "\n".join(lines).rstrip()

    def option_list(self, case: Case, evidence: bool) -> str:
        """List the options with descriptions, or with evidence for the stated one and against the others."""

        def clause(index: int) -> str:
            return case.options[index][1 if not evidence else 2 if index == case.stated else 3]

        return paragraphs(self.phrase("header", case), self.rows(case, self.draw(self.forms["rows"]), clause))

    def verdicts(self, case: Case, right: set[int]) -> str:
        """List the options with verdicts; those in ``right`` are called correct."""
        words = self.rng.random() < 0.6
        yes, no = self.draw(self.forms["words" if words else "marks"])
        row = self.draw(self.forms["verdict_rows" if words else "mark_rows"])
        header = self.draw((self.phrase("header", case), ""))
        return paragraphs(header, self.rows(
            case, row, lambda i: case.options[i][2 if i in right else 3], lambda i: yes if i in right else no
        ))  # fmt: skip

    def cut(self, text: str, start: int) -> str:
        """Cut inside a word, after ``start``."""
        return text[: self.rng.choice([i for i in range(start + 2, len(text)) if text[i - 2 : i + 1].isalpha()])]
