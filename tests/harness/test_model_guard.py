"""Claims about models of the harness that swallow exceptions or return something other than text."""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import types
from pathlib import Path

import lmms_eval.models
import pytest
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from loguru import logger

from microbench_tasks.harness.guard.model_guard import guarding, plain_client
from microbench_tasks.parsing.failures import failure_mark, placeholder_kind

TASK = "microbench_coarse_domain"
# Question 3 and 5 of eight cannot be answered.
BROKEN = (3, 5)
ANSWERS = ["A", "B", "B", "C", "D", "A", "A", "B"]


class Model(lmms):
    """Answers `ANSWERS`; like classes of the harness, it reads a document, generates in a try block, and logs."""

    batch_size = 1

    def __init__(self, broken=BROKEN):
        super().__init__()
        self.broken = set(broken)
        self.calls = []
        self.task_dict = {task: {"test": list(range(len(ANSWERS)))} for task in (TASK, "other_benchmark")}

    def generate(self, doc_ids):
        self.calls.append(list(doc_ids))
        if self.broken & set(doc_ids):
            raise RuntimeError("out of memory")
        return [ANSWERS[doc_id] for doc_id in doc_ids]

    def chunks(self, requests):
        for start in range(0, len(requests), self.batch_size):
            chunk = [request.args for request in requests[start : start + self.batch_size]]
            yield [args[2](self.task_dict[args[4]][args[5]][args[3]]) for args in chunk]

    def generate_until(self, requests):
        answers = []
        for docs in self.chunks(requests):
            answers += self.one(docs)
            self.cache_hook.add_partial("generate_until", None, None)
        return answers

    def loglikelihood(self, requests):
        raise AssertionError

    generate_until_multi_round = loglikelihood


def requests(task=TASK, doc_ids=range(len(ANSWERS))):
    return [
        Instance(
            "generate_until",
            ("prompt", {}, lambda doc: doc, doc_id, task, "test"),
            0,
            metadata={"task": task, "doc_id": doc_id, "repeats": 1},
        )
        for doc_id in doc_ids
    ]


def guarded(model, asked=None):
    with guarding(model):
        return model.generate_until(requests() if asked is None else asked)


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


class RetryingModel(Model):
    """As gpt4v, claude, reka and qwen_vl_api: several tries, then an empty answer; it reads no batch and reports no end."""

    def generate_until(self, requests):
        answers = []
        for docs in self.chunks(requests):
            for attempt in range(3):
                try:
                    response = self.generate(docs)[0]
                    break
                except Exception as error:
                    logger.info(f"Attempt {attempt + 1} failed with error: {error}")
                    if attempt == 2:
                        logger.error(f"All attempts failed. Last error: {error}")
                        response = ""
            answers.append(response)
        return answers


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
    plain = plain_client(client(reply, asynchronous))
    made = plain.chat.completions.create(model="m")
    assert (asyncio.run(made) if asynchronous else made).choices[0].message.content == content
    assert plain.base_url == "http://x"


# --- the installed harness ---

# Methods of generation that swallow an exception and log nothing of it: where a value has another form, or a video or a
# sound cannot be read, which no task of ours sends; and, at last, printing instead of logging.
SILENT = {
    "async_hf_model.py generate_until", "async_hf_model.py worker_loop", "nanovlm.py generate_until", "nanovlm.py worker_loop",
    "aero_realtime_vllm.py _generate_one", "gemini.py generate_until", "gemini.py process_single_request", "longvila.py make_one_request",
    "audio_flamingo_3.py generate_until", "cambrian.py generate_until", "internvl.py generate_until", "kimi_audio.py generate_until",
    "qwen2_vl.py generate_until", "qwen_vl.py generate_until", "vora.py generate_until",
    "llava_sglang.py generate_until", "llava_onevision_moviechat.py generate_until",
    # Its replies are text before it reads them.
    "async_openai.py maybe_forward_with_tool",
    # Harness's own: parts of making videos and pictures.
    "generation_api.py _generate_one", "generation_api.py _generate_one_v2v",
}  # fmt: skip
_METHODS = (
    "generate_until",
    "_generate",
    "_infer",
    "process_single",
    "_process",
    "maybe_forward",
    "generate",
    "worker_loop",
    "make_one_request",
    "understand_image",
    "make_request",
)


def test_every_class_of_the_installed_harness_that_swallows_an_exception_logs_it_but_the_known_ones():
    folder = Path(inspect.getsourcefile(lmms_eval.models)).parent
    silent = set()
    for path in sorted([*folder.glob("simple/*.py"), *folder.glob("chat/*.py")]):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
                and function.name.startswith(_METHODS)
                and "multi_round" not in function.name
            ):
                handlers = [
                    handler for block in ast.walk(function) if isinstance(block, ast.Try) for handler in block.handlers
                ]
                silent |= {f"{path.name} {function.name}" for handler in handlers if not _raises_or_logs(handler)}
    assert silent <= SILENT


def _raises_or_logs(handler):
    for node in ast.walk(ast.Module(handler.body, [])):
        if isinstance(node, ast.Raise) or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and "log" in ast.unparse(node.func.value)
        ):
            return True
    return False
