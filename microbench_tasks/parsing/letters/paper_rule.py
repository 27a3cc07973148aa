"""The paper's rule: which letters a response is scored as, flaws included.

It reproduces published figures and is never mixed with the strict rule (`strict_rule`).
"""

from __future__ import annotations

from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.parsing.failures import placeholder_kind


def lettered_options(options: list[str]) -> list[str]:
    """Write options as the prompt does: ``A) first``, ``B) second`` and so on.

    Args:
        options: the texts of at most 8 options.

    >>> lettered_options(["platelet", "basophil"])
    ['A) platelet', 'B) basophil']
    """
    return [f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=False)]


def paper_letters(response: str, options: list[str]) -> list[str]:
    """Return the letters that the paper's rule accepts for a response.

    A letter is accepted if it is the first character of the response, or if the lettered option (``B) basophil``)
    occurs in the response. Case counts. The flaws of the rule are kept: ``The answer is B`` gives no letter,
    ``Cannot tell`` gives C, and a response that repeats all options gives all letters.

    The rule deviates from the published code in two points. That code has letters up to G although it prompts with
    H; here every letter of the question counts. That code deletes ``nan`` inside responses, so that an option with
    ``malignancy`` is not found; here the response is not changed.

    Args:
        response: the scored text (`response.scored_text`).
        options: the texts of the question's options, in the order of their letters.

    Returns:
        The accepted letters, each once. The response is right if the letter of the right option is among them.

    Source: GitHub ``Ale9806/eVLLM``.

    >>> paper_letters("B) basophil", ["platelet", "basophil"])
    ['B']
    >>> paper_letters("basophil", ["platelet", "basophil"])
    []
    """
    if placeholder_kind(response):
        # An error message may begin with a letter, or quote the question.
        return []
    letters = LETTERS[: len(options)]
    first = [letter for letter in letters if response.startswith(letter)]
    quoted = [option[0] for option in lettered_options(options) if option in response]
    return list(dict.fromkeys(first + quoted))
