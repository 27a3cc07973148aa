"""A run as a folder that can be published: its scores, every answer behind them, and what they were obtained with.

``submission.json`` (``submission_schema.json`` documents it) names every other file with its SHA-256:
``samples/<task>.jsonl.gz`` (the harness's own samples, reduced to what scoring them again needs), the card
``README.md``, and of the release ``.eval_results/microbench.yaml``; of other data a text that says so.
`microbench_tasks.submissions.verification` checks one.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.data import source_identity
from microbench_tasks.runs import rescoring
from microbench_tasks.runs.rescoring import LoggedRun, Rescored
from microbench_tasks.submissions import eligibility, hub_formats, submission_manifest, submission_samples
from microbench_tasks.submissions.eligibility import Examination, Progress, Sample, silently
from microbench_tasks.submissions.submission_manifest import (
    MANIFEST,
    SCHEMA_VERSION,
    UNKNOWN,
    digest_of,
    digest_problems,
    read_manifest,
    schema_problems,
)
from microbench_tasks.submissions.submission_samples import FOLDER as SAMPLES_FOLDER
from microbench_tasks.tasks import yaml_values
from microbench_tasks.util import files, privacy, untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable, printable_line

CARD = "README.md"
EVAL_RESULTS = ".eval_results/microbench.yaml"
# Data other than the release show in the names of the files, too.
MARKS = {"demo": "DEMO-DATA.txt", "local": "LOCAL-DATA.txt"}

_SEEDS = ("random", "numpy", "torch", "fewshot")


@dataclass(frozen=True)
class Submission:
    """A submission whose files are those that it names: ``manifest`` is its ``submission.json``, ``rescored`` what its samples give."""

    folder: Path
    manifest: dict[str, Any]
    rescored: Rescored


@dataclass(frozen=True)
class Description:
    """What the submitter says: what the model is called, where it is described, and where the submission will lie."""

    model_name: str
    model_url: str | None = None
    samples_url: str | None = None


@dataclass(frozen=True)
class Written:
    """A submission that has been written, and what its author should know."""

    folder: Path
    manifest: Mapping[str, Any]
    notes: tuple[str, ...]


# --- reading -------------------------------------------------------------------------


def load(folder: Path) -> Submission:
    """Read a submission and score its samples again.

    Raises:
        DataError: it is not as the schema says, a file is not the one that it names, or its samples cannot be scored.
    """
    manifest = read_manifest(folder)
    problems = schema_problems(manifest) or file_problems(folder, manifest) + digest_problems(manifest)
    problems = problems or sample_form_problems(folder, manifest)
    if problems:
        raise DataError(f"{folder}: " + " ".join(map(printable_line, problems)))
    return Submission(folder, manifest, rescoring.rescore(logged_run(folder, manifest)))


def file_problems(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """List files that are missing, changed, not named in the manifest, or not part of a submission."""
    expected = {CARD, *(f"{SAMPLES_FOLDER}/{task}.jsonl.gz" for task in manifest["num_samples"])}
    expected |= (
        {MARKS[manifest["data"]["kind"]]}
        if manifest["data"]["kind"] in MARKS
        else {EVAL_RESULTS}
        if hub_formats.are_for_the_hub(manifest)
        else set()
    )
    named = manifest["files"]
    folders = {SAMPLES_FOLDER, Path(EVAL_RESULTS).parent.as_posix()}
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    surplus = {name for name in present.keys() - named.keys() - {MANIFEST} if not _is_of_a_download(name)}
    surplus -= {name for name in surplus & folders if untrusted.irregular_kind(present[name]) == untrusted.FOLDER}
    problems = [f"{name} is not named in {MANIFEST} (files)." for name in sorted(expected - named.keys())]
    problems += [
        f"{name} is named in {MANIFEST} (files), but does not belong to this submission."
        for name in sorted(named.keys() - expected)
    ]
    problems += [
        f"{name} does not belong to this submission: {MANIFEST} (files) does not name it." for name in sorted(surplus)
    ]
    for name, digest in named.items():
        problems += _content_problems(name, present.get(name), digest)
    return problems


def _content_problems(name: str, path: Path | None, digest: str) -> list[str]:
    if path is None:
        return [f"{name} is missing."]
    if kind := untrusted.irregular_kind(path):
        return [f"{name} is {kind}, expected a regular file."]
    try:
        content = untrusted.read_regular_file(path, follow_links=False)
    except DataError as error:
        return [str(error)]
    if hashlib.sha256(content).hexdigest() == digest:
        return []
    return [f"{name} has been changed: its SHA-256 is not the one in {MANIFEST} (files)."]


def sample_form_problems(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """List the samples that are not in the form that `submit` writes."""
    paths = {task: folder / SAMPLES_FOLDER / f"{task}.jsonl.gz" for task in manifest["num_samples"]}
    return [problem for task, path in paths.items() for problem in submission_samples.form_problems(path, task)]


def _is_of_a_download(name: str) -> bool:
    return name in (".git", ".gitattributes", ".cache") or name.startswith((".git/", ".cache/"))


def logged_run(folder: Path, manifest: Mapping[str, Any]) -> LoggedRun:
    """A submission as a run of the harness whose samples can be scored again, with the record that the manifest keeps of it."""
    versions, settings, data, model = manifest["versions"], manifest["settings"], manifest["data"], manifest["model"]
    common = {
        "version": versions["task"],
        "microbench_version": versions["microbench"],
        "interval": settings["interval"],
        "boxes": settings["boxes"],
    }
    record = {
        "config": {"model": model["harness_model"], "model_args": model["model_args"]},
        "configs": {
            task: {"metadata": common | {"dataset": data["sources"].get(task), "asked": data["asked"].get(task)}}
            for task in manifest["num_samples"]
        },
        "n-samples": {task: {"original": count, "effective": count} for task, count in manifest["num_samples"].items()},
        "results": {
            name: {f"{metric},none": value for metric, value in figures.items()}
            for name, figures in manifest["scores"].items()
        },
    }
    samples = {
        task: folder / SAMPLES_FOLDER / f"{task}.jsonl.gz" for task in catalog.TASKS if task in manifest["num_samples"]
    }
    return LoggedRun(manifest["run"]["name"], samples, folder / MANIFEST, record=record)


# --- writing -------------------------------------------------------------------------


def submit(run: LoggedRun, description: Description, target: Path, progress: Progress = silently) -> Written:
    """Write the submission of a run as the new folder ``target``, whole or not at all; ``progress`` wraps what takes long.

    Raises:
        DataError: ``target`` exists; the run cannot be a submission (all reasons are given); or a text holds a secret or a local path.
    """
    if target.exists() or target.is_symlink():
        raise DataError(f"{target} exists already. Name a folder that does not exist yet.")
    examination = eligibility.examine(run, progress)
    if examination.reasons:
        listed = "".join(f"\n  - {reason}" for reason in examination.reasons)
        raise DataError(f"{run.name} cannot be a submission, for {len(examination.reasons)} reason(s):{listed}")
    samples = {
        task: [submission_samples.reduced(task, sample) for sample in found]
        for task, found in examination.samples.items()
    }
    manifest = _described(examination, description)
    texts = texts_of(manifest)
    contents = {name: text.encode() for name, text in texts.items()} | {
        f"{SAMPLES_FOLDER}/{task}.jsonl.gz": submission_samples.compressed(found) for task, found in samples.items()
    }
    manifest |= {"files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}}
    manifest |= {"digest": digest_of(manifest)}
    # The schema's messages show values.
    _refuse([*_leaks(manifest, texts, samples)] or schema_problems(manifest))
    files.write_dir(target, contents | {MANIFEST: as_text(manifest).encode()})
    return Written(target, manifest, examination.notes)


def texts_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The texts that say what the manifest says, by file name."""
    kind = manifest["data"]["kind"]
    texts = {CARD: hub_formats.card(manifest)}
    if kind in MARKS:
        return texts | {MARKS[kind]: f"{hub_formats.warning(manifest)}\n"}
    entries = hub_formats.eval_results(manifest)
    return texts | ({EVAL_RESULTS: entries} if entries else {})


