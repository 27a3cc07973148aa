"""Claims about models of the harness that swallow exceptions."""

from __future__ import annotations

import logging

import pytest
from loguru import logger

from microbench_tasks.parsing.failures import placeholder_kind
from tests.support.swallowing_models import ANSWERS, BROKEN, Model, RetryingModel, guarded, requests


class StaleModel(Model):
    """As cogvlm2, minicpm_v and minimonkey: after an error it returns the answer before."""

    def generate_until(self, requests):
        answers = []
        for docs in self.chunks(requests):
            try:
                response = self.generate(docs)[0]
            except Exception as error:
                logger.error(f"Error {error} in generating")
            answers.append(response)
            self.cache_hook.add_partial("generate_until", None, response)
        return answers


class QuietStaleModel(StaleModel):
    """As aria: the same, with a message for debugging only."""

    def generate_until(self, requests):
        answers = []
        for docs in self.chunks(requests):
            try:
                response = self.generate(docs)[0]
            except Exception as error:
                logger.debug(f"Generation failed: {error}")
            answers.append(response)
        return answers


class EmptyModel(Model):
    """As _chat_base, sam3 and many more: an empty answer after an error."""

    def one(self, docs):
        try:
            return self.generate(docs)
        except Exception as error:
            logger.error(f"Error in generating: {error}")
            return [""] * len(docs)


class QuietEmptyModel(Model):
    """As kimi_audio and qwen2_audio: the same, with a message for debugging only."""

    def one(self, docs):
        try:
            return self.generate(docs)
        except Exception as error:
            logger.debug(f"Error while generating: {error}")
            return [""] * len(docs)


class EchoingModel(Model):
    """As phi4_multimodal: after an error it returns what went in."""

    def one(self, docs):
        try:
            return self.generate(docs)
        except Exception as error:
            logger.error(f"Error generating text: {error}")
            return ["A) the prompt"] * len(docs)


class OtherLoggerModel(Model):
    """As xcomposer2d5: by Python's own logging."""

    def one(self, docs):
        try:
            return self.generate(docs)
        except Exception as error:
            logging.getLogger("eval_logger").error("Error : %s", error)
            return [""] * len(docs)


class BlindModel(Model):
    """Reads no documents, so that it does not show which request it is about."""

    def generate_until(self, requests):
        answers = []
        for request in requests:
            try:
                response = self.generate([request.args[3]])[0]
            except Exception as error:
                logger.error(f"Error {error} in generating")
            answers.append(response)
        return answers


CLASSES = [
    StaleModel,
    QuietStaleModel,
    EmptyModel,
    QuietEmptyModel,
    EchoingModel,
    OtherLoggerModel,
    RetryingModel,
    BlindModel,
]


@pytest.mark.parametrize("kind", CLASSES)
def test_exactly_the_requests_whose_exception_was_swallowed_are_marked_as_failed(kind):
    answers = guarded(kind())
    assert [placeholder_kind(answer) == "failed" for answer in answers] == [
        doc_id in BROKEN for doc_id in range(len(ANSWERS))
    ]
    assert [answer for answer in answers if placeholder_kind(answer) is None] == [
        ANSWERS[doc_id] for doc_id in range(len(ANSWERS)) if doc_id not in BROKEN
    ]
    assert "RuntimeError: out of memory" in answers[BROKEN[0]]


@pytest.mark.parametrize("kind", CLASSES)
def test_a_model_without_failures_is_called_once_and_its_answers_stay(kind):
    model = kind(broken=())
    assert guarded(model) == ANSWERS
    assert model.calls == [[doc_id] for doc_id in range(len(ANSWERS))]


@pytest.mark.parametrize("kind", [StaleModel, QuietStaleModel, BlindModel])
@pytest.mark.parametrize("broken", [(0,), (0, 1), tuple(range(len(ANSWERS)))])
def test_a_model_that_raises_at_its_first_failure_answers_the_rest(kind, broken):
    answers = guarded(kind(broken))
    assert [placeholder_kind(answer) == "failed" for answer in answers] == [
        doc_id in broken for doc_id in range(len(ANSWERS))
    ]


def test_each_request_of_a_failed_batch_is_repeated_alone():
    class Batches(EmptyModel):
        batch_size = 3

    model = Batches()
    answers = guarded(model)
    assert [placeholder_kind(answer) == "failed" for answer in answers] == [
        doc_id in BROKEN for doc_id in range(len(ANSWERS))
    ]
    # The batch of 3, 4 and 5, and then each of it.
    assert model.calls == [[0, 1, 2], [3, 4, 5], [6, 7], [3], [4], [5]]


def test_a_try_that_succeeds_later_is_an_answer():
    class Recovering(RetryingModel):
        def generate(self, doc_ids):
            answers = super().generate(doc_ids) if len(self.calls) % 2 else None
            if answers is None:
                self.calls.append(list(doc_ids))
                raise TimeoutError("slow")
            return answers

    assert guarded(Recovering(broken=())) == ANSWERS


def test_a_run_that_starts_while_an_exception_is_handled_has_no_failures_of_its_own():
    class Chatty(Model):
        def one(self, docs):
            logger.error("A word about every request.")
            return super().generate(docs)

    try:
        raise RuntimeError("the first try of the run")
    except RuntimeError:
        model = Chatty(broken=())
        assert guarded(model) == ANSWERS
    assert len(model.calls) == len(ANSWERS)


def test_an_empty_answer_without_an_exception_is_no_failure():
    class Silent(EmptyModel):
        def generate(self, doc_ids):
            return [""] * len(doc_ids)

    assert guarded(Silent()) == [""] * len(ANSWERS)


def test_an_exception_of_the_model_itself_ends_the_run_as_before():
    class Raising(Model):
        def one(self, docs):
            raise ValueError("wrong weights")

    model = Raising()
    with pytest.raises(ValueError, match="wrong weights"):
        guarded(model)
    assert "generate_until" not in vars(model) and isinstance(model.task_dict, dict)


def test_a_request_that_is_made_several_times_gets_as_many_answers():
    class Counting(Model):
        def one(self, docs):
            self.calls.append(docs)
            return [f"answer {len(self.calls)}"]

    [request] = requests(doc_ids=[0])
    assert guarded(Counting(), [request] * 3) == ["answer 1", "answer 2", "answer 3"]


@pytest.mark.parametrize("kind", [StaleModel, EmptyModel])
def test_requests_of_other_benchmarks_beside_ours_come_as_they_did(kind):
    asked = requests(doc_ids=[0, 1]) + requests("other_benchmark", range(2, 6)) + requests(doc_ids=[5, 6])
    answers = guarded(kind(), asked)
    unguarded = kind().generate_until(asked)
    assert answers[2:6] == unguarded[2:6]
    assert [placeholder_kind(answer) == "failed" for answer in answers] == [
        False,
        False,
        False,
        False,
        False,
        False,
        True,
        False,
    ]
