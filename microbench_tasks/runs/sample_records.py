"""Typed records of what a run logged of each document (`SampleRecord`).

These pydantic classes alone state the shape of a logged sample.
`microbench_tasks.runs.logged_samples.read_samples` reads the samples of one task as a list of `SampleRecord`, in the
order of the file: `BoxSample` for tasks that ask for boxes, `QuestionSample` for all others. ``sample.item`` has what
a response is scored against; it is None if the run logged responses alone (``--predict_only``). Read the samples once:
pass them on to `microbench_tasks.runs.rescoring.rescore` (``samples=``).

Records are frozen and strict: a text is never taken for a number. pydantic parses the JSON itself and skips unknown
fields, which is faster than ``json``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from microbench_tasks import catalog
from microbench_tasks.catalog.questions import LETTERS


class _LoggedRecord(BaseModel):
    """Base of the records of samples. Unknown fields are ignored: they are most of a log, and cost time and memory."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", populate_by_name=True)


_Pair = Annotated[list[int], Field(min_length=2, max_length=2)]
_Corners = Annotated[list[int | float], Field(min_length=4, max_length=4)]


class QuestionItem(_LoggedRecord):
    """What the response to a question is scored against (``acc`` of a logged sample).

    Attributes:
        kind: of question, such as ``modality``.
        group: of the image; None unless the dataset is an own one.
        options: texts of the options, in the order of the prompt.
        gold: letter of the right option.
    """

    image_id: str
    dataset: str
    kind: str
    group: str | None = None
    options: list[str]
    gold: str

    @property
    def answer_idx(self) -> int:
        """Position of the right option; raises ValueError if ``gold`` is not the letter of an option."""
        letters = list(LETTERS[: len(self.options)])
        if self.gold not in letters:
            raise ValueError(f"acc.gold: expected a letter of {len(letters)} options, got {self.gold!r:.80}")
        return letters.index(self.gold)


class BoxItem(_LoggedRecord):
    """What the response about boxes is scored against (``grit`` of a logged sample).

    Attributes:
        group: of the image; None unless the dataset is an own one.
        expression: the class whose boxes were asked for.
        width, height: of the image, in pixels.
        boxes: gold boxes, (x1, y1, x2, y2) in pixels of the image.
        convention: format in which boxes are read, a key of `parsing.boxes.conventions.CONVENTIONS`.
        model_input_size: width and height of the image as the model saw it, in pixels.
    """

    image_id: str
    dataset: str
    kind: str
    group: str | None = None
    expression: str
    width: int
    height: int
    boxes: list[_Corners]
    convention: str
    model_input_size: _Pair


class SampleRecord(_LoggedRecord):
    """What a run logged of one document: one line of a samples file.

    Attributes:
        doc_id: number of the document in its task.
        filtered_resps: response that is scored, without the reasoning that the harness removes; a list of all
            responses if the question was asked several times (``--repeats``).
        prompt: exact text that the model was given (``input`` in the file); empty if it was not logged.
        target: right answer as the harness logs it: the position of an option, or boxes as JSON.
        score: score of the response in the run.
        resps: raw responses; the file has them only if they differ from ``filtered_resps``.
    """

    doc_id: int
    filtered_resps: str | Annotated[list[str], Field(min_length=2)] | None
    prompt: str = Field(default="", alias="input")
    target: str | None = None
    score: float | None = None
    resps: Any = None

    @property
    def item(self) -> QuestionItem | BoxItem | None:
        """What the response is scored against; None if the run logged responses alone (``--predict_only``)."""
        raise NotImplementedError

    @property
    def responses(self) -> list[str]:
        """All responses to the document, at least one, without surrounding white space, as the harness scores them."""
        logged = self.filtered_resps if isinstance(self.filtered_resps, list) else [self.filtered_resps or ""]
        return [response.strip() for response in logged]


class QuestionSample(SampleRecord):
    """A logged sample of a task that asks questions with options."""

    acc: QuestionItem | None = None

    @property
    def item(self) -> QuestionItem | None:
        """What the response is scored against; None if the run logged responses alone (``--predict_only``)."""
        return self.acc


class BoxSample(SampleRecord):
    """A logged sample of a task that asks for boxes."""

    grit: BoxItem | None = None

    @property
    def item(self) -> BoxItem | None:
        """What the response is scored against; None if the run logged responses alone (``--predict_only``)."""
        return self.grit


def sample_model(task: str) -> type[QuestionSample] | type[BoxSample]:
    """Return the model of the samples of a task."""
    return BoxSample if catalog.task_of(task).subject == "boxes" else QuestionSample
