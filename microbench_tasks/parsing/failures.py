"""Recognize what the harness writes in the place of a model's answer. Imports nothing of ours."""

from __future__ import annotations

import re
from typing import Literal

# A request that failed in all its tries, or was not made as the run's budget of tokens was used up, and marks of the
# same form; what classes that make videos write; the words of Python and of the package openai for an exception.
# `microbench_tasks.model_guard` marks failures in the first form too.
_FAILED = re.compile(
    r"\[(?:LMMS_EVAL_[A-Z_]*(?:FAILED|EXCEEDED|ERROR|TIMEOUT|ABORTED|SKIPPED)|GENERATION_FAILED)\b"
    r"|Traceback \(most recent call last\):|Error code: [1-5][0-9]{2} - "
)
# What Gemini's client writes where the service withheld an answer.
_WITHHELD = re.compile(r"\[SAFETY_BLOCKED:[^\]]*\]?\s*\Z")
# What async_openai makes of a message whose content is no text: Python's own words for adding it to one.
_NO_TEXT = re.compile(
    r"(?:Error: )?(?:can only concatenate str \(not \"(?P<kind>[\w.]+)\"\) to str|must be str, not (?P<older>[\w.]+))\Z"
)


def failure_mark(reason: str) -> str:
    """The text that stands for a request that failed, in the harness's own form, on one line.

    >>> failure_mark("out of memory")
    '[LMMS_EVAL_REQUEST_FAILED] out of memory'
    """
    return f"[LMMS_EVAL_REQUEST_FAILED] {' '.join(reason.split())[:200]}"


def placeholder(response: str) -> Literal["failed", "empty"] | None:
    """Say what the harness's own text in the place of a model's stands for; None if ``response`` is the model's.

    Source: ``models/chat/openai.py``, ``async_openai.py`` and ``gemini.py`` of lmms-eval 0.7.3.

    >>> placeholder("[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500")
    'failed'
    """
    if _FAILED.match(response):
        return "failed"
    no_text = _NO_TEXT.match(response)
    if no_text:
        # Null is an answer without text. Anything else had a text, which is lost.
        return "empty" if "NoneType" in no_text.groups() else "failed"
    return "empty" if _WITHHELD.match(response) else None
