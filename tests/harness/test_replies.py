"""Claims about replies of a server: parsing, and their log on disk."""

from __future__ import annotations

import json
import types

import pytest

from microbench_tasks.harness.served import clients, replies, reply_log
from microbench_tasks.harness.served.faults import MalformedReplyError
from tests.support.server_replies import body


def content_of(raw):
    return replies.completion(replies.read_reply(raw)).choices[0].message.content


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("B", "B"),
        ("B \ud83d", "B \ufffd"),
        ("B\x00", "B\x00"),
        ("B" * 100_000, "B" * 100_000),
        ([{"type": "thinking", "thinking": "A?"}, {"type": "text", "text": "B"}], "<think>A?</think>\nB"),
        ({"type": "text", "text": "B"}, "B"),
        (5, "5"),
        (None, ""),
        ([None, 5], "5"),
    ],
)
def test_any_content_becomes_text_that_is_read_back_as_it_was_stored(content, text, tmp_path):
    reply = replies.read_reply(json.dumps(body(content)).encode())
    assert replies.completion(reply).choices[0].message.content == text
    log = reply_log.ReplyLog(tmp_path)
    log.append("key", reply)
    log.close()
    again = reply_log.ReplyLog(tmp_path)
    known = again.pop("key")
    # Null is no answer, and is asked for again.
    assert known is None if content is None else replies.completion(known).choices[0].message.content == text
    again.close()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"<html><head><title>502 Bad Gateway</title></head></html>", "web page (502 Bad Gateway)"),
        (b'{"choices": [{"message"', "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"null", "no message"),
        (b"5", "no message"),
        (b"{}", "no message"),
        (b'{"choices": []}', "no message"),
        (b'{"choices": {"0": "B"}}', "no message"),
        (b'{"choices": [{"message": null}]}', "no message"),
        (b'{"choices": [{"message": "B"}]}', "no message"),
        (b'{"error": {"message": "B) is down"}}', "B) is down"),
        (json.dumps(body({"error": {"message": "down"}})).encode(), "the answer is an error"),
        (json.dumps(body("B" * 1_000_001)).encode(), "1,000,001 characters"),
    ],
)
def test_what_is_no_answer_is_a_failure_that_says_what_came(raw, reason):
    with pytest.raises(MalformedReplyError) as error:
        replies.read_reply(raw)
    assert reason in str(error.value)
    assert len(str(error.value)) < 200


def test_numbers_of_tokens_that_are_no_numbers_count_as_none():
    usage = {"prompt_tokens": "many", "completion_tokens": -1, "total_tokens": 10.5}
    assert replies.plain_reply(body("B") | {"usage": usage})["usage"] == replies.NO_TOKENS
    details = {"total_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 4}}
    made = replies.completion(replies.plain_reply(body("B") | {"usage": details}))
    assert (made.usage.total_tokens, made.usage.completion_tokens_details.reasoning_tokens) == (7, 4)


def test_a_reply_of_a_hundred_megabytes_is_not_read_to_its_end():
    taken = []

    class Response:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def iter_bytes(self):
            for _ in range(1000):
                taken.append(1)
                yield b" " * 1_000_000

    reader = types.SimpleNamespace(create=lambda **payload: Response())
    completions = types.SimpleNamespace(with_streaming_response=reader)
    client = types.SimpleNamespace(chat=types.SimpleNamespace(completions=completions))
    with pytest.raises(MalformedReplyError, match="larger than 64 MB"):
        clients.send(client, {})
    # 64 MiB are 67.1 million bytes.
    assert len(taken) == 68


# --- the log of replies ---


def test_damaged_lines_are_named_and_left_out_and_the_others_are_known(tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr(reply_log.logger, "warning", warnings.append)
    good = json.dumps({"key": "good", "reply": body("B")}).encode()
    damaged = [
        good[:-9],
        b"\xff\x00\xff",
        b"[" * 100_000,
        b"5",
        json.dumps({"key": ["list"], "reply": body("B")}).encode(),
        json.dumps({"key": "x", "reply": {"choices": []}}).encode(),
        json.dumps({"key": "y", "reply": [body("B")]}).encode(),
        json.dumps({"key": "z", "reply": body(None)}).encode(),
    ]
    path = tmp_path / "earlier.jsonl"
    path.write_bytes(b"\n".join([good, *damaged, good, b""]))
    log = reply_log.ReplyLog(tmp_path)
    assert (log.num_known, replies.completion(log.pop("good")).choices[0].message.content) == (2, "B")
    assert log.pop("x") is log.pop("y") is log.pop("z") is None
    log.close()
    [warning] = warnings
    assert str(path) in warning and "8 damaged line(s)" in warning and "line 2, 3, 4, 5, 6, 7, 8, 9" in warning


def test_a_run_that_got_no_reply_leaves_no_file(tmp_path):
    reply_log.ReplyLog(tmp_path).close()
    assert list(tmp_path.iterdir()) == []
