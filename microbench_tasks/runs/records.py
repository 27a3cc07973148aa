"""Typed records: what a run recorded of itself (`RunRecord`), and what it logged of each document (`SampleRecord`).

These models are the only place that states the shape of a results file and of a logged sample. Use them so:

- `RunRecord.from_results` reads the results file of a run; `RunRecord.from_submission` takes the content of a
  ``submission.json``. Both give the same record: ``record.metadata(task).dataset``, ``record.config.limit``,
  ``record.num_documents[task].effective``.
- `microbench_tasks.runs.logged_samples.read_samples` reads the samples of one task as a list of `SampleRecord`, in the
  order of the file: `BoxSample` for tasks that ask for boxes, `QuestionSample` for all others. ``sample.item`` has what
  a response is scored against; it is None if the run logged responses alone (``--predict_only``).
- Read the samples once: pass them on to `microbench_tasks.runs.rescoring.rescore` (``samples=``).

Records are frozen and strict: a text is never taken for a number. ``model_fields_set`` tells which fields a file has.
Of tables by task, only the rows of this package's tasks and groups are kept: other benchmarks may store anything.

Reading and checking 80,000 samples takes less than half the time of parsing them with ``json``, since pydantic parses
the JSON itself and skips unknown fields. Measured: 2 s instead of 4.7 s; scoring them takes 9 s more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from microbench_tasks import catalog
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.validation import field_problems

JsonObject = dict[str, Any]


class _Record(BaseModel):
    """Base of all records: immutable, and without conversions of types. Unknown fields are kept."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", populate_by_name=True)


class _LoggedRecord(_Record):
    """Base of the records of samples. Unknown fields are ignored: they are most of a log, and cost time and memory."""

    model_config = ConfigDict(extra="ignore")


# --- the record of a run -------------------------------------------------------------


class TaskMetadata(_Record):
    """What a run records of a task's origin (``configs.<task>.metadata`` of a results file).

    Attributes:
        version: of prompts and scores (`catalog.TASK_VERSION`).
        microbench_version: of this package.
        microbench_commit: of its source, where it was installed from git or from a clone.
        dataset: identity of the data source.
        interval: how intervals were computed (`tasks.interval_settings`).
        boxes: how boxes were asked for and read.
        packages: versions of the Python packages that ran.
        definition: the definition of the task that ran (`tasks.definition_records`).
        asked: digest and number of the documents (``sha256``, ``num_documents``).
    """

    version: float | None = None
    microbench_version: str | None = None
    microbench_commit: str | None = None
    dataset: JsonObject | None = None
    interval: JsonObject | None = None
    boxes: JsonObject | None = None
    packages: JsonObject | None = None
    definition: JsonObject | None = None
    asked: JsonObject | None = None


class TaskConfig(_Record):
    """The harness's configuration of a task (``configs.<task>`` of a results file)."""

    metadata: TaskMetadata | None = None
    generation_kwargs: JsonObject | None = None
    repeats: int | None = None
    reasoning_tags: Any = None


class NumDocuments(_Record):
    """How many documents a task has (``original``), and how many of them were asked (``effective``)."""

    original: int
    effective: int


class RunConfig(_Record):
    """The harness's options of a run (``config`` of a results file)."""

    model: str | None = None
    model_backend: str | None = None
    model_args: str | JsonObject | None = None
    gen_kwargs: str | JsonObject | None = None
    limit: float | None = None
    offset: int | None = None
    random_seed: int | None = None
    numpy_seed: int | None = None
    torch_seed: int | None = None
    fewshot_seed: int | None = None
    resolved_cli_args: JsonObject | None = None


def _only_our_rows(table: Any) -> Any:
    if not isinstance(table, dict):
        return table
    return {name: row for name, row in table.items() if name in catalog.GROUPS or catalog.is_task(name)}


_OnlyOurs = BeforeValidator(_only_our_rows)


class RunRecord(_Record):
    """What a run recorded of itself; empty if there is no results file.

    Attributes:
        configs: configuration of each task.
        results: of each task and group, the value of each metric, by its name in the file (``acc,none``).
        num_documents: of each task (``n-samples`` in the file).
        num_examples: of each task, how many examples were in the prompt (``n-shot`` in the file).
        config: options of the run.
        loaded_model: what the model recorded of its checkpoint.
        left_out: tasks that the model cannot answer, with the reason (`runs.result_keys.LEFT_OUT`).
        name_in_list: name of the model in the list of ``microbench run`` (`runs.result_keys.NAME_IN_LIST`).
        served_model: requests to a model behind a server (`runs.result_keys.SERVED`).
    """

    configs: Annotated[dict[str, TaskConfig], _OnlyOurs] = Field(default_factory=dict)
    results: Annotated[dict[str, JsonObject], _OnlyOurs] = Field(default_factory=dict)
    num_documents: Annotated[dict[str, NumDocuments], _OnlyOurs] = Field(default_factory=dict, alias="n-samples")
    num_examples: Annotated[dict[str, int] | None, _OnlyOurs] = Field(default=None, alias="n-shot")
    config: RunConfig = RunConfig()
    loaded_model: JsonObject | None = None
    model_source: str | None = None
    system_instruction: str | None = None
    date: str | None = None
    left_out: JsonObject | None = Field(default=None, alias="microbench_left_out")
    name_in_list: str | None = Field(default=None, alias="microbench_name")
    served_model: JsonObject | None = None

    @classmethod
    def from_results(cls, path: Path) -> RunRecord:
        """Read the results file of a run.

        Raises:
            DataError: it cannot be read, or a field that this package uses is of another kind; names file and field.
        """
        content = untrusted.read_regular_file(path)
        advice = "Copy the file again, or remove it to score the samples alone."
        try:
            # The harness may write NaN.
            results = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: cannot be read as JSON ({error}). {advice}") from error
        if not isinstance(results, dict) or "configs" not in results:
            raise DataError(f"{path}: expected the harness's results, an object with configs. {advice}")
        try:
            return cls.model_validate(results)
        except ValidationError as error:
            raise DataError(f"{path}: {field_problems(error)[0]}. {advice}") from error

    @classmethod
    def from_submission(cls, manifest: Mapping[str, Any]) -> RunRecord:
        """Return the record of the run that a submission was made of, from its ``submission.json``, checked before."""
        versions, settings, data, model = (manifest[name] for name in ("versions", "settings", "data", "model"))
        shared = {
            "version": versions["task"],
            "microbench_version": versions["microbench"],
            "microbench_commit": versions.get("commit"),
            "interval": settings["interval"],
            "boxes": settings["boxes"],
        }
        num_samples = manifest["num_samples"]
        return cls.model_validate(
            {
                "config": {"model": model["harness_model"], "model_args": model["model_args"]},
                "loaded_model": model.get("loaded_model"),
                "configs": {
                    task: {
                        "metadata": shared | {"dataset": data["sources"].get(task), "asked": data["asked"].get(task)}
                    }
                    for task in num_samples
                },
                "n-samples": {task: {"original": count, "effective": count} for task, count in num_samples.items()},
                "results": {
                    name: {f"{metric},none": value for metric, value in figures.items()}
                    for name, figures in manifest["scores"].items()
                },
            }
        )

    def metadata(self, task: str) -> TaskMetadata:
        """Return what is recorded of a task's origin; all fields are None if nothing is."""
        config = self.configs.get(task)
        return (config and config.metadata) or TaskMetadata()


# --- samples -------------------------------------------------------------------------


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
