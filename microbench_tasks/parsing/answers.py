"""Read the letter that a response states, by a named rule.

Two rules, never mixed: the paper's (`paper_letters`), which reproduces published figures,
and the strict one (`strict_answer`), which reads an answer only where one is stated.
"""

from __future__ import annotations

from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.parsing import strict
from microbench_tasks.parsing.failures import placeholder
from microbench_tasks.parsing.probabilities import probabilities
from microbench_tasks.parsing.strict import KINDS, RULES, Answer, Kind, Rule

__all__ = [
    "KINDS",
    "LETTERS",
    "RULES",
    "Answer",
    "Kind",
    "Rule",
    "lettered",
    "paper_letters",
    "placeholder",
    "probabilities",
    "strict_answer",
]


def lettered(options: list[str]) -> list[str]:
    """Options as the prompt writes them: ``A) first``, ``B) second``, …"""
    return [f"{letter}) {option}" for letter, option in zip(LETTERS, options)]


def paper_letters(response: str, options: list[str]) -> list[str]:
    """The letters that the paper's rule would call right for ``response``, were they the answer's.

    The rule, flaws included: the response's first character is the letter, or the lettered
    option (``B) basophil``) occurs in it; case counts. So ``The answer is B`` gives no letter
    and ``Cannot tell`` gives C. An echo of all options gives them all.

    What reaches the rule is the text of `microbench_tasks.parsing.response.answer_text`: the response without an echo
    of the prompt, reasoning, chat tokens and surrounding white space.

    Two deviations from the published code: it has letters up to G although it prompts with H, and here every letter
    of the question counts; it deletes ``nan`` inside responses, so that an option with ``malignancy`` is not found,
    and here the response stays as it is. Source: GitHub ``Ale9806/eVLLM``.

    >>> paper_letters("B) basophil", ["platelet", "basophil"])
    ['B']
    >>> paper_letters("basophil", ["platelet", "basophil"])
    []
    """
    if placeholder(response):
        # An error message may begin with a letter, or quote the question.
        return []
    letters = LETTERS[: len(options)]
    first = [letter for letter in letters if response.startswith(letter)]
    echoed = [option[0] for option in lettered(options) if option in response]
    return list(dict.fromkeys(first + echoed))


def strict_answer(response: str, options: list[str]) -> Answer:
    """Return the one answer that ``response`` states; see `microbench_tasks.parsing.strict.strict_answer`.

    Texts that the harness writes instead of a response are not answers: see `placeholder`.

    >>> strict_answer("The answer is **B**. A is too small.", ["platelet", "basophil"])
    Answer(letter='B', kind='parsed', rule='declaration')
    """
    absent = placeholder(response)
    return Answer(None, absent, None) if absent else strict.strict_answer(response, options)
