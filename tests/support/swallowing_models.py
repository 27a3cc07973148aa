"""Models that fail at some questions as classes of the harness do, and requests for them."""

from __future__ import annotations

from collections.abc import Iterable

from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from loguru import logger

from microbench_tasks.harness.guard.model_guard import guarding

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


def requests(task: str = TASK, doc_ids: Iterable[int] | None = None) -> list[Instance]:
    return [
        Instance(
            "generate_until",
            ("prompt", {}, lambda doc: doc, doc_id, task, "test"),
            0,
            metadata={"task": task, "doc_id": doc_id, "repeats": 1},
        )
        for doc_id in (range(len(ANSWERS)) if doc_ids is None else doc_ids)
    ]


class RetryingModel(Model):
    """As gpt4v, claude, reka and qwen_vl_api: several tries, then an empty answer.

    It reads no batches, and does not report finished answers.
    """

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


def guarded(model, asked=None):
    with guarding(model):
        return model.generate_until(requests() if asked is None else asked)
