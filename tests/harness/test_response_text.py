"""Claims about responses that are not text."""

from __future__ import annotations

import asyncio
import types

import pytest
from lmms_eval.api.instance import GenerationResult, TokenCounts

from microbench_tasks.harness.guard.response_text import with_text_replies
from microbench_tasks.parsing.failures import failure_mark
from tests.support.swallowing_models import Model, guarded, requests


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (None, ""),
        (7, "7"),
        ("B \ud83d", "B \ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "A?"}]}, {"type": "text", "text": "B"}],
            "<think>A?</think>\nB",
        ),
        ([[{"type": "text", "text": "The answer is "}], [{"type": "output_text", "text": "B"}]], "The answer is B"),
        ({"type": "text", "text": "B"}, "B"),
        ([types.SimpleNamespace(type="text", text="B")], "B"),
        (
            [types.SimpleNamespace(thought=True, text="A?"), types.SimpleNamespace(thought=None, text="B")],
            "<think>A?</think>\nB",
        ),
        ([{"type": "refusal", "refusal": "I cannot."}], "I cannot."),
        ([{"type": "image_url", "image_url": {"url": "x"}}], ""),
        (["B", None], "B"),
        ([], ""),
        (b"B", "B"),
        ({"text": "", "content": "B"}, "B"),
        # Whole contents, messages and completions:
        ({"role": "model", "parts": [{"text": "A?", "thought": True}, {"text": "B"}]}, "<think>A?</think>\nB"),
        ({"choices": [{"message": {"role": "assistant", "content": "B"}}]}, "B"),
        (types.SimpleNamespace(choices=[types.SimpleNamespace(message=types.SimpleNamespace(content="B"))]), "B"),
        ([{"generated_text": "B"}], "B"),
        # What tools and sources say is not the model's answer:
        ([{"type": "tool_result", "content": [{"type": "text", "text": "A"}]}, {"type": "text", "text": "B"}], "B"),
        ([{"type": "text", "text": "B"}, {"type": "citation", "text": "A"}], "B"),
        # Errors in the place of an answer:
        (RuntimeError("E is down"), failure_mark("RuntimeError: E is down")),
        (
            {"object": "error", "message": "E is down", "code": 404},
            failure_mark("{'object': 'error', 'message': 'E is down', 'code': 404}"),
        ),
        ({"error": {"message": "E is down"}}, failure_mark("{'message': 'E is down'}")),
        # A thought that closes its own tag is still a thought.
        ([{"type": "thinking", "thinking": "A</think>A"}, {"type": "text", "text": "B"}], "<think>AA</think>\nB"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_whatever_a_model_returns_becomes_text(returned, text, wrapped):
    class Returning(Model):
        def one(self, docs):
            return [GenerationResult(text=returned, token_counts=TokenCounts(output_tokens=3)) if wrapped else returned]

    [answer] = guarded(Returning(), requests(doc_ids=[0]))
    assert (answer.text if wrapped else answer) == text
    assert not wrapped or answer.token_counts == TokenCounts(output_tokens=3)


def test_counts_beside_an_answer_stay_and_other_benchmarks_answers_too():
    class Counting(Model):
        def one(self, docs):
            return [("B \ud83d", {"output_tokens": 3})]

    class Listing(Model):
        def one(self, docs):
            return [["one round", "another"]]

    assert guarded(Counting(), requests(doc_ids=[0])) == [("B \ufffd", {"output_tokens": 3})]
    assert guarded(Listing(), requests("other_benchmark", [0])) == [["one round", "another"]]


def completion(content, **further):
    return types.SimpleNamespace(
        choices=[types.SimpleNamespace(message=types.SimpleNamespace(content=content, **further))]
    )


def client(reply, asynchronous):
    async def later(**payload):
        return reply

    create = later if asynchronous else lambda **payload: reply
    return types.SimpleNamespace(
        chat=types.SimpleNamespace(completions=types.SimpleNamespace(create=create)), base_url="http://x"
    )


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("reply", "content"),
    [
        (completion(None), ""),
        (completion(["A", "B"]), "A\nB"),
        (completion(None, refusal="No."), "No."),
        (completion("B"), "B"),
    ],
)
def test_a_clients_replies_have_text_as_their_content(reply, content, asynchronous):
    plain = with_text_replies(client(reply, asynchronous))
    made = plain.chat.completions.create(model="m")
    assert (asyncio.run(made) if asynchronous else made).choices[0].message.content == content
    assert plain.base_url == "http://x"