def as_text(manifest: Mapping[str, Any]) -> str:
    """A manifest as it stands in ``submission.json``."""
    return json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise DataError(
            f"nothing was written, for {len(problems)} reason(s):" + "".join(f"\n  - {problem}" for problem in problems)
        )


def _described(examination: Examination, description: Description) -> dict[str, Any]:
    """The manifest, but for the files and the digest."""
    run, rescored = examination.run, examination.rescored
    first = run.metadata(next(iter(run.samples)))
    boxes = next((record for task in run.samples if (record := run.metadata(task).get("boxes"))), None)
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _model(run, description),
        "data": {
            "kind": eligibility.kind_of_run(run),
            "sources": {task: source_identity.without_path(run.metadata(task)["dataset"]) for task in run.samples},
            "asked": {task: _asked(run, task) for task in run.samples},
        },
        "versions": _versions(first),
        "settings": {"interval": first["interval"], "boxes": boxes},
        "seeds": {name: (run.recorded().get("config") or {}).get(f"{name}_seed") for name in _SEEDS},
        "run": {"name": run.name, "date": _date(run.recorded())}
        | ({} if description.samples_url is None else {"samples_url": description.samples_url}),
        "num_samples": dict(rescored.num_samples),
        "num_in_total": {
            task: count for task, count in rescored.num_in_total.items() if catalog.TASKS[task].subject != "boxes"
        },
        "chance": dict(rescored.chance),
        "majority": dict(rescored.majority),
        "scores": {name: as_json(figures) for name, figures in rescored.scores.items()},
    }


