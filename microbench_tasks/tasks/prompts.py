"""What a model is shown and asked: the ``doc_to_*`` functions that the tasks' YAML names.

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
# What stands before the question and after its options: the paper's, and others that ask for the same.
WORDINGS = {
    "paper": (INSTRUCTION, ""),
    "letter": ("Reply only with the letter of the correct option.", ""),
    "expert": (
        "You are an expert in microscopy. Look at the micrograph and choose the correct option; your reply is its letter and nothing else.",
        "",
    ),
    "last": ("", INSTRUCTION),
}


def microbench_doc_to_text(doc: dict[str, Any], lmms_eval_specific_kwargs: dict[str, Any] | None = None) -> str:
    """The paper's prompt, to the letter: instruction, question and lettered options, a line each.

    A document with a ``wording`` of its own gets that instead (a key of `WORDINGS`).

    ``lmms_eval_specific_kwargs`` may put a ``pre_prompt`` before it and a ``post_prompt`` after it, as they are.

    >>> print(microbench_doc_to_text({"question": "Which cell?", "options": ["basophil", "platelet"]}))
    Answer with a single letter, no extra details.
    Question:Which cell?
    A) basophil
    B) platelet
    """
    around = lmms_eval_specific_kwargs or {}
    # Of the document, not of the task: several chat models of the harness take a whole batch's messages from its first task.
    before, after = WORDINGS[doc.get("wording", "paper")]
    lines = [before, f"Question:{doc['question']}", *lettered_options(doc["options"]), after]
    prompt = "\n".join(line for line in lines if line)
    return around.get("pre_prompt", "") + prompt + around.get("post_prompt", "")


def microbench_doc_to_choice(doc: dict[str, Any]) -> list[str]:
    """The captions that a contrastive model scores, one per option, in the options' order."""
    return doc["captions"]


# Asks a model that only chooses for the second line that `microbench_tasks.parsing.probabilities` reads.
microbench_doc_to_choice.wants_probabilities = True


def microbench_doc_to_target(doc: dict[str, Any]) -> int:
    """The index of the right option.

    An index and not a letter: the harness looks the choice up itself with ``--predict_only``.
    """
    return doc["answer_idx"]


def microbench_doc_to_visual(doc: dict[str, Any]) -> list[Image]:
    """The document's one micrograph as 8-bit RGB."""
    return [to_rgb(doc["image"])]


def _image_key(doc: dict[str, Any]) -> str:
    """Equal for documents that show the same pixels; needs no image column."""
    return doc["image_key"]


# Lets a model recognise an image that several tasks ask about before it is decoded.
microbench_doc_to_visual.image_key = _image_key
