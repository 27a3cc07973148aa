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
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.runs.run_records import RunRecord, TaskMetadata
from microbench_tasks.submissions import data_kinds, eligibility, sample_files
from microbench_tasks.submissions.leaks import find_manifest_leaks, find_sample_leaks, find_text_leaks
from microbench_tasks.submissions.manifest_checks import find_schema_problems
from microbench_tasks.submissions.manifest_file import (
    DATE_FORMAT,
    MANIFEST,
    UNKNOWN,
    compute_digest,
    figures_as_json,
    find_precision,
    format_manifest,
)
from microbench_tasks.submissions.manifest_model import SCHEMA_VERSION, LoadedModel, Manifest, ManifestCore, Seeds
from microbench_tasks.submissions.sample_files import FOLDER as SAMPLES_FOLDER
from microbench_tasks.submissions.text_files import render_texts
from microbench_tasks.tasks import yaml_values
from microbench_tasks.util import files, privacy
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.progress import Progress, no_progress
from microbench_tasks.util.similar_sentences import merge_similar
from microbench_tasks.util.text_safety import printable


@dataclass(frozen=True)
class Description:
    """What the submitter states.

    Attributes:
        model_name: name that leaderboards show.
        model_url: page that describes the model.
        samples_url: page where the submission will be published.
    """

    model_name: str
    model_url: str | None = None
    samples_url: str | None = None


@dataclass(frozen=True)
class WrittenSubmission:
    """A submission that was written.

    Attributes:
        folder: its folder.
        manifest: content of its ``submission.json``.
        notes: what its author should know, such as tasks that were left out.
    """

    folder: Path
    manifest: Manifest
    notes: tuple[str, ...]


def submit(
    run: LoggedRun,
    description: Description,
    target: Path,
    progress: Progress = no_progress,
    *,
    with_own_data: bool = True,
) -> WrittenSubmission:
    """Write the submission of a run as the new folder ``target``, completely or not at all.

    Args:
        run: the run.
        description: what the submitter states.
        target: folder that does not exist yet.
        progress: reports the progress of long loops.
        with_own_data: whether it contains the tasks of own datasets.

    Raises:
        DataError: ``target`` exists; the run cannot be submitted (all violations are listed); or a text contains a
            secret or a local path.
    """
    if target.exists() or target.is_symlink():
        raise DataError(f"{target} exists already. Name a folder that does not exist yet.")
    report = eligibility.check_eligibility(run, progress, with_own_data=with_own_data)
    if report.violations or report.rescored is None:
        reasons = merge_similar(report.violations)
        listed = "".join(f"\n  - {reason}" for reason in reasons)
        raise DataError(f"{run.name} cannot be a submission, for {len(reasons)} reason(s):{listed}")
    samples = {
        task: [sample_files.reduce_sample(sample) for sample in logged] for task, logged in report.samples.items()
    }
    content = _build_content(report.run, report.rescored, description)
    texts = _render_checked_texts(content, samples)
    contents = {name: text.encode() for name, text in texts.items()} | {
        f"{SAMPLES_FOLDER}/{task}.jsonl.gz": sample_files.compress_samples(reduced) for task, reduced in samples.items()
    }
    content["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    content["digest"] = compute_digest(content)
    manifest = Manifest.model_validate(content)
    files.write_dir(target, contents | {MANIFEST: format_manifest(content).encode()})
    return WrittenSubmission(target, manifest, report.notes)


def _render_checked_texts(
    content: Mapping[str, Any], samples: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, str]:
    """Return the text files of a submission; raise `DataError` if anything in it must not be published."""
    leaks = [*find_manifest_leaks(content), *find_sample_leaks(samples)]
    problems = find_schema_problems(content, ManifestCore)
    texts = {} if problems else render_texts(ManifestCore.model_validate(content))
    leaks += find_text_leaks(texts)
    # Messages about the schema show values: they must not show what leaks.
    if problems := leaks or problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise DataError(f"nothing was written, for {len(problems)} reason(s):{listed}")
    return texts


def _build_content(run: LoggedRun, rescored: Rescored, description: Description) -> dict[str, Any]:
    """Return the content of ``submission.json`` without the digests."""
    first = run.metadata(next(iter(run.samples)))
    boxes = next((record for task in run.samples if (record := run.metadata(task).boxes)), None)
    samples_url = {} if description.samples_url is None else {"samples_url": description.samples_url}
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _describe_model(run, description),
        "data": {
            "kind": data_kinds.classify_run(run),
            "sources": {task: source_identity.without_path(run.metadata(task).dataset or {}) for task in run.samples},
            "asked": {task: _asked(run, task) for task in run.samples},
        },
        "versions": _versions(first),
        "settings": {"interval": first.interval, "boxes": boxes},
        "seeds": {name: getattr(run.record.config, f"{name}_seed") for name in Seeds.model_fields},
        "run": {"name": run.name, "date": _start_date(run.record)} | samples_url,
        "num_samples": dict(rescored.num_samples),
        "num_in_total": {
            task: count for task, count in rescored.num_in_total.items() if catalog.task_of(task).subject != "boxes"
        },
        "chance": dict(rescored.chance),
        "majority": dict(rescored.majority),
        "scores": {name: figures_as_json(figures) for name, figures in rescored.scores.items()},
    }


def _asked(run: LoggedRun, task: str) -> dict[str, Any]:
    record = run.metadata(task).asked or {}
    return {"sha256": record["sha256"], "num_documents": record["num_documents"]}


def _describe_model(run: LoggedRun, description: Description) -> dict[str, Any]:
    record, config = run.record, run.record.config
    arguments = _cleaned(config.model_args or "")
    # Models of other packages may record further fields, which no check covers.
    loaded = record.loaded_model and {
        name: value for name, value in _cleaned(record.loaded_model).items() if name in LoadedModel.model_fields
    }
    return {
        "name": description.model_name,
        **({} if description.model_url is None else {"url": description.model_url}),
        "harness_model": config.model or record.model_source or UNKNOWN,
        "backend": config.model_backend or UNKNOWN,
        "model_args": arguments,
        "loaded_model": loaded,
        "precision": find_precision((loaded or {}).get("precision"), arguments),
        "gen_kwargs": _cleaned(config.gen_kwargs),
        "generation_kwargs": {task: _cleaned(record.configs[task].generation_kwargs or {}) for task in run.samples},
    }


def _cleaned(value: Any) -> Any:
    """Remove secrets, paths and characters that do not print from a JSON value."""
    return _printable(privacy.redact_paths(privacy.redact_secrets(value)))


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(name)): _printable(entry) for name, entry in value.items()}
    return [_printable(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _versions(metadata: TaskMetadata) -> dict[str, Any]:
    # Only what the run recorded: the versions on the machine that submits say nothing about it.
    recorded = metadata.packages or {}
    packages = {name: _version(recorded.get(name)) for name in yaml_values.PACKAGES}
    commit = metadata.microbench_commit
    return {
        "microbench": metadata.microbench_version,
        **({"commit": commit} if commit else {}),
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


def _start_date(record: RunRecord) -> str:
    """Return the start of the run in UTC; the harness writes it in a time zone that it records elsewhere."""
    zone = (record.config.resolved_cli_args or {}).get("timezone") or ""
    try:
        started = datetime.datetime.strptime(record.date or "", "%Y%m%d_%H%M%S").replace(tzinfo=zoneinfo.ZoneInfo(zone))
    # ZoneInfo raises a KeyError for a name that it does not know.
    except (KeyError, TypeError, ValueError):
        return UNKNOWN
    return started.astimezone(datetime.UTC).strftime(DATE_FORMAT)
