"""Claims about probabilities of letters that a server gives for the first token of an answer."""

from __future__ import annotations

import math
import types

import pytest

from microbench_tasks.harness.guard import model_guard
from microbench_tasks.harness.served import letter_probabilities, replies, session
from microbench_tasks.harness.served.letter_probabilities import first_token, letters_of_prompt, prompt_of, with_letters
from microbench_tasks.parsing.response import parse_answer
from microbench_tasks.tasks.prompts import WORDINGS, microbench_doc_to_text
from tests.harness.test_session import Client, completion, model_of

OPTIONS = ["basophil", "platelet", "none of the above"]
DOC = {"question": "Which cell?", "options": OPTIONS}
PROMPT = microbench_doc_to_text(DOC)


def listed(**probabilities):
    """Tokens in the order given, with their logarithms; an underscore stands for a space."""
    return [
        {"token": name.replace("_", " "), "logprob": math.log(value) if value else -9999.0, "bytes": None}
        for name, value in probabilities.items()
    ]


def choice(*tokens):
    """A choice whose tokens have these lists; the first of each is the token itself."""
    content = [{"token": of[0]["token"], "logprob": of[0]["logprob"], "top_logprobs": of} for of in tokens]
    return {"index": 0, "message": {}, "logprobs": {"content": content}}


