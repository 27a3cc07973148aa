"""A model that answers at random: what a score is worth is its distance from this one's."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lmms_eval.api.model import lmms

from microbench_adapters import harness
from microbench_adapters.contract import checked_arguments, refusal

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# The paper's Random row shuffles the options with this seed and takes the first.
SEED = 42
# What messages call it.
_KIND = "random model"


class RandomModel(lmms):
    """Answers with the letter of one of a task's choices, each as likely as the others.

    Where a task has no choices, its ``doc_to_text`` may have an attribute ``random_answer``, a
    function from a document (without its image) and a ``numpy.random.Generator`` to a response.

    Args:
        seed: the answer to a document depends on it, on the task's name and on the document's
            number only, and so neither on other tasks nor on the number of processes.
        batch_size, device, max_batch_size: accepted, as the harness always passes them, and not used.

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
        harness.end_group_at_exit()

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict | None = None) -> RandomModel:
        """Build the model from ``--model_args``; raises `ValueError` for an unknown one."""
        return cls(**((additional_config or {}) | checked_arguments(cls, arg_string)))

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer each request.

        Raises:
            ValueError: a task has neither choices nor a ``random_answer``; raised before any is answered.
        """
        firsts: dict[str, Instance] = {}
        for request in requests:
            firsts.setdefault(request.task_name, request)
        answers = {name: _answer_of(request) for name, request in firsts.items()}
        unanswerable = [firsts[name] for name, answer in answers.items() if answer is None]
        if unanswerable:
            raise ValueError(refusal(unanswerable, "free text", _KIND))
        return [answers[request.task_name](*self._document(request)) for request in requests]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refused: a random answer has no likelihood."""
        raise ValueError(refusal(requests, "log-likelihoods", _KIND))

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refused: there is nothing to continue."""
        raise ValueError(refusal(requests, "several rounds", _KIND))

    def clean(self) -> None:
        """Nothing to free."""

    def _document(self, request: Instance) -> tuple[dict[str, Any], np.random.Generator]:
        """The document without its image, and random numbers of its own."""
        _, _, doc_to_visual, doc_id, task_name, split = request.args
        key = hashlib.sha256(f"{self.seed}/{task_name}/{doc_id}".encode()).digest()
        return doc_to_visual.__self__.dataset_no_image[split][doc_id], np.random.default_rng(
            int.from_bytes(key, "little")
        )


def _answer_of(request: Instance) -> Callable[[dict[str, Any], np.random.Generator], str] | None:
    """How a document of the request's task is answered; None if the task does not say."""
    task = getattr(request.args[2], "__self__", None)
    if task is None:
        return None
    if task.config.doc_to_choice is None:
        return getattr(task.config.doc_to_text, "random_answer", None)
    return lambda doc, rng: string.ascii_uppercase[rng.integers(len(task.doc_to_choice(doc)))]
