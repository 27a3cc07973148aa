"""Ask a server for the probabilities of the first token, and record those of the letters of a question's options.

The answer gets a second line, ``{"probabilities": {"A": 0.9, "B": 0.05}, "absent": ["C"]}``, which
`microbench_tasks.parsing.probabilities` reads. A server lists only its most probable tokens: a letter that is not among
them is absent, and not of probability 0.

The first token is the first one that is not blank. It must begin the answer: otherwise it belongs to reasoning that the
server keeps apart, and the probabilities are not those of an answer.

Source: the request and the form of the reply are those of OpenAI (``logprobs``, ``top_logprobs``), which vLLM, SGLang
and llama.cpp follow.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.runs.result_keys import LOGPROBS_SETTING
from microbench_tasks.util.errors import DataError

# The most that OpenAI's and vLLM's servers list, unless told otherwise.
_MOST_TOKENS = 20
# Marks that tokenizers put in place of a leading space.
_SPACE_MARKS = "\u0120\u2581"
ADVICE = (
    f"the server may not give probabilities of tokens ({LOGPROBS_SETTING}): unset {LOGPROBS_SETTING}, or set a smaller "
    "number"
)

NO_SERVER = f"{LOGPROBS_SETTING} has no effect: this model is not asked through an OpenAI-compatible client."
OTHER_PROMPTS = (
    f"{LOGPROBS_SETTING} has no effect: the model class sends other prompts than those of the questions. Use --model "
    "openai or async_openai."
)


def requested_number() -> int | None:
    """Read the setting: how many of the most probable tokens to ask for; None if it is not set.

    Raises:
        DataError: it is not a whole number from 1 to 20.
    """
    value = os.environ.get(LOGPROBS_SETTING, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= _MOST_TOKENS):
        raise DataError(
            f"{LOGPROBS_SETTING}={value}: expected a number of tokens from 1 to {_MOST_TOKENS}. Set "
            f"{LOGPROBS_SETTING}={_MOST_TOKENS}, or unset it."
        )
    return int(value)


def with_request(payload: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the payload of a question that also asks for the most probable tokens."""
    return {**payload, "logprobs": True, "top_logprobs": number}


def letters_of_prompt(prompt: str) -> str:
    r"""Return the letters of the options in a prompt, which stand at the beginnings of lines, in order.

    >>> letters_of_prompt("Question:Which cell?\nA) basophil\nB) platelet")
    'AB'
    """
    number, position = 0, 0
    for letter in LETTERS:
        found = prompt.find(f"\n{letter}) ", position)
        if found < 0:
            break
        number, position = number + 1, found + 1
    return LETTERS[:number]


def prompt_of(payload: Mapping[str, Any]) -> str:
    """Return the text of the last turn of a payload; empty if it has none."""
    messages = payload.get("messages")
    turn = messages[-1] if isinstance(messages, list) and messages else None
    content = turn.get("content") if isinstance(turn, Mapping) else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping) and part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def first_token(choice: Any) -> dict[str, Any] | None:
    """Return the first token of a choice that is not blank, with the most probable ones, as JSON values.

    Args:
        choice: of a completion of the package openai, or the same as mappings and lists.

    Returns:
        ``token`` and ``top_logprobs``, a list of tokens with ``logprob``; None if the server gave none.
    """
    tokens = _field(_field(choice, "logprobs"), "content")
    for entry in tokens if isinstance(tokens, (list, tuple)) else ():
        token, listed = _field(entry, "token"), _field(entry, "top_logprobs")
        if not isinstance(token, str) or not isinstance(listed, (list, tuple)):
            return None
        if _plain(token):
            pairs = [(_field(top, "token"), _field(top, "logprob")) for top in listed[:_MOST_TOKENS]]
            usable = [pair for pair in pairs if isinstance(pair[0], str) and _is_log_probability(pair[1])]
            return {
                "token": token,
                "top_logprobs": [{"token": name, "logprob": float(value)} for name, value in usable],
            }
    return None


def with_letters(answer: str, token: Mapping[str, Any] | None, letters: str) -> str:
    r"""Return the answer with a second line for the probabilities of the letters; unchanged if none is known.

    Args:
        answer: of the server.
        token: from `first_token`.
        letters: of the question's options.

    >>> listed = [{"token": "B", "logprob": 0.0}, {"token": "The", "logprob": -9.0}]
    >>> with_letters("B", {"token": "B", "top_logprobs": listed}, "AB")
    'B\n{"probabilities": {"B": 1.0}, "absent": ["A"]}'
    """
    # After another first token, such as "The", the letters listed beside it say nothing about the answer.
    if (
        token is None
        or _plain(token["token"]) not in tuple(letters)
        or not answer.lstrip().startswith(_plain(token["token"]))
    ):
        return answer
    shares = _sums(token["top_logprobs"], letters)
    if not shares:
        return answer
    record: dict[str, Any] = {"probabilities": shares}
    if absent := [letter for letter in letters if letter not in shares]:
        record["absent"] = absent
    return f"{answer}\n{json.dumps(record)}"


def _sums(listed: Iterable[Mapping[str, Any]], letters: str) -> dict[str, float]:
    """Return the probability of each letter: the sum over its tokens, with and without a space before it."""
    tokens = [(_plain(entry["token"]), math.exp(entry["logprob"])) for entry in listed]
    sums = {letter: math.fsum(share for name, share in tokens if name == letter) for letter in letters}
    # Servers list a token beyond their limit with a logarithm whose probability is 0: it is not known.
    return {letter: min(share, 1.0) for letter, share in sums.items() if share > 0}


def _plain(token: str) -> str:
    return token.lstrip(_SPACE_MARKS).strip()


def _is_log_probability(value: Any) -> bool:
    # Rounding may leave a little above 0.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 1e-3


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