def payload(prompt=PROMPT):
    parts = [{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": prompt}]
    return {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": parts}]}


def answered(text, *tokens):
    reply = completion(text).model_dump()
    reply["choices"][0]["logprobs"] = choice(*tokens)["logprobs"] if tokens else None
    return reply


@pytest.fixture
def asked_for(monkeypatch):
    monkeypatch.setenv("MICROBENCH_LOGPROBS", "20")


def received(folder, client, *payloads, prompts=(PROMPT,)):
    model = model_of(client)
    run = session.Session(model, folder)
    with run.asking(len(payloads), prompts):
        contents = [model.client.chat.completions.create(**asked).choices[0].message.content for asked in payloads]
    run.close()
    return contents


# --- what is asked -------------------------------------------------------------------


@pytest.mark.parametrize("value", ["0", "21", "-1", "2.5", "yes", "٣"])
def test_another_number_of_tokens_is_refused_before_the_first_question(value, tmp_path, monkeypatch):
    monkeypatch.setenv("MICROBENCH_LOGPROBS", value)
    with pytest.raises(ValueError, match=r"MICROBENCH_LOGPROBS=.*: expected a number of tokens from 1 to 20"):
        session.Session(model_of(Client([])), tmp_path)


def test_only_questions_with_options_ask_for_probabilities_and_only_if_wanted(tmp_path, monkeypatch):
    for setting, expected in (("", [(None, None)] * 2), ("5", [(True, 5), (None, None)])):
        monkeypatch.setenv("MICROBENCH_LOGPROBS", setting)
        client = Client([answered("A"), answered("[]")])
        received(tmp_path / f"folder{setting}", client, payload(), payload("Detect all nuclei"))
        assert [(sent.get("logprobs"), sent.get("top_logprobs")) for sent in client.payloads] == expected


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("number", range(2, 9))
def test_the_letters_are_those_of_the_prompts_options(wording, number):
    options = [f"option {index}" for index in range(number)]
    prompt = microbench_doc_to_text(DOC | {"options": options, "wording": wording})
    assert letters_of_prompt(prompt) == "ABCDEFGH"[:number]
    assert letters_of_prompt("Detect all nuclei. Write A) and B)") == ""


@pytest.mark.parametrize("messages", [None, [], ["text"], [{"content": None}], [{"content": [{"type": "image_url"}]}]])
def test_a_payload_without_text_has_no_prompt(messages):
    assert prompt_of({"messages": messages}) == ""
    assert prompt_of(payload()) == prompt_of({"messages": [{"role": "user", "content": PROMPT}]}) == PROMPT


# --- what is recorded ----------------------------------------------------------------------


def test_the_second_line_has_the_probabilities_of_the_first_token_by_letter(asked_for, tmp_path):
    tokens = listed(B=0.7, A=0.2, C=0.05, The=0.01)
    [text] = received(tmp_path, Client([answered("B", tokens, listed(D=1))]), payload())
    parsed = parse_answer(text, OPTIONS)
    assert text.startswith("B\n") and parsed.strict.letter == "B" and parsed.paper_letters == ("B",)
    assert parsed.probabilities == pytest.approx({"A": 0.2, "B": 0.7, "C": 0.05}, abs=1e-12)


def test_tokens_of_one_letter_with_and_without_a_space_are_added():
    token = first_token(choice(listed(B=0.5, _B=0.25, A=0.125, b=0.0625)))
    spaced = {"token": "\u0120A", "logprob": math.log(0.03125)}
    token["top_logprobs"].append(spaced)
    parsed = parse_answer(with_letters("B", token, "AB"), OPTIONS[:2])
    # Lower case is no letter of an option.
    assert parsed.probabilities == pytest.approx({"A": 0.15625, "B": 0.75}, abs=1e-12)


def test_a_letter_that_the_server_does_not_list_is_absent_and_never_0(asked_for, tmp_path):
    [text] = received(tmp_path, Client([answered("B", listed(B=0.9, A=0.0, The=0.05))]), payload())
    assert text.endswith('"absent": ["A", "C"]}')
    assert parse_answer(text, OPTIONS).probabilities == pytest.approx({"B": 0.9})


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        # No letter is listed; the server gave no probabilities; none of them is a number.
        ("B", [listed(The=0.9)]),
        ("B", []),
        ("B", [[{"token": "B", "logprob": None}]]),
        ("B", [[{"token": "B", "logprob": math.nan}]]),
        # Reasoning that the server keeps apart, and reasoning in the answer.
        ("B", [listed(Okay=0.9, B=0.05), listed(B=1.0)]),
        ("<think>A?</think>B", [[{"token": "<think>", "logprob": -0.1}, {"token": "A", "logprob": -3.0}]]),
    ],
)
def test_an_answer_whose_probabilities_are_not_known_is_left_as_it_is(text, tokens, asked_for, tmp_path):
    assert received(tmp_path, Client([answered(text, *tokens)]), payload()) == [text]


def test_blank_tokens_before_the_answer_are_passed_over(asked_for, tmp_path):
    blank = [{"token": "\n", "logprob": -0.1}, {"token": "A", "logprob": -2.0}]
    [text] = received(tmp_path, Client([answered("\nB", blank, listed(B=0.5))]), payload())
    assert parse_answer(text, OPTIONS).probabilities == pytest.approx({"B": 0.5})


@pytest.mark.parametrize("logprobs", [None, 3, [], {"content": 3}, {"content": [3]}, {"content": [{"token": "B"}]}])
def test_malformed_probabilities_cost_no_answer(logprobs):
    reply = completion("B").model_dump()
    reply["choices"][0]["logprobs"] = logprobs
    plain = replies.plain_reply(reply)
    assert plain["choices"][0]["message"]["content"] == "B" and "logprobs" not in plain["choices"][0]
    assert replies.with_letters(plain, "AB") == plain


def test_kept_replies_have_their_probabilities_and_answer_no_run_without_them(asked_for, tmp_path, monkeypatch):
    tokens = listed(B=0.7, A=0.2, C=0.05)
    first = received(tmp_path, Client([answered("B", tokens)]), payload())
    assert received(tmp_path, Client([]), payload()) == first
    monkeypatch.delenv("MICROBENCH_LOGPROBS")
    assert received(tmp_path, Client([answered("C")]), payload()) == ["C"]


def test_a_server_that_refuses_the_request_is_named_with_the_setting(asked_for, tmp_path, warnings):
    from tests.support.server_replies import status_error

    error = status_error(400, {"x-should-retry": "false"}, message="logprobs is not supported with this model")
    received(tmp_path, Client([error]), payload())
    assert any(letter_probabilities.ADVICE in warning for warning in warnings)


def test_the_harness_cache_keeps_answers_with_probabilities_apart(asked_for, tmp_path):
    model = model_of(Client([]), generate_until=lambda requests: [])
    cache = types.SimpleNamespace(_cache_root=tmp_path, _model_fingerprint_hash="model")
    with model_guard.guarding(model, cache) as asked:
        assert cache._model_fingerprint_hash == "model-logprobs20"
        assert asked.record()["top_logprobs"] == 20


def test_a_setting_without_effect_is_said(asked_for, tmp_path, warnings):
    received(tmp_path, Client([answered("B")]), payload("Look closely.\n" + PROMPT))
    assert warnings == [letter_probabilities.OTHER_PROMPTS]
    with model_guard.guarding(types.SimpleNamespace(generate_until=lambda requests: [])):
        pass
    assert warnings[1:] == [letter_probabilities.NO_SERVER]
