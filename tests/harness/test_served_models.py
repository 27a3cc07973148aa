"""Claims about the parts that ask a server: faults, gate, replies, their log, and images made smaller."""

from __future__ import annotations

import base64
import io
import json
import types

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion
from PIL import Image

from microbench_tasks.harness.served import circuit_breaker, clients, replies, reply_log, session, shrinking
from microbench_tasks.harness.served.faults import Fault, MalformedReplyError, fault_of
from microbench_tasks.harness.served.progress import Progress

# --- faults ---


def status_error(status, headers=(), message="no"):
    request = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")
    response = httpx.Response(status, headers=dict(headers), request=request)
    return openai.APIStatusError(message, response=response, body={"message": message})


@pytest.mark.parametrize(
    ("status", "blame", "is_final", "advice"),
    [
        (401, "access", True, "OPENAI_API_KEY"),
        (403, "access", True, "may use this model"),
        (404, "access", True, "base_url=URL"),
        (400, "question", True, "takes images"),
        (413, "question", True, "HTTP 413"),
        (422, "question", True, "limit of tokens"),
        (408, "server", False, "HTTP 408"),
        (429, "server", False, "HTTP 429"),
        (500, "server", False, "HTTP 500"),
        (503, "server", False, "HTTP 503"),
    ],
)
def test_a_status_says_whom_to_blame_and_what_to_do(status, blame, is_final, advice):
    fault = fault_of(status_error(status, message="said\nthis"))
    assert (fault.blame, fault.is_final, fault.status) == (blame, is_final, status)
    assert advice in fault.reason and "said this" in fault.reason


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        # 1,000,000,030 s after the epoch.
        ({"retry-after": "Sun, 09 Sep 2001 01:47:10 GMT"}, 30.0),
        ({"retry-after": "Sun, 09 Sep 2001 01:46:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-1"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(header, seconds):
    assert fault_of(status_error(429, header), now=1_000_000_000).pause_s == seconds


def test_a_refused_connection_is_told_from_a_slow_reply_and_from_a_malformed_one():
    client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(openai.APIConnectionError) as refused:
        client.chat.completions.create(model="m", messages=[])
    assert "cannot be reached" in fault_of(refused.value).reason
    slow = fault_of(openai.APITimeoutError(request=httpx.Request("POST", "http://x")))
    assert slow.is_slow and slow.blame == "server"
    assert fault_of(MalformedReplyError("the reply is a web page")).reason == "the reply is a web page"


# --- the gate ---

SERVER = Fault("server", "HTTP 500: no", 500)
ACCESS = Fault("access", "the server refuses the key", 401, is_final=True)
QUESTION = Fault("question", "the server refuses the question", 400, is_final=True)


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def entered(doors, clock):
    """A ticket, after as many waits as it takes."""
    while not isinstance(turn := doors.enter(), circuit_breaker.Ticket):
        clock.now += turn
    return turn


def answered_once(doors, clock):
    doors.note_answer(entered(doors, clock))


def failures_until_stop(doors, clock, fault):
    for count in range(1, 1_001):
        try:
            doors.note_failure(entered(doors, clock), fault)
        except circuit_breaker.StopAsking as stop:
            return count, stop.reason
    pytest.fail("1,000 failures in a row, and the run goes on.")


def test_a_server_that_never_answers_ends_the_run_after_eight_requests_and_less_than_a_minute():
    clock = Clock()
    count, reason = failures_until_stop(circuit_breaker.Gate(clock=clock), clock, SERVER)
    # Pauses of 2, 4 and then 8 s; the first one is the question's own.
    assert (count, round(clock.now)) == (8, 2 + 4 + 4 * 8)
    assert "HTTP 500: no" in reason and "No answer for 38 s" in reason


def test_a_wrong_key_ends_the_run_at_once_and_later_only_if_it_stays():
    clock = Clock()
    assert failures_until_stop(circuit_breaker.Gate(clock=clock), clock, ACCESS)[0] == 1
    doors = circuit_breaker.Gate(clock=clock)
    answered_once(doors, clock)
    assert failures_until_stop(doors, clock, ACCESS)[0] == 3


def test_refused_questions_end_a_run_soon_only_before_the_first_answer():
    clock = Clock()
    assert failures_until_stop(circuit_breaker.Gate(clock=clock), clock, QUESTION)[0] == 3
    doors = circuit_breaker.Gate(clock=clock)
    answered_once(doors, clock)
    assert failures_until_stop(doors, clock, QUESTION)[0] == circuit_breaker.QUESTION_LIMIT


def test_the_first_request_goes_alone_and_an_answer_opens_the_gate():
    doors = circuit_breaker.Gate(clock=Clock())
    first = doors.enter()
    assert first.is_trial and not isinstance(doors.enter(), circuit_breaker.Ticket)
    doors.note_answer(first)
    assert not doors.enter().is_trial and not doors.enter().is_trial


def test_a_request_that_was_interrupted_lets_another_try():
    doors = circuit_breaker.Gate(clock=Clock())
    doors.leave(doors.enter())
    assert doors.enter().is_trial


def test_requests_that_fail_together_count_as_one_failure():
    clock = Clock()
    doors = circuit_breaker.Gate(clock=clock)
    answered_once(doors, clock)
    for ticket in [doors.enter() for _ in range(32)]:
        doors.note_failure(ticket, SERVER)
    assert failures_until_stop(doors, clock, SERVER)[0] == circuit_breaker.LIMIT - 1


def test_retry_after_holds_back_every_request_and_then_lets_one_through():
    clock = Clock()
    doors = circuit_breaker.Gate(clock=clock)
    answered_once(doors, clock)
    early, late = doors.enter(), doors.enter()
    doors.note_failure(early, Fault("server", "HTTP 429", 429, pause_s=20.0))
    # An answer to what was under way does not shorten the time that the server asked for.
    doors.note_answer(late)
    ticket = entered(doors, clock)
    assert clock.now == pytest.approx(20.0)
    assert ticket == circuit_breaker.Ticket(False, 1)


def test_a_server_that_asks_to_wait_for_hours_ends_the_run():
    doors = circuit_breaker.Gate(clock=Clock())
    with pytest.raises(circuit_breaker.StopAsking, match="7,200 s"):
        doors.note_failure(doors.enter(), Fault("server", "HTTP 429", 429, pause_s=7200.0))


def test_one_failure_in_ten_never_ends_a_run():
    clock = Clock()
    doors = circuit_breaker.Gate(clock=clock)
    for number in range(1000):
        ticket = entered(doors, clock)
        if number % 10:
            doors.note_answer(ticket)
        else:
            doors.note_failure(ticket, SERVER)
    assert doors.stopped is None and clock.now == 0


# --- replies ---


def body(content, **message):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content} | message}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


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
    said = []
    monkeypatch.setattr(reply_log.logger, "warning", said.append)
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
    [warning] = said
    assert str(path) in warning and "8 damaged line(s)" in warning and "line 2, 3, 4, 5, 6, 7, 8, 9" in warning


