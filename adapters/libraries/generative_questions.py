"""Read the harness's requests as questions to a model that writes answers, and check their settings."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from microbench_adapters.models.contract import choice_letters, unsupported
from microbench_adapters.models.task_functions import TaskHooks, VisualRequest, documents, has_visual

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# Where a task does not say; the paper's code allows as many.
DEFAULT_NEW_TOKENS = 100
# What every such model does, for messages.
ABILITY = (
    "only writes an answer to a prompt about one image. It runs tasks of output type generate_until with one image "
    "each, such as microbench_coarse and microbench_localization."
)
# Generation settings that change nothing in greedy decoding, or that other models' images have.
_WITHOUT_EFFECT = ("top_p", "top_k", "length_penalty", "early_stopping", "image_aspect_ratio", "use_cache")
# Settings that change nothing at 1.
_WITHOUT_EFFECT_AT_ONE = ("num_beams", "repetition_penalty", "num_return_sequences")


@dataclass(frozen=True)
class Question:
    """One request.

    Attributes:
        kind: what messages call the model.
        request: the arguments of the harness's request.
        prompt: what the model is asked.
        letters: those of which the probabilities are wanted; empty if none are.
        max_new_tokens: after so many, the answer breaks off.
        until: the answer ends before the first of these strings.
    """

    kind: str
    request: VisualRequest
    prompt: str
    letters: str
    max_new_tokens: int
    until: tuple[str, ...]

    def load_image(self) -> Image.Image:
        """Decode the image of the question's document.

        Raises:
            ValueError: the task shows another number of images than one, or something else.
        """
        visuals = self.request.load_visuals() or []
        if len(visuals) == 1 and isinstance(visuals[0], Image.Image):
            return visuals[0].convert("RGB")
        shown = (
            f"{len(visuals)} images" if len(visuals) != 1 else f"a {type(visuals[0]).__name__} in the place of an image"
        )
        raise ValueError(f"Task {self.request.task_name} shows {shown} with one question; {self.kind} {ABILITY}")

    def prompt_when_empty(self) -> str | None:
        """Return what the question's task asks when the answer is empty; None for no second try."""
        when_empty = TaskHooks.of(self.request.task).when_empty
        if when_empty is None:
            return None
        return when_empty(self.request.task.dataset_no_image[self.request.split][self.request.doc_id])


def read_questions(requests: list[Instance], kind: str, image_token: str | None) -> list[Question]:
    """Return the question of each request, its settings checked.

    Args:
        requests: of the harness.
        kind: what messages call the model.
        image_token: the text that the model's processor takes for the place of an image;
            None if it takes none.

    Raises:
        ValueError: a request has no image, marks an image's place in its prompt, or has settings that
            cannot be obeyed.
    """
    imageless = [request for request in requests if not has_visual(request)]
    if imageless:
        raise ValueError(unsupported(imageless, "an answer without an image", kind, ABILITY))
    asked = [VisualRequest(*request.args) for request in requests]
    letters = _letters_wanted(asked)
    questions = []
    for position, request in enumerate(asked):
        if image_token and image_token in request.prompt:
            raise ValueError(
                f"Task {request.task_name}: its prompts contain {image_token}, which {kind}'s processor takes for the "
                "place of an image. The image is shown before the prompt: leave it out."
            )
        max_new_tokens, until = _check_settings(request.settings, request.task_name, kind)
        questions.append(Question(kind, request, request.prompt, letters.get(position, ""), max_new_tokens, until))
    return questions


def _letters_wanted(requests: list[VisualRequest]) -> dict[int, str]:
    """Return the letters of the questions whose task wants their probabilities, by the request's position."""
    positions = collections.defaultdict(list)
    for position, request in enumerate(requests):
        if TaskHooks.of(request.task).wants_probabilities:
            positions[request.task_name, request.split].append(position)
    letters = {}
    for (task_name, split), members in positions.items():
        task = requests[members[0]].task
        doc_ids = [requests[position].doc_id for position in members]
        for position, doc_id, doc in zip(members, doc_ids, documents(task, split, doc_ids), strict=True):
            letters[position] = choice_letters(task.doc_to_choice(doc), task_name, doc_id)
    return letters


def _check_settings(settings: Mapping[str, Any], task_name: str, kind: str) -> tuple[int, tuple[str, ...]]:
    """Return the limit of new tokens and the strings that end an answer.

    Raises:
        ValueError: a setting asks for anything but greedy decoding, or cannot be obeyed.
    """
    where = f"Task {task_name}, generation_kwargs"
    further = dict(settings)
    max_new_tokens = further.pop("max_new_tokens", DEFAULT_NEW_TOKENS)
    if type(max_new_tokens) is not int or max_new_tokens < 1:
        raise ValueError(f"{where}: max_new_tokens: expected an integer of at least 1, got {max_new_tokens!r}.")
    until = further.pop("until", None) or []
    until = [until] if isinstance(until, str) else until
    if not all(isinstance(end, str) and end for end in until):
        raise ValueError(f"{where}: until: expected text that is not empty, or a list of such, got {until!r}.")
    do_sample, temperature = further.pop("do_sample", None), further.pop("temperature", None)
    if do_sample is not False and temperature != 0 and (do_sample or temperature):
        raise ValueError(
            f"{where}: do_sample={do_sample}, temperature={temperature}: {kind} writes the most probable token "
            "here and does not sample. Use --gen_kwargs do_sample=False,temperature=0."
        )
    refused = [
        f"{name}={value}"
        for name, value in further.items()
        if name not in _WITHOUT_EFFECT and not (name in _WITHOUT_EFFECT_AT_ONE and value in (1, None))
    ]
    if refused:
        raise ValueError(
            f"{where}: {', '.join(refused)}: not supported. {kind} writes the most probable token here, up to "
            "max_new_tokens and until."
        )
    return max_new_tokens, tuple(until)


def truncate_at(text: str, until: Iterable[str]) -> str:
    """Return ``text`` up to the first of the strings ``until``.

    >>> truncate_at("A cell. And more", [".", "more"])
    'A cell'
    """
    return text[: min((place for end in until if (place := text.find(end)) >= 0), default=len(text))]
