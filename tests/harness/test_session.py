"""Claims about the questions of a run to a server: stored replies, failures, images that are too large, progress."""

from __future__ import annotations

import base64
import io
import types

import pytest
from openai.types.chat import ChatCompletion
from PIL import Image

from microbench_tasks.harness.served import circuit_breaker, reply_log, session, shrinking
from microbench_tasks.harness.served.progress import RunProgress
from tests.support.server_replies import Clock, body, status_error


class Client:
    """Counts what it is asked; has the methods that the harness calls."""

    base_url = "http://127.0.0.1:1/v1"

    def __init__(self, answers):
        self.payloads = []
        remaining = iter(answers)

        def create(**payload):
            self.payloads.append(payload)
            answer = next(remaining)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.chat = types.SimpleNamespace(completions=types.SimpleNamespace(create=create))


def completion(text, **further):
    return ChatCompletion.model_validate(body(text) | further)


def model_of(client, **options):
    return types.SimpleNamespace(client=client, max_retries=1, retry_backoff_s=0, **options)


def contents(folder, client, *payloads):
    """What the harness gets for each payload in a run with this folder."""
    model = model_of(client)
    run = session.Session(model, folder)
    with run.asking(len(payloads)):
        received = [model.client.chat.completions.create(**payload).choices[0].message.content for payload in payloads]
    run.close()
    assert model.client is client
    return received, run.progress.counts


QUESTION_PAYLOAD = {"model": "m", "temperature": 0}


def test_only_a_reply_with_text_is_kept(tmp_path):
    client = Client([completion(None), completion("B")])
    assert contents(tmp_path, client, QUESTION_PAYLOAD, QUESTION_PAYLOAD)[0] == ["", "B"]
    again = Client([])
    received, counts = contents(tmp_path, again, QUESTION_PAYLOAD)
    assert (received, counts.from_disk, counts.requests) == (["B"], 1, 0)


def test_a_failure_is_handed_over_as_its_mark_and_not_kept(tmp_path):
    client = Client([completion("A"), status_error(500, {"x-should-retry": "false"}), "<html>"])
    received, counts = contents(tmp_path, client, *[QUESTION_PAYLOAD | {"seed": number} for number in range(3)])
    assert received[0] == "A"
    assert received[1].startswith("[LMMS_EVAL_REQUEST_FAILED] HTTP 500")
    assert received[2].startswith("[LMMS_EVAL_REQUEST_FAILED] the reply has no message: <html>")
    assert (counts.answered, counts.failed, counts.requests) == (1, 2, 3)
    assert contents(tmp_path, Client([completion("C")]), QUESTION_PAYLOAD | {"seed": 2})[0] == ["C"]


def test_whoever_asks_repeatedly_gets_as_many_answers_and_a_second_run_the_same_ones(tmp_path):
    client = Client(completion(text) for text in "ABCD")
    for expected in ("ABC", "ABCD"):
        assert "".join(contents(tmp_path, client, *[QUESTION_PAYLOAD] * len(expected))[0]) == expected
    assert len(client.payloads) == 4


def test_a_drawn_answer_is_drawn_anew_and_another_question_is_another(tmp_path):
    client = Client(completion(text) for text in "ABCDE")
    drawn, one, other = {"temperature": 1}, {"temperature": 0, "messages": ["x"]}, {"temperature": 0, "messages": ["y"]}
    assert contents(tmp_path, client, drawn, one, other)[0] == ["A", "B", "C"]
    assert contents(tmp_path, client, other, drawn, one)[0] == ["C", "D", "B"]


def test_a_known_reply_costs_no_tokens(tmp_path):
    client = Client([completion("A", usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})])
    model = model_of(client)
    totals = []
    for _ in range(2):
        run = session.Session(model, tmp_path)
        with run.asking(1):
            totals.append(model.client.chat.completions.create(**QUESTION_PAYLOAD).usage.total_tokens)
        run.close()
    assert totals == [10, 0]


def test_the_error_of_a_stopped_run_says_which_server_why_and_how_to_go_on(tmp_path):
    client = Client([completion("A"), *[status_error(403)] * 3])
    model = model_of(client, model_version="stand-in")
    run = session.Session(model, tmp_path)
    with pytest.raises(circuit_breaker.ServerStoppedError) as error, run.asking(9):
        for seed in range(9):
            model.client.chat.completions.create(**QUESTION_PAYLOAD, seed=seed)
    run.close()
    for part in ("http://127.0.0.1:1/v1", "model stand-in", "may use this model", f"--use_cache {tmp_path}"):
        assert part in str(error.value)
    assert len(client.payloads) == 4


def test_a_disk_that_is_full_ends_a_run_whose_answers_are_to_be_kept(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reply_log.ReplyLog, "append", full)
    with pytest.raises(circuit_breaker.ServerStoppedError, match="No space left"):
        contents(tmp_path, Client([completion("A")]), QUESTION_PAYLOAD)


# --- images that are too large ---


def payload_with(size):
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "?"}]
    return {"temperature": 0, "messages": [{"role": "user", "content": parts}]}


def size_of(payload):
    url = payload["messages"][0]["content"][0]["image_url"]["url"]
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size


def test_a_too_large_image_fails_with_the_advice_unless_the_user_asked_for_a_smaller_one(tmp_path, monkeypatch):
    client = Client([status_error(413)])
    [received], _ = contents(tmp_path, client, payload_with((64, 30)))
    assert "MICROBENCH_SHRINK_IMAGES=once" in received and len(client.payloads) == 1
    monkeypatch.setenv("MICROBENCH_SHRINK_IMAGES", "once")
    client = Client([status_error(413), completion("B"), status_error(413), status_error(413)])
    received, counts = contents(tmp_path, client, payload_with((64, 30)), payload_with((65, 30)))
    assert received[0] == "B" and "even at half its size" in received[1]
    assert [size_of(payload) for payload in client.payloads] == [(64, 30), (32, 15), (65, 30), (32, 15)]
    assert counts.shrunk == 1
    # A run that does not want smaller images does not take answers about them.
    assert contents(tmp_path, Client([]), payload_with((64, 30)))[0] == ["B"]
    monkeypatch.delenv("MICROBENCH_SHRINK_IMAGES")
    assert contents(tmp_path, Client([completion("C")]), payload_with((64, 30)))[0] == ["C"]


def test_the_setting_has_one_value(monkeypatch):
    monkeypatch.setenv("MICROBENCH_SHRINK_IMAGES", "yes")
    with pytest.raises(ValueError, match="expected once"):
        shrinking.is_wanted()


# --- progress ---


def test_the_line_says_what_came_from_disk_what_was_asked_and_what_is_left():
    clock = Clock()
    progress = RunProgress(clock)
    progress.add_questions(1000)
    for _ in range(100):
        progress.count_from_disk()
    clock.now = 20.0
    for _ in range(40):
        progress.count_answer({"total_tokens": 300})
    for _ in range(10):
        progress.count_failure()
    # 50 questions in 20 s; 850 left at 2.5 a second, 300 tokens each.
    assert progress.line() == (
        "100 answers from disk, 50 questions asked, 10 of them failed, 2.5 per second, 12,000 tokens, "
        "850 left: about 6 min and 255,000 tokens"
    )
