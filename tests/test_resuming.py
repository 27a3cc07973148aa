"""Runs with --use_cache that go on where an earlier one stopped."""

from __future__ import annotations

import json
import types

import openai
import pytest
from independent import StandIn, reply
from lmms_eval import evaluator
from lmms_eval.api.instance import GenerationResult
from openai.types.chat import ChatCompletion

from microbench_tasks import model_guard, resuming

TASK = "microbench_coarse_domain"
COUNT = 60
PIECE = 20


class Stopping(StandIn):
    """Answers until it has been asked ``limit`` times, then raises."""

    def __init__(self, answer, limit):
        super().__init__(answer)
        self.limit = limit

    def generate_until(self, requests):
        if len(self.asked[TASK]) >= self.limit:
            raise RuntimeError("stopped")
        return super().generate_until(requests)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch, demo_folder):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    monkeypatch.setattr(resuming, "PIECE", PIECE)


def evaluate(model, cache):
    return evaluator.simple_evaluate(model=model, tasks=[TASK], limit=COUNT, use_cache=str(cache), bootstrap_iters=0)


def test_a_run_that_stops_keeps_every_whole_piece_and_the_next_asks_the_rest_only(tmp_path):
    model = Stopping(lambda prompt, image: reply(prompt) or "A", limit=2 * PIECE)
    with pytest.raises(RuntimeError, match="stopped"):
        evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == 2 * PIECE
    model.limit = COUNT
    resumed = evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT
    whole = evaluator.simple_evaluate(model=StandIn(model.answer), tasks=[TASK], limit=COUNT, bootstrap_iters=0)
    assert resumed["results"][TASK] == whole["results"][TASK]