def test_a_run_that_got_no_reply_leaves_no_file(tmp_path):
    reply_log.ReplyLog(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


# --- sessions ---


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
        found = [model.client.chat.completions.create(**payload).choices[0].message.content for payload in payloads]
    run.close()
    assert model.client is client
    return found, run.progress.counts


QUESTION_PAYLOAD = {"model": "m", "temperature": 0}


def test_only_a_reply_with_text_is_kept(tmp_path):
    client = Client([completion(None), completion("B")])
    assert contents(tmp_path, client, QUESTION_PAYLOAD, QUESTION_PAYLOAD)[0] == ["", "B"]
    again = Client([])
    found, counts = contents(tmp_path, again, QUESTION_PAYLOAD)
    assert (found, counts.from_disk, counts.requests) == (["B"], 1, 0)


def test_a_failure_is_handed_over_as_its_mark_and_not_kept(tmp_path):
    client = Client([completion("A"), status_error(500, {"x-should-retry": "false"}), "<html>"])
    found, counts = contents(tmp_path, client, *[QUESTION_PAYLOAD | {"seed": number} for number in range(3)])
    assert found[0] == "A"
    assert found[1].startswith("[LMMS_EVAL_REQUEST_FAILED] HTTP 500")
    assert found[2].startswith("[LMMS_EVAL_REQUEST_FAILED] the reply has no message: <html>")
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
    [found], _ = contents(tmp_path, client, payload_with((64, 30)))
    assert "MICROBENCH_SHRINK_IMAGES=once" in found and len(client.payloads) == 1
    monkeypatch.setenv("MICROBENCH_SHRINK_IMAGES", "once")
    client = Client([status_error(413), completion("B"), status_error(413), status_error(413)])
    found, counts = contents(tmp_path, client, payload_with((64, 30)), payload_with((65, 30)))
    assert found[0] == "B" and "even at half its size" in found[1]
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
    progress = Progress(clock)
    progress.add_questions(1000)
    for _ in range(100):
        progress.note_from_disk()
    clock.now = 20.0
    for _ in range(40):
        progress.note_answer({"total_tokens": 300})
    for _ in range(10):
        progress.note_failure()
    # 50 questions in 20 s; 850 left at 2.5 a second, 300 tokens each.
    assert progress.line() == (
        "100 answers from disk, 50 questions asked, 10 of them failed, 2.5 per second, 12,000 tokens, "
        "850 left: about 6 min and 255,000 tokens"
    )
