"""Typed records of what a run recorded of itself (`RunRecord`).

These pydantic classes state the shape of a results file; `runs.result_keys` names the keys that are this package's
own. `RunRecord.from_results` reads the results file
of a run; `RunRecord.from_submission` takes the content of a ``submission.json``. Both give the same record:
``record.metadata(task).dataset``, ``record.config.limit``, ``record.num_documents[task].effective``.

Records are frozen and strict: a text is never taken for a number. ``model_fields_set`` tells which fields a file has.
Of tables by task, only the rows of this package's tasks and groups are kept: other benchmarks may store anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from microbench_tasks import catalog
from microbench_tasks.runs import result_keys
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.validation import field_problems

JsonObject = dict[str, Any]


class _Record(BaseModel):
    """Base of all records: immutable, and without conversions of types. Unknown fields are kept."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", populate_by_name=True)


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
        model_source: type of the model, as the harness names it.
        system_instruction: text that stood before every prompt, if there was one.
        date: when the run began.
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
    left_out: JsonObject | None = Field(default=None, validation_alias=result_keys.LEFT_OUT)
    name_in_list: str | None = Field(default=None, validation_alias=result_keys.NAME_IN_LIST)
    served_model: JsonObject | None = Field(default=None, validation_alias=result_keys.SERVED)

    @classmethod
    def from_results(cls, path: Path) -> RunRecord:
        """Read the results file of a run.

        Raises:
            DataError: it cannot be read, or a field that this package uses is of another kind; names file and field.
        """
        content = untrusted.read_regular_file(path)
        advice = "Copy the file again, or remove it to score the samples alone."
        try:
            # pydantic's parser refuses unpaired surrogates, which `json` writes for a path that is not UTF-8.
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
