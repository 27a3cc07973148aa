"""Count the texts that a model's context truncates, and the questions that this spoils."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from loguru import logger

# Texts that a warning quotes; the results file lists all.
_MAX_QUOTED = 5


class TruncationLog:
    """What truncation did in a run.

    Attributes:
        texts: the texts that were truncated.
        ambiguous: task, split and document of the questions with options that are the same once truncated.
    """

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.ambiguous: set[tuple[str, str, int]] = set()

    def add_texts(self, truncated: list[str], num_texts: int) -> None:
        """Add truncated texts, and warn of them.

        Args:
            truncated: the texts.
            num_texts: from how many they are.
        """
        if truncated:
            quoted = ", ".join(repr(text) for text in truncated[:_MAX_QUOTED])
            more = f" and {len(truncated) - _MAX_QUOTED} more" if len(truncated) > _MAX_QUOTED else ""
            logger.warning(
                f"{len(truncated)} of {num_texts} texts are longer than the model's context, which cuts them: "
                f"{quoted}{more}. The results file lists all (loaded_model.texts_cut)."
            )
        self.texts.update(truncated)

    def add_ambiguous(
        self, options_of: Mapping[tuple[str, str, int], Collection[str]], tokens_of: Mapping[str, bytes]
    ) -> None:
        """Add the questions that the model cannot answer, as truncation made two of their options the same.

        Args:
            options_of: the options of each question.
            tokens_of: all tokens of each text.
        """
        if not self.texts:
            return
        ambiguous = {
            place
            for place, options in options_of.items()
            if len({tokens_of[text] for text in options}) < len(set(options))
        }
        if ambiguous - self.ambiguous:
            task_name, _, doc_id = min(ambiguous)
            logger.warning(
                f"{len(ambiguous)} questions have options that are the same once cut to the context, such as "
                f"document {doc_id} of {task_name}: the first of them is answered."
            )
        self.ambiguous |= ambiguous
