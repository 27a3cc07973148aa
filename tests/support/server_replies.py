"""Replies and errors of a server as clients get them, and a clock for tests of waiting."""

from __future__ import annotations

import httpx
import openai


def status_error(status, headers=(), message="no"):
    request = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")
    response = httpx.Response(status, headers=dict(headers), request=request)
    return openai.APIStatusError(message, response=response, body={"message": message})


def body(content, **message):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content} | message}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now
