"""Separate a response's answer from its reasoning.

`TAGS` is the only list of reasoning tags, for letters and for boxes. The tasks' YAML has none, so that responses are
logged in full.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from microbench_tasks.parsing.cleaning.chat_tokens import final_channel, first_answer_turn
from microbench_tasks.parsing.probabilities import split_probabilities

# Names of tags of the form <name>…</name>. Seed, LongCat and MiniMax put their own prefix before the name.
_NAMES = (
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reason",
    "reasoning",
    "reflection",
    "analysis",
    "scratchpad",
    "thought_process",
    "thinking_process",
    "reasoning_process",
    "reasoning_content",
    "chain_of_thought",
    "cot",
    "inner_monologue",
    "seed:think",
    "longcat_think",
    "mm:think",
    "antthinking",
)
# Opening and closing tag.
TAGS: tuple[tuple[str, str], ...] = (
    *((f"<{name}>", f"</{name}>") for name in _NAMES),
    ("◁think▷", "◁/think▷"),  # Kimi
    ("[THINK]", "[/THINK]"),  # Mistral
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # OpenThinker, LLaMA-o1
    ("<|begin_of_thinking|>", "<|end_of_thinking|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Cohere
    ("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    ("<unused94>", "<unused95>"),  # MedGemma
    ("<|channel>thought", "<channel|>"),  # Gemma 4
)


@dataclass(frozen=True)
class AnswerPart:
    """Hold the part of a response that can state an answer.

    Attributes:
        text: the response without reasoning, chat tokens and what follows the model's own turn. A last line of
            probabilities is kept. Equal to the response if nothing was removed, else without surrounding space.
        truncated: whether the reasoning never ends; ``text`` is then the text before it.
        removed: the kinds of text that were removed, each once, in alphabetical order: ``channel`` (other channels of
            gpt-oss), ``end_token``, ``other_turn`` (text of a turn that is not the model's first answer),
            ``reasoning``, ``role_token``, ``special_token`` and ``struck_text``.
    """

    text: str
    truncated: bool
    removed: tuple[str, ...]


def answer_part(text: str) -> AnswerPart:
    """Remove reasoning and chat tokens from a response, in linear time.

    A block that is never closed makes the response truncated. A closing tag without an opening one means that the
    chat template opened the block: all before it is reasoning. A tag that the text only mentions, such as
    ``"<think>"`` in quotation marks, stays.

    >>> answer_part("<think>It may be A.</think>B<|im_end|>")
    AnswerPart(text='B', truncated=False, removed=('end_token', 'reasoning'))
    >>> answer_part("<think>It may be A")
    AnswerPart(text='', truncated=True, removed=('reasoning',))
    """
    answer, shares = split_probabilities(text)
    removed: set[str] = set()
    answer, is_truncated = final_channel(answer, removed)
    if not is_truncated:
        answer = first_answer_turn(answer, removed)
        answer, is_truncated = _without_reasoning(answer, removed)
    if not removed:
        return AnswerPart(text, False, ())
    return AnswerPart(answer.strip() + shares, is_truncated, tuple(sorted(removed)))


# --- tags ----------------------------------------------------------------------------


def _tag_pattern(tag: str) -> str:
    """Return a pattern for a tag in any case, with spaces and attributes; tags in square brackets match exactly."""
    if tag.startswith("["):
        return f"(?-i:{re.escape(tag)})"
    if name := re.fullmatch(r"<(/?)([\w:]+)>", tag):
        attributes = "" if name[1] else r"(?:\s[^<>/]{0,80})?"
        return rf"<\s?{name[1]}\s?{name[2]}{attributes}\s{{0,8}}>"
    return re.escape(tag)


_TAG = re.compile(
    r"(?=<[\s/|a-z]|◁|\[/?T)(?:"
    + "|".join(
        f"(?P<open_{number}>{_tag_pattern(opening)})|(?P<close_{number}>{_tag_pattern(closing)})"
        for number, (opening, closing) in enumerate(TAGS)
    )
    + ")",
    re.IGNORECASE,
)
# IBM's Granite writes these phrases instead of tags.
_PHRASES = re.compile(r"\s*Here is my thought process:.*?Here is my response:", re.DOTALL)
_NAMED_AS_TAG = re.compile(r" (?:tags?|tokens?|blocks?|markers?)\b|[,;)]|\.(?!\.)")
_QUOTES = {"`": "`", '"': '"', "'": "'", "“": "”", "‘": "’", "「": "」"}


def _without_reasoning(text: str, removed: set[str]) -> tuple[str, bool]:
    """Remove the reasoning blocks of a text; also return whether one is never closed."""
    if phrases := _PHRASES.match(text):
        removed.add("reasoning")
        text = text[phrases.end() :]
    kept: list[str] = []
    start, inside = 0, None
    for tag in _TAG.finditer(text):
        if _is_mention(text, tag.start(), tag.end()):
            continue
        side, _, number = (tag.lastgroup or "").partition("_")
        if side == "open" and inside is None:
            kept.append(text[start : tag.start()])
            inside = number
        elif side == "close" and inside in (None, number):
            if inside is None:
                # The chat template opened the block.
                kept.clear()
            inside, start = None, tag.end()
        else:
            continue
        removed.add("reasoning")
    if inside is None:
        kept.append(text[start:])
    return "\n".join(kept), inside is not None


def _is_mention(text: str, start: int, end: int) -> bool:
    """Tell whether the tag at ``start`` is quoted, or named as a tag in the middle of a line."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before in _QUOTES and after == _QUOTES[before]:
        return not text[start - 2 : start - 1].isalnum()
    return before == " " and _NAMED_AS_TAG.match(text, end) is not None
