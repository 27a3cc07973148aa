"""From a response to a letter, by a named rule. Imports nothing of ours but the letters."""

from __future__ import annotations

import json

from microbench_tasks.schema import LETTERS


def lettered(options: list[str]) -> list[str]:
    """Options as the prompt writes them: ``A) first``, ``B) second``, …"""
    return [f"{letter}) {option}" for letter, option in zip(LETTERS, options)]


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
    letters = LETTERS[: len(options)]
    first = [letter for letter in letters if response.startswith(letter)]
    echoed = [option[0] for option in lettered(options) if option in response]
    return list(dict.fromkeys(first + echoed))


def probabilities(response: str, num_options: int) -> dict[str, float] | None:
    """The per-option probabilities on a response's second line, if a model put them there.

    The line is a JSON object ``{"probabilities": {letter: number}}`` with exactly the
    question's letters; anything else gives None.
    """
    _, _, second_line = response.partition("\n")
    try:
        found = json.loads(second_line)["probabilities"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(found, dict) or list(found) != list(LETTERS[:num_options]):
        return None
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in found.values()):
        return None
    return found
