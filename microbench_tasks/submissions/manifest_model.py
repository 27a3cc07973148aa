"""Typed records of ``submission.json``.

These models are the only statement of the file's form. ``submission_schema.json`` is generated from them by
``scripts/write_schema.py``, for readers and for other tools. What a schema cannot express is in `manifest_checks`.

A field that may be absent, but not null, is marked with ``NO_NULL``; here it is None if it is absent.
``Manifest.model_dump(exclude_unset=True)`` gives the content of the file back.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from microbench_tasks.submissions.manifest_types import (
    NO_NULL,
    Commit,
    Count,
    FileName,
    Fraction,
    JsonObject,
    Level,
    Line,
    MetricName,
    Number,
    Positive,
    Record,
    Sha256,
    StartDate,
    TaskName,
    Url,
    Version,
    VersionOrUnknown,
)

# Version 3 is the same, but knows no own data: such submissions are read as they are.
SCHEMA_VERSION = 4

# --- the model -----------------------------------------------------------------------


class LoadedModel(Record):
    """What the run recorded of the checkpoint; each field is absent if the model does not record it."""

    checkpoint: Annotated[
        Annotated[str, Field(min_length=1, max_length=2000)] | None,
        NO_NULL,
        Field(description="Name of the checkpoint, without folders."),
    ] = None
    files: JsonObject | None = Field(default=None, description="Files or repository that it was loaded from.")
    architecture: JsonObject | str | None = Field(default=None, description="Configuration of the library's model.")
    weights_sha256: Annotated[
        Sha256 | None, NO_NULL, Field(description="SHA-256 of all weights, by name and value.")
    ] = None
    preprocessing: JsonObject | list[Any] | str | None = Field(default=None, description="Preprocessing of images.")
    padding: Annotated[Line | None, NO_NULL, Field(description="Padding of texts.")] = None
    context_length: int | None = Field(default=None, description="Longest text that is read, in tokens.")
    tokenizer: JsonObject | None = Field(default=None, description="Class and SHA-256 of the tokenizer.")
    precision: Annotated[Line | None, NO_NULL, Field(description="Precision of the weights.")] = None
    device: Annotated[Line | None, NO_NULL, Field(description="Kind of device.")] = None
    compiled: Annotated[bool | None, NO_NULL, Field(description="Whether torch.compile was used.")] = None
    merge: Annotated[JsonObject | None, NO_NULL, Field(description="Checkpoints that were merged, and the method.")] = (
        None
    )
    texts_cut: Annotated[list[str] | None, NO_NULL, Field(description="Texts longer than the model's context.")] = None
    questions_cut_alike: Annotated[
        Count | None, NO_NULL, Field(description="Number of questions with options that are the same once cut.")
    ] = None


class Model(Record):
    """Which model was evaluated, and how it was run."""

    name: Line = Field(description="Name that leaderboards show.")
    url: Annotated[Url | None, NO_NULL, Field(description="Page that describes the model.")] = None
    harness_model: Line = Field(description="lmms-eval's --model.")
    backend: Line = Field(description="Class that ran the model, as lmms-eval records it.")
    model_args: str | JsonObject = Field(description="lmms-eval's --model_args, without folders and keys.")
    loaded_model: LoadedModel | None = Field(
        description="What the run recorded of the checkpoint. Null if the model records nothing."
    )
    precision: Line = Field(
        description='Precision of the weights, from loaded_model or else model_args; "unknown" if not recorded.'
    )
    gen_kwargs: str | JsonObject | None = Field(description="lmms-eval's --gen_kwargs, as typed.")
    generation_kwargs: dict[TaskName, JsonObject] = Field(description="For each task, the generation settings.")


# --- the data ------------------------------------------------------------------------


class _Source(Record):
    source: str


class DemoSource(_Source):
    """The demo set."""

    source: Literal["demo"]
    version: Line
    seed: int
    sha256: Sha256


class CognitionHubSource(_Source):
    """The cognition questions in a repository of the Hugging Face Hub."""

    source: Literal["hub"]
    id: Line
    config: Line
    revision: Line
    sha256: Sha256


class HubSource(CognitionHubSource):
    """Micrographs in a repository of the Hugging Face Hub."""

    is_release: bool


class CognitionFolderSource(_Source):
    """The cognition questions in a folder."""

    source: Literal["folder"]
    sha256: Sha256


class FolderSource(CognitionFolderSource):
    """Micrographs in a folder."""

    is_release: bool


class OwnSource(_Source):
    """A dataset of the submitter's own, which is no part of the benchmark."""

    source: Literal["own"]
    name: Line
    sha256: Sha256
    licence: Annotated[Line | None, NO_NULL, Field(description="Licence of the images, in the owner's words.")] = None
    groups: Annotated[
        Line | None, NO_NULL, Field(description="What intervals count as one observation, such as slide.")
    ] = None


