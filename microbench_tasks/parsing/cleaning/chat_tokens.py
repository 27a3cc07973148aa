"""Remove chat tokens from a response: channels of gpt-oss, ends of turns and names of roles."""

from __future__ import annotations

import re
from typing import NamedTuple

# Tokens that end the model's turn in the chat templates of current models.
_ENDS = (
    "<|im_end|>",  # ChatML: Qwen, InternVL, Yi
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<eos>",
    "<|eos|>",
    "[EOS]",
    "<|eot_id|>",  # Llama
    "<|eom_id|>",
    "<|eot|>",
    "<|end|>",  # Phi, gpt-oss
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",  # Gemma
    "<turn|>",  # Gemma 4
    "<end_of_utterance>",  # Idefics, SmolVLM
    "<|end_of_turn|>",
    "<|endofturn|>",
    "[|endofturn|]",  # EXAONE
    "<｜end▁of▁sentence｜>",  # DeepSeek
    "<|end_of_sentence|>",
    "<|END_OF_TURN_TOKEN|>",  # Cohere
    "<|END_RESPONSE|>",
    "<|assistant_end|>",  # Apertus
    "<eoa>",  # InternLM
    "<eod>",
    "<eot>",
)
# Tokens without a meaning in an answer.
_SPECIAL = (
    "<s>",
    "<bos>",
    "<pad>",
    "<unk>",
    "[PAD]",
    "<|begin_of_text|>",
    "<|startoftext|>",
    "<|pad|>",
    "<｜begin▁of▁sentence｜>",
    "<|START_RESPONSE|>",
    "<|START_TEXT|>",
)
_MODEL = "assistant|model|chatbot|gpt|bot|ai"
_OTHER = "user|system|human|tool|developer|observation|ipython|environment"
# How templates open a turn; ROLE is the role's name.
_ROLE_FORMS = (
    r"<\|im_start\|>\s?ROLE\b(?:<\|im_sep\|>)?",
    r"<\|im_ROLE\|>\w{0,20}<\|im_middle\|>",  # Kimi
    r"<start_of_turn>\s?ROLE\b",
    r"<\|turn>\s?ROLE\b",
    r"<\|(?:start_header_id|header_start|start_of_role)\|>\s?ROLE\s?<\|(?:end_header_id|header_end|end_of_role)\|>",
    r"<\|(?:start|begin)\|>ROLE\b",
    r"<\|ROLE(?:_start)?\|>",
    r"<｜ROLE｜>",
    r"(?:<\|START_OF_TURN_TOKEN\|>)?<\|ROLE_TOKEN\|>(?:<\|START_(?:RESPONSE|TEXT)\|>)?",
    r"\[\|ROLE\|\]",
    r"<longcat_ROLE>",
)


def _role_pattern(roles: str) -> str:
    return "|".join(form.replace("ROLE", f"(?:{roles})") for form in _ROLE_FORMS)


def _literals(tokens: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, tokens))


_TOKEN = re.compile(
    rf"(?=<[/|｜a-z]|\[[/|A-Z])(?:(?P<end>{_literals(_ENDS)})"
    rf"|(?P<model>{_role_pattern(_MODEL)}|\[/INST\])|(?P<other>{_role_pattern(_OTHER)}|\[INST\]))",
    re.IGNORECASE,
)
_SPECIAL_TOKEN = re.compile(rf"(?=<[|｜a-z]|\[P)(?:{_literals(_SPECIAL)})")
# Struck-through text in HTML, as opposed to the tokens <s> and </s> at the ends of a text.
_STRUCK = re.compile(r"(?<=\S )<s>[^<\n]{1,200}</s>|<s>[^<\n]{1,200}</s>(?= ?[^\s<])")
# A role's name whose surrounding tokens were dropped in decoding.
_BARE_ROLE = re.compile(r"\s*(?:assistant|model)[ \t]*(?:\n|:[ \t]*(?=\S))|\s*ASSISTANT:\s*|\s*thought\n")

# --- channels ------------------------------------------------------------------------

