"""A model that answers at random: the baseline of every score."""

from __future__ import annotations

import hashlib
import string
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lmms_eval.api.model import lmms

from microbench_adapters.models import distribution
from microbench_adapters.models.contract import parse_model_args, unsupported
from microbench_adapters.models.task_functions import (
    Doc,
    HarnessTask,
    RandomAnswer,
    TaskHooks,
    VisualRequest,
    has_visual,
)

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# The paper's Random row shuffles the options with this seed and takes the first.
SEED = 42
# What messages call it.
_KIND = "random model"


class RandomModel(lmms):
    """Answer with the letter of one of a task's choices, each equally likely.

    Where a task has no choices, its ``doc_to_text`` may have an attribute ``random_answer``, see `TaskHooks`.

    Args:
        seed: together with the task's name and the document's number, it decides the answer. So answers depend
            neither on other tasks nor on the number of processes.
        batch_size: accepted, as the harness always passes it, and not used.
        device: accepted, as the harness always passes it, and not used.
        max_batch_size: accepted, as the harness always passes it, and not used.

    Raises:
        ValueError: the seed is not an integer of at least 0.
    """

    is_simple = True

    def __init__(
        self,
        seed: int = SEED,
        batch_size: int | str | None = None,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__()
        if type(seed) is not int or seed < 0:
            raise ValueError(f"seed: expected an integer of at least 0, got {seed!r}.")
        self.seed = seed
        # The harness exchanges the numbers of requests of several processes through it.
        self.device = torch.device("cpu")
        distribution.end_group_at_exit()

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict[str, Any] | None = None) -> RandomModel:
        """Build the model from ``--model_args``.

        Raises:
            ValueError: an argument is unknown.
        """
        return cls(**((additional_config or {}) | parse_model_args(cls, arg_string)))

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer each request.

        Raises:
            ValueError: a task has neither choices nor a ``random_answer``; raised before any is answered.
        """
        first_of_task: dict[str, Instance] = {}
        for request in requests:
            first_of_task.setdefault(request.task_name, request)
        answers = {name: _random_answer(request) for name, request in first_of_task.items() if has_visual(request)}
        draws = {name: draw for name, draw in answers.items() if draw is not None}
        unanswerable = [request for name, request in first_of_task.items() if name not in draws]
        if unanswerable:
            raise ValueError(unsupported(unanswerable, "free text", _KIND))
        return [draws[request.task_name](*self._document(VisualRequest(*request.args))) for request in requests]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refuse: a random answer has no likelihood."""
        raise ValueError(unsupported(requests, "log-likelihoods", _KIND))

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refuse: there is nothing to continue."""
        raise ValueError(unsupported(requests, "several rounds", _KIND))

    def clean(self) -> None:
        """Do nothing: there is no memory to free."""

    def _document(self, request: VisualRequest) -> tuple[Doc, np.random.Generator]:
        """Return the document without its image, and its own random numbers."""
        key = hashlib.sha256(f"{self.seed}/{request.task_name}/{request.doc_id}".encode()).digest()
        doc = request.task.dataset_no_image[request.split][request.doc_id]
        return doc, np.random.default_rng(int.from_bytes(key, "little"))


def _random_answer(request: Instance) -> RandomAnswer | None:
    """Return the function that answers a document of the request's task; None if there is none."""
    task = VisualRequest(*request.args).task
    return TaskHooks.of(task).random_answer if task.config.doc_to_choice is None else _letter_drawer(task)


def _letter_drawer(task: HarnessTask) -> RandomAnswer:
    def draw_letter(doc: Doc, rng: np.random.Generator, /) -> str:
        return string.ascii_uppercase[rng.integers(len(task.doc_to_choice(doc)))]

    return draw_letter