Source = Annotated[HubSource | FolderSource | DemoSource | OwnSource, Field(discriminator="source")]
CognitionSource = Annotated[CognitionHubSource | CognitionFolderSource | DemoSource, Field(discriminator="source")]


class Sources(Record):
    """The data source of each task; only that of cognition has a form of its own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[TaskName, Source] = Field(init=False)

    microbench_cognition: Annotated[
        CognitionSource | None,
        NO_NULL,
        Field(description="Does not state whether it is the release: the release has no such questions."),
    ] = None

    def identities(self) -> dict[str, dict[str, Any]]:
        """Return the identity of each task's source, as the run recorded it."""
        return self.model_dump(exclude_unset=True)


class Asked(Record):
    """The documents that were asked about in one task."""

    sha256: Sha256
    num_documents: Positive


class Data(Record):
    """The data that the model was evaluated on."""

    kind: Literal["release", "demo", "local", "own"] = Field(
        description="Kind of the micrographs: the release on the Hub or a copy with its hashes; the demo "
        "set; anything else; own if only own datasets were asked about."
    )
    sources: Sources = Field(description="For each task, revision or content hash of the data, as the run recorded it.")
    asked: dict[TaskName, Asked] = Field(
        description="For each task, SHA-256 of all documents that the run asked about, images included, and their "
        "number."
    )


# --- versions and settings -----------------------------------------------------------


class Versions(Record):
    """Versions of the packages that ran."""

    microbench: Version = Field(description="Version of this package in the run.")
    commit: Annotated[
        Commit | None, NO_NULL, Field(description="Commit of this package's source, where it was installed from git.")
    ] = None
    task: Number = Field(description="Version of prompts and scores.")
    lmms_eval: VersionOrUnknown = Field(description='"unknown" if the run did not record it.')
    packages: dict[
        Literal["datasets", "pillow", "numpy", "torch", "torchvision", "transformers", "open_clip_torch"],
        VersionOrUnknown,
    ] = Field(description='Python packages of the run; "unknown" if the run did not record them.')


class PaperInterval(Record):
    """The interval that reproduces the paper's."""

    method: Literal["basic", "percentile"]
    confidence_level: Level
    num_resamples: Positive
    seed: int


class QuotedInterval(Record):
    """The interval to quote."""

    method: Line
    confidence_level: Level


class Interval(Record):
    """How intervals were computed."""

    paper: PaperInterval = Field(
        description="Of acc_ci_low and acc_ci_high, which reproduce the paper's bootstrap interval."
    )
    quoted: QuotedInterval = Field(description="Of all other intervals: the ones to quote.")


class Boxes(Record):
    """How boxes were asked for and read."""

    convention: str
    prompt: str
    prompt_when_empty: str | None
    limits: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None
    source: str
    chosen_by: Line


class Settings(Record):
    """Settings of the evaluation."""

    interval: Interval = Field(description="How intervals were computed.")
    boxes: Boxes | None = Field(
        description="How boxes were asked for and read, and which model, setting or default chose that; null if no "
        "boxes were asked for."
    )