_CHANNEL = re.compile(
    r"(?:<\|(?:start|begin)\|>assistant)?(?:<\|channel\|>\s?(?P<name>\w*)[^<>]{0,80}"
    r"(?:<\|constrain\|>[^<>]{0,20})?<\|message\|>"
    r"|(?P<think><\|think\|>)|(?P<content><\|content\|>))"
)
_CHANNEL_OPENED_BY_TEMPLATE = re.compile(r"\s*(?P<name>analysis|commentary|final)<\|message\|>")
# The same without special tokens: in prose no capital directly follows the words `analysis` and `final`.
_BARE_ANALYSIS = re.compile(r"\s*(?:analysis|commentary)(?=[A-Z\"'(])")
_BARE_FINAL = re.compile(r"\s*final(?=[A-Z(\\*\"]|$)")
_BARE_SWITCH = "assistantfinal"


def final_channel(text: str, removed: set[str]) -> tuple[str, bool]:
    """Keep gpt-oss's first final channel (Solar: content) that is not blank, and say whether there is none.

    Text without channels is returned as it is.
    """
    opened = _CHANNEL_OPENED_BY_TEMPLATE.match(text)
    headers = [*([opened] if opened else []), *(_CHANNEL.finditer(text) if "<|" in text else ())]
    if headers:
        removed.add("channel")
        ends = [*(header.start() for header in headers[1:]), len(text)]
        finals = [
            text[header.end() : end] for header, end in zip(headers, ends, strict=True) if _is_final(header.groupdict())
        ]
        return (next(filter(str.strip, finals), ""), not finals)
    if _BARE_SWITCH in text:
        removed.add("channel")
        return text.split(_BARE_SWITCH, 2)[1], False
    if analysis := _BARE_ANALYSIS.match(text):
        removed.add("channel")
        return text[: analysis.start()], True
    if final := _BARE_FINAL.match(text):
        removed.add("channel")
        return text[final.end() :], False
    return text, False


def _is_final(header: dict[str, str | None]) -> bool:
    return header["name"] == "final" or header.get("content") is not None


# --- turns ---------------------------------------------------------------------------


def first_answer_turn(text: str, removed: set[str]) -> str:
    """Return the model's first turn that is not blank, without chat tokens.

    Text before the first token is the model's, unless a token then opens the model's turn: in that case it is a prompt.
    """
    if bare := _BARE_ROLE.match(text):
        removed.add("role_token")
        text = text[bare.end() :]
    if "<" not in text and "[" not in text:
        return text
    text, num_struck = _STRUCK.subn("", text)
    if num_struck:
        removed.add("struck_text")
    text, num_special = _SPECIAL_TOKEN.subn("", text)
    if num_special:
        removed.add("special_token")
    turns = _turns(text)
    removed.update("end_token" if turn.opened_by == "end" else "role_token" for turn in turns[1:])
    answer = _answer_turn(turns)
    if any(turn is not answer and turn.text.strip() for turn in turns):
        removed.add("other_turn")
    return answer.text


class _Turn(NamedTuple):
    role: str
    text: str
    opened_by: str


def _turns(text: str) -> list[_Turn]:
    turns: list[_Turn] = []
    role, opened_by, start = "model", "", 0
    for token in _TOKEN.finditer(text):
        turns.append(_Turn(role, text[start : token.start()], opened_by))
        opened_by, start = token.lastgroup or "", token.end()
        role = "unknown" if opened_by == "end" else opened_by
    return [*turns, _Turn(role, text[start:], opened_by)]


def _answer_turn(turns: list[_Turn]) -> _Turn:
    """Return the model's first turn that is not blank, else the first text of unknown role, else the first turn."""
    for number, turn in enumerate(turns):
        if turn.role != "model" or not turn.text.strip():
            continue
        following = turns[number + 1] if number + 1 < len(turns) else None
        # Text directly before the opening of the model's turn, without an end of a turn between, is the prompt.
        if following is None or following.opened_by != "model" or not following.text.strip():
            return turn
    return next((turn for turn in turns if turn.role == "unknown" and turn.text.strip()), turns[0])
