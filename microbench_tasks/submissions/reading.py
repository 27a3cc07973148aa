"""Read a submission, check its files, and score its samples again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.runs import rescoring
from microbench_tasks.runs.logs import LoggedRun
from microbench_tasks.runs.records import RunRecord
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.submissions import sample_files
from microbench_tasks.submissions.headlines import has_publishable
from microbench_tasks.submissions.manifest_checks import find_schema_problems
from microbench_tasks.submissions.manifest_file import MANIFEST, find_digest_problems, read_manifest
from microbench_tasks.submissions.sample_files import FOLDER as SAMPLES_FOLDER
from microbench_tasks.submissions.text_files import CARD, DATA_MARKS, EVAL_RESULTS
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line


@dataclass(frozen=True)
class Submission:
    """A submission whose files are those that it names: ``manifest`` is its ``submission.json``, ``rescored`` what its samples give."""

    folder: Path
    manifest: dict[str, Any]
    rescored: Rescored


def load(folder: Path) -> Submission:
    """Read a submission and score its samples again.

    Raises:
        DataError: it is not as the schema says, a file is not the one that it names, or its samples cannot be scored.
    """
    manifest = read_manifest(folder)
    problems = find_schema_problems(manifest) or find_file_problems(folder, manifest) + find_digest_problems(manifest)
    problems = problems or find_sample_form_problems(folder, manifest)
    if problems:
        raise DataError(f"{folder}: " + " ".join(map(printable_line, problems)))
    return Submission(folder, manifest, rescoring.rescore(as_logged_run(folder, manifest)))


def find_file_problems(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """List files that are missing, changed, not named in the manifest, or not part of a submission."""
    expected = {CARD, *(f"{SAMPLES_FOLDER}/{task}.jsonl.gz" for task in manifest["num_samples"])}
    expected |= (
        {DATA_MARKS[manifest["data"]["kind"]]}
        if manifest["data"]["kind"] in DATA_MARKS
        else {EVAL_RESULTS}
        if has_publishable(manifest)
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


def find_sample_form_problems(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """List the samples that are not in the form that `submit` writes."""
    paths = {task: folder / SAMPLES_FOLDER / f"{task}.jsonl.gz" for task in manifest["num_samples"]}
    return [problem for task, path in paths.items() for problem in sample_files.find_form_problems(path, task)]


def _is_of_a_download(name: str) -> bool:
    return name in (".git", ".gitattributes", ".cache") or name.startswith((".git/", ".cache/"))


def as_logged_run(folder: Path, manifest: Mapping[str, Any]) -> LoggedRun:
    """Return the run that a submission was made of, with the record that the manifest keeps of it."""
    samples = {
        task: folder / SAMPLES_FOLDER / f"{task}.jsonl.gz" for task in catalog.TASKS if task in manifest["num_samples"]
    }
    record = RunRecord.from_submission(manifest)
    return LoggedRun(manifest["run"]["name"], samples, folder / MANIFEST, record, is_submission=True)
