"""Report answers that break off and prompts that are longer than the model's context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from loguru import logger

from microbench_adapters.libraries.generative_questions import Question
from microbench_adapters.models import distribution
from microbench_adapters.models.dual_encoder import Tensors

Place = tuple[str, str, int]


class LengthLog:
    """Warn of each task's first answer that breaks off and first prompt that is too long, and count all.

    Args:
        context_length: longest prompt that the model was trained on, in tokens; None if that is not known.
        end_ids: the tokens that end an answer.
    """

    def __init__(self, context_length: int | None, end_ids: Iterable[int]) -> None:
        self._context_length = context_length
        self._end_ids = torch.tensor(sorted(end_ids), dtype=torch.long)
        self._cut: set[Place] = set()
        self._too_long: set[Place] = set()

    def add(self, questions: Sequence[Question], inputs: Tensors, tokens: torch.Tensor) -> None:
        """Add a batch.

        Args:
            questions: of the batch.
            inputs: of the model.
            tokens: what it wrote, shape (N, most tokens of an answer).
        """
        has_ended = torch.isin(tokens, self._end_ids).any(dim=1) | (tokens.shape[1] < questions[0].max_new_tokens)
        lengths = inputs["attention_mask"].sum(dim=1)
        for question, ended, length in zip(questions, has_ended.tolist(), lengths.tolist(), strict=True):
            if not ended:
                self._note(
                    self._cut,
                    question,
                    f"the answer stops after max_new_tokens={question.max_new_tokens} tokens. If the model "
                    "reasons or explains first, its answer may be missing: type --gen_kwargs max_new_tokens=…",
                )
            if self._context_length is not None and length > self._context_length:
                self._note(
                    self._too_long,
                    question,
                    f"image and question are {length} tokens, more than the {self._context_length} that the model "
                    "was trained on (max_position_embeddings). Its answer means little; nothing is cut",
                )

    def log_totals(self) -> None:
        """Log how many there were in all processes of the run; call it in all of them at once."""
        for places, what in (
            (self._cut, "answers broke off"),
            (self._too_long, "prompts were longer than the context"),
        ):
            counts = Counter(task for task, _, _ in distribution.union_over_processes(places))
            if counts:
                listed = ", ".join(f"{task} {count}" for task, count in sorted(counts.items()))
                logger.warning(f"{counts.total()} {what}: {listed}.")

    def _note(self, places: set[Place], question: Question, problem: str) -> None:
        task, _, doc_id = question.request.place
        if task not in {name for name, _, _ in places}:
            logger.warning(f"Task {task}, document {doc_id}: {problem}. Further ones of this task are counted.")
        places.add(question.request.place)
