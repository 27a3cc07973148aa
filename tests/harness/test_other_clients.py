"""Claims about classes of the harness that ask a server by a client of their own, and about a server that is down."""

import types

import pytest
from lmms_eval.api.instance import GenerationResult

from microbench_tasks.harness.guard.model_guard import guarding
from microbench_tasks.harness.served import other_clients
from microbench_tasks.harness.served.circuit_breaker import LIMIT, ServerStoppedError
from microbench_tasks.parsing.failures import placeholder_kind
from tests.support.swallowing_models import ANSWERS, Model, RetryingModel, requests


class RefusedError(Exception):
    """As clients raise it."""

    status_code = 401


class Claude(RetryingModel):
    """In the place of the harness's class of that name: three tries for each question."""

    def __init__(self, broken=(), error=None):
        super().__init__(broken)
        self.error = ConnectionError("refused") if error is None else error
        self.num_tries = 0

    def generate(self, doc_ids):
        self.num_tries += 1
        if self.broken & set(doc_ids):
            raise type(self.error)(*self.error.args)
        return [ANSWERS[doc_id] for doc_id in doc_ids]


Claude.__module__ = "lmms_eval.models.simple.claude"
EVERYTHING = range(len(ANSWERS))


def asked(model):
    with guarding(model):
        return model.generate_until(requests())


def test_a_server_that_is_down_ends_the_run_soon():
    model = Claude(EVERYTHING)
    with pytest.raises(
        ServerStoppedError, match="cannot be reached.*Model claude: 0 questions answered, 8 tries failed"
    ):
        asked(model)
    # Of 24 = 8 questions × 3 tries.
    assert model.num_tries == LIMIT


def test_a_refused_key_ends_the_run_at_once_and_the_variable_is_named():
    model = Claude(EVERYTHING, RefusedError("invalid x-api-key"))
    with pytest.raises(ServerStoppedError, match=r"Check ANTHROPIC_API_KEY .*HTTP 401: invalid x-api-key"):
        asked(model)
    assert model.num_tries == 1


def test_failures_between_answers_end_no_run():
    # Three tries each for questions 1, 3 and 5: nine failures, never more than three in a row.
    answers = asked(Claude({1, 3, 5}))
    assert [placeholder_kind(answer) == "failed" for answer in answers] == [
        number in {1, 3, 5} for number in EVERYTHING
    ]
    assert [answer for number, answer in enumerate(answers) if number not in {1, 3, 5}] == ["A", "B", "D", "A", "B"]


def test_a_server_that_dies_after_answers_ends_the_run():
    with pytest.raises(ServerStoppedError, match="Model claude: 4 questions answered"):
        asked(Claude({4, 5, 6, 7}))


def test_a_class_that_pauses_long_after_each_failure_ends_the_run_after_few(monkeypatch):
    clock = iter(range(1000, 10**6, 30))
    monkeypatch.setattr(other_clients, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    model = Claude(EVERYTHING)
    with pytest.raises(ServerStoppedError, match="No answer for 60 s"):
        asked(model)
    # Failures 0, 30 and 60 seconds after the first.
    assert model.num_tries == 3


def test_a_local_model_that_fails_often_goes_on():
    model = RetryingModel(EVERYTHING)
    assert all(placeholder_kind(answer) == "failed" for answer in asked(model))


class Gemini(Model):
    """In the place of the harness's class of that name, which marks failed requests by itself."""

    MARK = "[LMMS_EVAL_REQUEST_FAILED after 1 retries]"

    def __init__(self, error=None):
        super().__init__()
        self.error, self.num_tries = error, 0
        self.client = types.SimpleNamespace(models=types.SimpleNamespace(generate_content=self.reply), files="files")

    def reply(self, contents):
        self.num_tries += 1
        if self.error is not None:
            raise self.error
        return types.SimpleNamespace(text=ANSWERS[contents])

    def generate_until(self, requests):
        answers = []
        for request in requests:
            try:
                text = self.client.models.generate_content(contents=request.args[3]).text
            except Exception as error:
                text = f"{self.MARK} {error}"
            answers.append(GenerationResult(text=text, token_counts=None))
        return answers


Gemini.__module__ = "lmms_eval.models.simple.gemini"


def test_a_client_of_google_answers_as_before_and_is_put_back():
    model = Gemini()
    client = model.client
    assert [answer.text for answer in asked(model)] == ANSWERS
    assert model.client is client


def test_a_refused_key_of_google_ends_the_run_at_once():
    error = ValueError("API key not valid")
    error.code = 403
    model = Gemini(error)
    with pytest.raises(ServerStoppedError, match=r"Check GOOGLE_API_KEY .*HTTP 403: API key not valid"):
        asked(model)
    assert model.num_tries == 1
