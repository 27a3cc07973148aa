"""Recognize texts that the harness writes instead of a model's answer."""

from __future__ import annotations

import re
from typing import Literal

# The harness's marks for requests that failed in all tries or exceeded the run's token budget, the mark of classes that
# make videos, and exception texts of Python and of the package openai. The first of these marks is also written by
# `microbench_tasks.harness.guard.model_guard`.
_FAILED = re.compile(
    r"\[(?:LMMS_EVAL_[A-Z_]*(?:FAILED|EXCEEDED|ERROR|TIMEOUT|ABORTED|SKIPPED)|GENERATION_FAILED)\b"
    r"|Traceback \(most recent call last\):|Error code: [1-5][0-9]{2} - "
)
# Gemini's client writes this if the service withheld an answer.
_WITHHELD = re.compile(r"\[SAFETY_BLOCKED:[^\]]*\]?\s*\Z")
# async_openai turns a message without text into this error, Python's message for adding it to a string.
_NO_TEXT = re.compile(
    r"(?:Error: )?(?:can only concatenate str \(not \"(?P<kind>[\w.]+)\"\) to str|must be str, not (?P<older>[\w.]+))\Z"
)


def failure_mark(reason: str) -> str:
    """Return the mark for a failed request in the harness's own form, on one line.

    >>> failure_mark("out of memory")
    '[LMMS_EVAL_REQUEST_FAILED] out of memory'
    """
    return f"[LMMS_EVAL_REQUEST_FAILED] {' '.join(reason.split())[:200]}"


def placeholder_kind(response: str) -> Literal["failed", "empty"] | None:
    """Classify a text that the harness writes instead of a response; return None for a model's own text.

    Source: ``models/chat/openai.py``, ``async_openai.py`` and ``gemini.py`` of lmms-eval 0.7.3.

    >>> placeholder_kind("[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500")
    'failed'
    """
    if _FAILED.match(response):
        return "failed"
    no_text = _NO_TEXT.match(response)
    if no_text:
        # None is an answer without text. Any other content had a text, which is lost.
        return "empty" if "NoneType" in no_text.groups() else "failed"
    return "empty" if _WITHHELD.match(response) else None
