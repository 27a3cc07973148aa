"""Provide the prompt, the image and the answer options of a question: the ``doc_to_*`` functions of the tasks' YAML.

Source: the paper's evaluation code (GitHub ``Ale9806/eVLLM``) for the prompt, the release's
``captions`` column for the texts that contrastive models score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from microbench_tasks.data.table_images import to_rgb
from microbench_tasks.parsing.letters.paper_rule import lettered_options

if TYPE_CHECKING:
    from PIL.Image import Image

INSTRUCTION = "Answer with a single letter, no extra details."
# Text before the question and after its options: the paper's, and other wordings of the same instruction.
WORDINGS = {
    "paper": (INSTRUCTION, ""),
    "letter": ("Reply only with the letter of the correct option.", ""),
    "expert": (
        "You are an expert in microscopy. Look at the micrograph and choose the correct option; "
        "your reply is its letter and nothing else.",
        "",
    ),
    "last": ("", INSTRUCTION),
}


def microbench_doc_to_text(doc: dict[str, Any], lmms_eval_specific_kwargs: dict[str, Any] | None = None) -> str:
    """Return the exact prompt of the paper: instruction, question and lettered options, one line each.

    Args:
        doc: a document with ``question`` and ``options``; its ``wording``, if any, is a key of `WORDINGS`.
        lmms_eval_specific_kwargs: may contain a ``pre_prompt`` and a ``post_prompt``, which are put before and after
            the prompt without a separator.

    >>> print(microbench_doc_to_text({"question": "Which cell?", "options": ["basophil", "platelet"]}))
    Answer with a single letter, no extra details.
    Question:Which cell?
    A) basophil
    B) platelet
    """
    options = lmms_eval_specific_kwargs or {}
    # The wording belongs to the document, not to the task: several chat models of the harness build the messages of a
    # whole batch with the functions of its first task.
    before, after = WORDINGS[doc.get("wording", "paper")]
    lines = [before, f"Question:{doc['question']}", *lettered_options(doc["options"]), after]
    prompt = "\n".join(line for line in lines if line)
    return options.get("pre_prompt", "") + prompt + options.get("post_prompt", "")


def microbench_doc_to_choice(doc: dict[str, Any]) -> list[str]:
    """Return the captions that a contrastive model scores, one per option, in the options' order."""
    return doc["captions"]


# A model that only chooses among texts adds a second line, the probabilities that `microbench_tasks.parsing` reads.
microbench_doc_to_choice.wants_probabilities = True  # type: ignore[attr-defined]  # Models read it from the function.
# The only ones that the function reads: others need not be converted for each of its questions.
microbench_doc_to_choice.columns = ("captions",)  # type: ignore[attr-defined]


def microbench_doc_to_target(doc: dict[str, Any]) -> int:
    """Return the index of the right option; with ``--predict_only`` the harness looks up the choice by it."""
    return doc["answer_idx"]


def microbench_doc_to_visual(doc: dict[str, Any]) -> list[Image]:
    """Return the document's micrograph as 8-bit RGB."""
    return [to_rgb(doc["image"])]


def _image_key(doc: dict[str, Any]) -> str:
    """Return a key that is equal for documents with the same pixels; needs no image column."""
    return doc["image_key"]


# By this key, a model recognizes an image that several tasks ask about before it is decoded.
microbench_doc_to_visual.image_key = _image_key  # type: ignore[attr-defined]  # Models read it from the function.
# The number goes up when equal files give other pixels than before, as a model may keep pixels on disk.
microbench_doc_to_visual.image_source = ("image", "microbench rgb 1")  # type: ignore[attr-defined]
