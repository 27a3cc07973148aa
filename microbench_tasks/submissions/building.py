"""Build a submission of a run: a folder with its scores, every answer behind them, and how they were obtained.

``submission.json`` names every other file with its SHA-256: ``samples/<task>.jsonl.gz`` (the samples that the harness
logged, reduced to what scoring needs), the model card ``README.md``, and for the release
``.eval_results/microbench.yaml``; for other data a file whose name and text say so.
"""

from __future__ import annotations

import datetime
import hashlib
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.data import source_identity
from microbench_tasks.runs.logs import LoggedRun
from microbench_tasks.runs.records import RunRecord, TaskMetadata
from microbench_tasks.submissions import data_kinds, eligibility, manifest_checks, manifest_file, sample_files
from microbench_tasks.submissions.eligibility import EligibilityReport
from microbench_tasks.submissions.leaks import find_leaks
from microbench_tasks.submissions.manifest_checks import find_schema_problems
from microbench_tasks.submissions.manifest_file import (
    MANIFEST,
    SCHEMA_VERSION,
    UNKNOWN,
    compute_digest,
    figures_as_json,
    format_manifest,
)
from microbench_tasks.submissions.progress import Progress, no_progress
from microbench_tasks.submissions.sample_files import FOLDER as SAMPLES_FOLDER
from microbench_tasks.submissions.text_files import render_texts
from microbench_tasks.tasks import yaml_values
from microbench_tasks.util import files, privacy
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable

_SEEDS = ("random", "numpy", "torch", "fewshot")


@dataclass(frozen=True)
class Description:
    """What the submitter says: what the model is called, where it is described, and where the submission will lie."""

    model_name: str
    model_url: str | None = None
    samples_url: str | None = None


@dataclass(frozen=True)
class WrittenSubmission:
    """A submission that has been written, and what its author should know."""

    folder: Path
    manifest: Mapping[str, Any]
    notes: tuple[str, ...]


def submit(
    run: LoggedRun, description: Description, target: Path, progress: Progress = no_progress
) -> WrittenSubmission:
    """Write the submission of a run as the new folder ``target``, whole or not at all; ``progress`` wraps what takes long.

    Raises:
        DataError: ``target`` exists; the run cannot be a submission (all reasons are given); or a text holds a secret or a local path.
    """
    if target.exists() or target.is_symlink():
        raise DataError(f"{target} exists already. Name a folder that does not exist yet.")
    report = eligibility.check_eligibility(run, progress)
    if report.violations:
        listed = "".join(f"\n  - {violation}" for violation in report.violations)
        raise DataError(f"{run.name} cannot be a submission, for {len(report.violations)} reason(s):{listed}")
    samples = {task: [sample_files.reduce_sample(sample) for sample in found] for task, found in report.samples.items()}
    manifest = _build_manifest(report, description)
    texts = render_texts(manifest)
    contents = {name: text.encode() for name, text in texts.items()} | {
        f"{SAMPLES_FOLDER}/{task}.jsonl.gz": sample_files.compress_samples(found) for task, found in samples.items()
    }
    manifest |= {"files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}}
    manifest |= {"digest": compute_digest(manifest)}
    # The schema's messages show values.
    _raise_if_any([*find_leaks(manifest, texts, samples)] or find_schema_problems(manifest))
    files.write_dir(target, contents | {MANIFEST: format_manifest(manifest).encode()})
    return WrittenSubmission(target, manifest, report.notes)


def _raise_if_any(problems: Sequence[str]) -> None:
    if problems:
        raise DataError(
            f"nothing was written, for {len(problems)} reason(s):" + "".join(f"\n  - {problem}" for problem in problems)
        )


def _build_manifest(report: EligibilityReport, description: Description) -> dict[str, Any]:
    """The manifest, but for the files and the digest."""
    run, rescored = report.run, report.rescored
    first = run.metadata(next(iter(run.samples)))
    boxes = next((record for task in run.samples if (record := run.metadata(task).boxes)), None)
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _model(run, description),
        "data": {
            "kind": data_kinds.classify_run(run),
            "sources": {task: source_identity.without_path(run.metadata(task).dataset or {}) for task in run.samples},
            "asked": {task: _asked(run, task) for task in run.samples},
        },
        "versions": _versions(first),
        "settings": {"interval": first.interval, "boxes": boxes},
        "seeds": {name: getattr(run.record.config, f"{name}_seed") for name in _SEEDS},
        "run": {"name": run.name, "date": _date(run.record)}
        | ({} if description.samples_url is None else {"samples_url": description.samples_url}),
        "num_samples": dict(rescored.num_samples),
        "num_in_total": {
            task: count for task, count in rescored.num_in_total.items() if catalog.TASKS[task].subject != "boxes"
        },
        "chance": dict(rescored.chance),
        "majority": dict(rescored.majority),
        "scores": {name: figures_as_json(figures) for name, figures in rescored.scores.items()},
    }


def _asked(run: LoggedRun, task: str) -> dict[str, Any]:
    record = run.metadata(task).asked or {}
    return {"sha256": record["sha256"], "num_documents": record["num_documents"]}


def _model(run: LoggedRun, description: Description) -> dict[str, Any]:
    record, config = run.record, run.record.config
    arguments = _cleaned(config.model_args or "")
    # Checks do not know the other fields that models of other packages record.
    known = manifest_checks.read_schema()["properties"]["model"]["properties"]["loaded_model"]["properties"]
    loaded = record.loaded_model and {
        name: value for name, value in _cleaned(record.loaded_model).items() if name in known
    }
    return {
        "name": description.model_name,
        **({} if description.model_url is None else {"url": description.model_url}),
        "harness_model": config.model or record.model_source or UNKNOWN,
        "backend": config.model_backend or UNKNOWN,
        "model_args": arguments,
        "loaded_model": loaded,
        "precision": manifest_file.find_precision(loaded, arguments),
        "gen_kwargs": _cleaned(config.gen_kwargs),
        "generation_kwargs": {task: _cleaned(record.configs[task].generation_kwargs or {}) for task in run.samples},
    }


def _cleaned(value: Any) -> Any:
    return _printable(privacy.redact_paths(privacy.redact_secrets(value)))


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(name)): _printable(entry) for name, entry in value.items()}
    return [_printable(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _versions(metadata: TaskMetadata) -> dict[str, Any]:
    # The run's alone: those of the machine that submits say nothing about it.
    recorded = metadata.packages or {}
    packages = {name: _version(recorded.get(name)) for name in yaml_values.PACKAGES}
    return {
        "microbench": metadata.microbench_version,
        "task": metadata.version,
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


def _date(record: RunRecord) -> str:
    """When the run started, in UTC; the harness writes it in a time zone that it records elsewhere."""
    zone = (record.config.resolved_cli_args or {}).get("timezone") or ""
    try:
        started = datetime.datetime.strptime(record.date or "", "%Y%m%d_%H%M%S").replace(tzinfo=zoneinfo.ZoneInfo(zone))
    # ZoneInfo raises a KeyError for a name that it does not know.
    except (KeyError, TypeError, ValueError):
        return UNKNOWN
    return started.astimezone(datetime.UTC).strftime(manifest_file.DATE_FORMAT)
