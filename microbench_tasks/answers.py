"""From a response to a letter, by a named rule.

Two rules, never mixed: the paper's (`paper_letters`), which reproduces published figures,
and the strict one (`strict_answer`), which reads an answer only where one is stated.
"""

from __future__ import annotations

import re
from typing import Literal

from microbench_tasks.parsing import strict
from microbench_tasks.parsing.probabilities import probabilities
from microbench_tasks.parsing.strict import KINDS, RULES, Answer, Kind, Rule
from microbench_tasks.schema import LETTERS

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


# What lmms-eval's clients of servers return for a request that failed in all its tries, or that was not made as the
# run's budget of tokens was used up; and what its async_openai makes of a message without content.
_FAILED = re.compile(r"\[LMMS_EVAL_(?:REQUEST_FAILED|BUDGET_EXCEEDED)\b")
_NO_CONTENT = 'Error: can only concatenate str (not "NoneType") to str'


def placeholder(response: str) -> Literal["failed", "empty"] | None:
    """What the harness's own text in the place of a model's stands for; None if ``response`` is the model's.

    Source: ``models/chat/openai.py`` and ``models/chat/async_openai.py`` of lmms-eval 0.7.3.

    >>> placeholder("[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500")
    'failed'
    """
    if _FAILED.match(response):
        return "failed"
    return "empty" if response == _NO_CONTENT else None


def paper_letters(response: str, options: list[str]) -> list[str]:
    """The letters that the paper's rule would call right for ``response``, were they the answer's.

    The rule, flaws included: the response's first character is the letter, or the lettered
    option (``B) basophil``) occurs in it; case counts. So ``The answer is B`` gives no letter
    and ``Cannot tell`` gives C. An echo of all options gives them all.

    Deviation: the published code has letters up to G although it prompts with H; here every
    letter of the question counts. Source: GitHub ``Ale9806/eVLLM``.

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
    """The one answer that ``response`` states; see `microbench_tasks.parsing.strict.strict_answer`.

    What the harness writes in the place of a response is no answer: see `placeholder`.

    >>> strict_answer("The answer is **B**. A is too small.", ["platelet", "basophil"])
    Answer(letter='B', kind='parsed', rule='declaration')
    """
    absent = placeholder(response)
    return Answer(None, absent, None) if absent else strict.strict_answer(response, options)