def _asked(run: LoggedRun, task: str) -> dict[str, Any]:
    record = run.metadata(task)["asked"]
    return {"sha256": record["sha256"], "num_documents": record["num_documents"]}


def as_json(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as plain JSON values; what is no number (no question counts) is null."""
    return {
        metric: None
        if isinstance(value, float) and math.isnan(value)
        else dict(value)
        if isinstance(value, Mapping)
        else float(value)
        if isinstance(value, float)
        else value
        for metric, value in figures.items()
    }


def _model(run: LoggedRun, description: Description) -> dict[str, Any]:
    recorded = run.recorded()
    config, loaded = recorded.get("config") or {}, recorded.get("loaded_model")
    arguments = _cleaned(config.get("model_args") or "")
    # Checks do not know the other fields that models of other packages record.
    known = submission_manifest.schema()["properties"]["model"]["properties"]["loaded_model"]["properties"]
    loaded = loaded and {name: value for name, value in _cleaned(loaded).items() if name in known}
    return {
        "name": description.model_name,
        **({} if description.model_url is None else {"url": description.model_url}),
        "harness_model": str(config.get("model") or recorded.get("model_source") or UNKNOWN),
        "backend": str(config.get("model_backend") or UNKNOWN),
        "model_args": arguments,
        "loaded_model": loaded,
        "precision": submission_manifest.precision_of(loaded, arguments),
        "gen_kwargs": _cleaned(config.get("gen_kwargs")),
        "generation_kwargs": {
            task: _cleaned(recorded["configs"][task].get("generation_kwargs") or {}) for task in run.samples
        },
    }


def _cleaned(value: Any) -> Any:
    return _printable(privacy.redact_paths(privacy.redact_secrets(value)))


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(name)): _printable(entry) for name, entry in value.items()}
    return [_printable(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _versions(metadata: Mapping[str, Any]) -> dict[str, Any]:
    # The run's alone: those of the machine that submits say nothing about it.
    recorded = metadata.get("packages") or {}
    packages = {name: _version(recorded.get(name)) for name in yaml_values.PACKAGES}
    return {
        "microbench": metadata["microbench_version"],
        "task": metadata["version"],
        "lmms_eval": packages.pop("lmms-eval"),
        "packages": packages,
    }


def _version(recorded: Any) -> str:
    """Return a version in its normal form; ``unknown`` for a text that is not a version."""
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(str(recorded)))
    except InvalidVersion:
        return UNKNOWN


def _date(recorded: Mapping[str, Any]) -> str:
    """When the run started, in UTC; the harness writes it in a time zone that it records elsewhere."""
    zone = ((recorded.get("config") or {}).get("resolved_cli_args") or {}).get("timezone")
    try:
        started = datetime.datetime.strptime(recorded["date"], "%Y%m%d_%H%M%S").replace(tzinfo=zoneinfo.ZoneInfo(zone))
    # ZoneInfo raises a KeyError for a name that it does not know.
    except (KeyError, TypeError, ValueError):
        return UNKNOWN
    return started.astimezone(datetime.UTC).strftime(submission_manifest.DATE_FORM)


# --- what must not be in it ----------------------------------------------------------


def _leaks(
    manifest: Mapping[str, Any], texts: Mapping[str, str], samples: Mapping[str, Sequence[Sample]]
) -> Iterator[str]:
    """Each secret and local path, by file and field."""
    folders = privacy.user_folders()

    def found(text: str, *, metadata: bool) -> list[str]:
        return list(
            dict.fromkeys(
                [
                    *privacy.find_secrets(text),
                    *privacy.find_personal_paths(text, folders),
                    *([*privacy.find_local_paths(text), *privacy.find_url_secrets(text)] if metadata else ()),
                ]
            )
        )

    for field, text in _fields(manifest):
        yield from (f"{MANIFEST}, {field}: holds {kind}." for kind in found(text, metadata=True))
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            yield from (f"{name}, line {number}: holds {kind}." for kind in found(line, metadata=True))
    for task, rows in samples.items():
        # All at once first: a hundred thousand samples take seconds instead of minutes.
        if found("\n".join(text for row in rows for _, text in _fields(row)), metadata=False):
            for number, row in enumerate(rows, start=1):
                yield from (
                    f"{SAMPLES_FOLDER}/{task}.jsonl.gz, line {number}, {field}: holds {kind}."
                    for field, text in _fields(row)
                    for kind in found(text, metadata=False)
                )


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """``(field, text)`` of each text in a JSON value, keys too."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            field = f"{name}.{key}" if name else str(key)
            yield field, str(key)
            yield from _fields(entry, field)
    elif isinstance(value, (list, tuple)):
        for position, entry in enumerate(value):
            yield from _fields(entry, f"{name}[{position}]")
