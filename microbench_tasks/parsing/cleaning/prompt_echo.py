"""Remove a prompt that a model repeats before its answer."""

from __future__ import annotations

import functools
import re

from microbench_tasks.parsing.matching import end_of_match

# Maximum length of the text between the tokens of an image and an echoed prompt: the marks of a chat template and a
# system message.
_MAX_HEAD_LENGTH = 2_000
# How many words of the prompt are searched for first.
_NUM_OPENING_WORDS = 4

_SPECIAL = r"<[^<>\s]{1,40}+>(?:\s?:)?|\[/?INST\]|<</?SYS>>|\[gMASK\]|\[\|\w{1,20}+\|\]|\[Round\ \d++\]"
_ASKER = (
    r"(?:\#{2,3}\s*+|\*\*)?(?:(?:(?:GPT4\ Correct\ )?user|human|question|instruction)\b\s*+:?"
    r"|(?:q|prompt|input|query|问)\s*+[:：])(?:\*\*)?"
)
_PREAMBLE = r"(?:system\b\s*+:?|You\ are\ an?\b|A\ chat\ between\b|Below\ is\ an\ instruction\b)"
# Text of a chat template before the question: tokens and roles, or a system message that ends with such a token.
_HEAD = re.compile(
    rf"(?:\s++|{_SPECIAL}|{_ASKER})*+"
    rf"(?:{_PREAMBLE}.*(?:{_SPECIAL}|{_ASKER}))?(?:\s++|{_SPECIAL}|{_ASKER})*+",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_HEAD_TOKENS = re.compile(rf"(?:\s++|{_SPECIAL}|{_ASKER})*+", re.IGNORECASE | re.VERBOSE)
# Text of a chat template between question and answer. Not every tag, since an answer may be a tag.
_TURN = (
    r"</?s>|\[/INST\]|<(?:AI|bot)>(?:\s?:)?|\[\|(?:AI|assistant)\|\]"
    r"|<(?:start|end)_of_turn>|<end_of_utterance>|<[be]os>"
    r"|<\|(?:im_start|im_end|eot_id|start_header_id|end_header_id|end|end_of_turn|endoftext|end_of_text|eom_id)\|>"
    r"|<\|assistant\|>(?:\s?:)?"
)
_ANSWERER = r"(?:(?:GPT4\ Correct\ )?assistant|model|gpt|bot|ai)(?:[ \t]*+:|(?=\s*\n|\s*<[|/]|<start_of_turn>))"
_TAIL = re.compile(
    rf"(?:\s++|{_TURN}|\#{{2,3}}\s*+response:|(?:\#{{2,3}}\s*+)?{_ANSWERER})*+", re.IGNORECASE | re.VERBOSE
)
# A template that announces the question announces the answer too.
_QUESTION = re.compile(r"(?:\b(?:question|q|prompt|input|query)|问)\s*[:：](?:\*\*)?\s*\Z", re.IGNORECASE)
_ANSWER = re.compile(r"\s*(?:\*\*)?(?:(?:short )?answer|a|response|output|答)\s*[:：](?:\*\*)?\s*", re.IGNORECASE)


def without_prompt(text: str, prompt: str) -> str | None:
    r"""Remove the prompt, bare or in a chat template, from the beginning of ``text``; None if it is not there.

    Only the whole prompt, exact except for white space, is removed. An answer that quotes a part of it is unchanged.

    >>> without_prompt("USER: Which cell? A) one B) two ASSISTANT: B", "Which cell?\nA) one\nB) two")
    'B'
    """
    words = prompt.split(None, 2)
    # A prompt of one word may be the beginning of an answer. Most responses lack even the prompt's first word.
    if len(words) < 2 or words[0] not in text:
        return None
    wanted = "".join(prompt.split())
    longest_head = end_of_match(_HEAD_TOKENS, text) + _MAX_HEAD_LENGTH
    for opening in _opening(prompt).finditer(text, 0, longest_head + len(prompt)):
        if opening.start() > longest_head:
            break
        end = _end_of_echo(text, opening.start(), wanted)
        if end is None or not _HEAD.fullmatch(text, 0, opening.start()):
            continue
        # If the text continues in the middle of a word, a one-line prompt did not end here.
        if "\n" not in prompt and text[end - 1].isalnum() and text[end : end + 1].isalnum():
            continue
        announced = _ANSWER.match(text, end) if _QUESTION.search(text, 0, opening.start()) else None
        return text[announced.end() if announced else end_of_match(_TAIL, text, end) :]
    return None


@functools.lru_cache(maxsize=256)
def _opening(prompt: str) -> re.Pattern[str]:
    """Compile a pattern of the prompt's first words, with any white space between them."""
    return re.compile(r"\s*".join(map(re.escape, prompt.split(None, _NUM_OPENING_WORDS)[:_NUM_OPENING_WORDS])))


def _end_of_echo(text: str, start: int, wanted: str) -> int | None:
    """Match ``wanted``, a text without white space, at ``start``; return where it ends, None if it does not match."""
    place = start
    for character in wanted:
        while place < len(text) and text[place].isspace():
            place += 1
        if place == len(text) or text[place] != character:
            return None
        place += 1
    return place