class Seeds(Record):
    """Random seeds of the run."""

    random: int | None = Field(description="Seed of Python's random.")
    numpy: int | None = Field(description="Seed of NumPy.")
    torch: int | None = Field(description="Seed of PyTorch.")
    fewshot: int | None = Field(description="Seed of lmms-eval's choice of examples.")


class Run(Record):
    """The run that was submitted."""

    name: Line = Field(description="Name that the harness gave the run.")
    date: StartDate = Field(description="Start of the run in UTC, between the benchmark's publication and now.")
    samples_url: Annotated[Url | None, NO_NULL, Field(description="Page where this submission is published.")] = None


# --- scores --------------------------------------------------------------------------


class Counts(Record):
    """Number of questions (for boxes: pairs of image and class), images and datasets of a score."""

    questions: Count
    images: Count
    datasets: Count
    groups: Annotated[
        Count | None, NO_NULL, Field(description="Number of groups of images; only of own data that have groups.")
    ] = None


class Figures(Record):
    """The scores of one task or group, by metric."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[MetricName, Number | None] = Field(init=False)

    unparsed_by_kind: Annotated[
        dict[MetricName, Count] | None,
        NO_NULL,
        Field(description="Number of responses without an answer, by kind of response."),
    ] = None
    counts: Annotated[Counts | None, NO_NULL, Field(description="What acc is about.")] = None
    boxes_counts: Annotated[Counts | None, NO_NULL, Field(description="What grit is about.")] = None

    def value(self, metric: str) -> Number | None:
        """Return the value of a metric; None if it is absent or null."""
        return (self.__pydantic_extra__ or {}).get(metric)

    def counts_named(self, name: str) -> Counts | None:
        """Return ``counts`` or ``boxes_counts``; None if it is absent."""
        return {"counts": self.counts, "boxes_counts": self.boxes_counts}[name]

    def by_metric(self) -> dict[str, Any]:
        """Return all figures as in the file, counts included."""
        return self.model_dump(exclude_unset=True)


class ManifestCore(Record):
    """The content of ``submission.json`` without the digests."""

    schema_version: Literal[3, 4] = Field(
        description="Version of this schema and of the texts that are derived from it (README.md, .eval_results)."
    )
    model: Model = Field(description="Which model was evaluated, and how it was run.")
    data: Data = Field(description="Data that the model was evaluated on.")
    versions: Versions = Field(description="Versions of the packages that ran.")
    settings: Settings = Field(description="Settings of the evaluation.")
    seeds: Seeds = Field(description="lmms-eval's --seed: random, numpy, torch, fewshot. Null if not recorded.")
    run: Run = Field(description="The run that was submitted.")
    num_samples: Annotated[dict[TaskName, Positive], Field(min_length=1)] = Field(
        description="For each task, the number of samples."
    )
    num_in_total: dict[TaskName, Count] = Field(
        description="For each task that asks questions, how many of them the totals of groups count."
    )
    chance: dict[TaskName, Fraction] = Field(
        description="For each task and group that asks questions, the mean of 1 / number of options."
    )
    majority: dict[TaskName, Fraction] = Field(
        description="For the same, the accuracy of always giving the option, of those offered, that is most often "
        "right in the task and kind of question."
    )
    scores: Annotated[dict[TaskName, Figures], Field(min_length=1)] = Field(
        description="For each task and group, each metric. Accuracies, GRIT and shares are fractions from 0 to 1, and "
        "so are ends of intervals (…_ci_low, …_ci_high) except acc_ci_low and acc_ci_high, which may lie outside."
    )


class Manifest(ManifestCore):
    """The content of ``submission.json``: what was evaluated, on what data, how, and with which scores.

    The answers are in ``samples/<task>.jsonl.gz`` beside it.
    """

    TITLE: ClassVar[str] = "A Micro-Bench submission (submission.json)"

    files: Annotated[dict[FileName, Sha256], Field(min_length=2)] = Field(
        description="SHA-256 of every other file of the submission."
    )
    digest: Sha256 = Field(
        description="SHA-256 of the rest of this file as JSON with sorted keys, without spaces and in ASCII. It is "
        "not a signature."
    )