@pytest.mark.parametrize("failure", ["[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500", GenerationResult(text="[LMMS_EVAL_BUDGET_EXCEEDED]"), GenerationResult(text=None)])
def test_failures_are_scored_as_such_and_asked_again(failure, tmp_path):
    answers = {True: failure, False: "A"}
    broken = True
    model = StandIn(lambda prompt, image: answers[broken and len(model.asked[TASK]) % 3 == 0])
    results = evaluate(model, tmp_path)
    assert results["results"][TASK]["unparsed,none"] == pytest.approx(1 / 3)
    # A null message is an empty answer, not a failed request.
    assert results["results"][TASK]["failed,none"] == (0 if getattr(failure, "text", failure) is None else COUNT // 3)
    broken = False
    results = evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT + COUNT // 3
    assert results["results"][TASK]["unparsed,none"] == 0


def test_a_damaged_database_of_an_earlier_run_costs_its_answers_only(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(resuming.logger, "warning", said.append)
    damaged = tmp_path / "runs" / "earlier" / "rank_0.db"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no database, but long enough for SQLite to read a header that it does not know" * 20)
    model = StandIn(lambda prompt, image: "A")
    evaluate(model, tmp_path)
    assert len(model.asked[TASK]) == COUNT
    [warning] = said
    assert str(damaged) in warning


# --- the replies of a server ---


def completion(text, **further):
    return ChatCompletion.model_validate(
        further | {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}
    )


def test_replies_survive_a_line_that_was_cut_off_and_files_of_several_runs(tmp_path):
    for key in ("one", "two"):
        with resuming.Replies(tmp_path) as replies:
            replies.note(key, completion(key).model_dump(mode="json"))
    with (tmp_path / "cut.jsonl").open("w") as file:
        file.write(json.dumps({"key": "three", "reply": {}})[:-9])
    with resuming.Replies(tmp_path) as replies:
        assert sorted(replies.known) == ["one", "two"]
        assert ChatCompletion.construct(**replies.take("two")).choices[0].message.content == "two"
        assert replies.take("two") is None


class Client:
    """Counts what it is asked; has the methods that the harness calls."""

    base_url = "http://127.0.0.1:1/v1"

    def __init__(self, answers):
        self.payloads = []
        remaining = iter(answers)

        def create(**payload):
            self.payloads.append(payload)
            return next(remaining)

        self.chat = types.SimpleNamespace(completions=types.SimpleNamespace(create=create))


def contents(ask, *payloads):
    return [ask(**payload).choices[0].message.content for payload in payloads]


QUESTION = {"model": "m", "temperature": 0}


def test_only_a_reply_with_text_is_noted(tmp_path):
    unanswered = [completion("A").model_copy(update={"choices": []}), "<html>", completion(None)]
    client = Client([*unanswered, completion("B"), completion("C")])
    with resuming.Replies(tmp_path) as replies:
        ask = resuming._noting_client(client, replies).chat.completions.create
        assert [ask(**QUESTION) for _ in unanswered] == unanswered
        assert contents(ask, QUESTION) == ["B"]
    with resuming.Replies(tmp_path) as replies:
        assert contents(resuming._noting_client(client, replies).chat.completions.create, QUESTION) == ["B"]
    assert len(client.payloads) == 4


def test_content_that_is_no_text_is_noted_as_text_and_old_notes_are_made_safe(tmp_path):
    parts = completion("").model_copy(deep=True)
    parts.choices[0].message.content = [{"type": "thinking", "thinking": "A?"}, {"type": "text", "text": "B"}]
    half = completion("")
    half.choices[0].message.content = "B \ud83d"
    with resuming.Replies(tmp_path) as replies:
        ask = resuming._noting_client(Client([parts]), replies).chat.completions.create
        assert contents(ask, QUESTION) == ["<think>A?</think>\nB"]
        # As a version before wrote it.
        replies.note(resuming._key(Client([]), QUESTION | {"messages": ["half"]}), half.model_dump(mode="python"))
    with resuming.Replies(tmp_path) as replies:
        known = model_guard.plain_client(resuming._noting_client(Client([]), replies))
        assert contents(known.chat.completions.create, QUESTION, QUESTION | {"messages": ["half"]}) == ["<think>A?</think>\nB", "B \ufffd"]


def test_whoever_asks_repeatedly_gets_as_many_answers_and_a_second_run_the_same_ones(tmp_path):
    client = Client(completion(text) for text in "ABCD")
    for expected in ("ABC", "ABCD"):
        with resuming.Replies(tmp_path) as replies:
            ask = resuming._noting_client(client, replies).chat.completions.create
            assert "".join(contents(ask, *[QUESTION] * len(expected))) == expected
    assert len(client.payloads) == 4


def test_a_known_reply_costs_no_tokens(tmp_path):
    client = Client([completion("A", usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})])
    totals = []
    for _ in range(2):
        with resuming.Replies(tmp_path) as replies:
            totals.append(resuming._noting_client(client, replies).chat.completions.create(**QUESTION).usage.total_tokens)
    assert totals == [10, 0]


def test_a_drawn_answer_is_drawn_anew_and_another_question_is_another(tmp_path):
    client = Client(completion(text) for text in "ABCDE")
    drawn, one, other = {"temperature": 1}, {"temperature": 0, "messages": ["x"]}, {"temperature": 0, "messages": ["y"]}
    with resuming.Replies(tmp_path) as replies:
        assert contents(resuming._noting_client(client, replies).chat.completions.create, drawn, one, other) == ["A", "B", "C"]
    with resuming.Replies(tmp_path) as replies:
        assert contents(resuming._noting_client(client, replies).chat.completions.create, other, drawn, one) == ["C", "D", "B"]


def test_all_else_is_the_clients_own(tmp_path):
    client = Client([])
    client.files = "files"
    with resuming.Replies(tmp_path) as replies:
        assert resuming._noting_client(client, replies).files == "files"


def test_the_asynchronous_client_is_told_from_the_other():
    class Model:
        client = openai.AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:1/v1")

    assert resuming._is_served(Model())
    assert not resuming._is_served(StandIn(None))
