"""Read a submission, check its files, and score its samples again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from microbench_tasks import catalog
from microbench_tasks.runs import rescoring
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.runs.run_records import RunRecord
from microbench_tasks.submissions import sample_files
from microbench_tasks.submissions.headlines import has_publishable
from microbench_tasks.submissions.manifest_checks import find_schema_problems
from microbench_tasks.submissions.manifest_file import MANIFEST, find_digest_problems, read_manifest
from microbench_tasks.submissions.manifest_model import Manifest
from microbench_tasks.submissions.sample_files import FOLDER as SAMPLES_FOLDER
from microbench_tasks.submissions.text_files import CARD, DATA_MARKS, EVAL_RESULTS
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line


@dataclass(frozen=True)
class Submission:
    """A submission that was read and found intact.

    Attributes:
        folder: its folder.
        manifest: content of its ``submission.json``.
        rescored: scores of its samples, computed again.
    """

    folder: Path
    manifest: Manifest
    rescored: Rescored


def load(folder: Path) -> Submission:
    """Read a submission and score its samples again.

    Raises:
        DataError: the manifest violates the schema, a file is missing or changed, or the samples cannot be scored.
    """
    manifest = load_manifest(folder)
    problems = find_file_problems(folder, manifest) + find_digest_problems(read_manifest(folder))
    _raise_if_any(folder, problems or _find_sample_form_problems(folder, manifest))
    return Submission(folder, manifest, rescoring.rescore(as_logged_run(folder, manifest)))


def load_manifest(folder: Path) -> Manifest:
    """Read and check ``submission.json``.

    Raises:
        DataError: it is missing, or violates the schema.
    """
    content = read_manifest(folder)
    _raise_if_any(folder, find_schema_problems(content))
    return Manifest.model_validate(content)


def _raise_if_any(folder: Path, problems: list[str]) -> None:
    if problems:
        raise DataError(f"{folder}: " + " ".join(map(printable_line, problems)))


def find_file_problems(folder: Path, manifest: Manifest) -> list[str]:
    """List files that are missing, changed, not named in the manifest, or not part of a submission."""
    expected, named = _expected_files(manifest), manifest.files
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    surplus = {name for name in present.keys() - named.keys() - {MANIFEST} if not _is_from_download(name)}
    folders = {SAMPLES_FOLDER, Path(EVAL_RESULTS).parent.as_posix()}
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
        problems += _find_content_problems(name, present.get(name), digest)
    return problems


def _expected_files(manifest: Manifest) -> set[str]:
    """Return the names of the files that a submission has beside ``submission.json``."""
    names = {CARD, *(f"{SAMPLES_FOLDER}/{task}.jsonl.gz" for task in manifest.num_samples)}
    if manifest.data.kind in DATA_MARKS:
        names.add(DATA_MARKS[manifest.data.kind])
    elif has_publishable(manifest):
        names.add(EVAL_RESULTS)
    return names


def _find_content_problems(name: str, path: Path | None, digest: str) -> list[str]:
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


def _find_sample_form_problems(folder: Path, manifest: Manifest) -> list[str]:
    """List the samples that are not in the form that `building.submit` writes."""
    paths = {task: folder / SAMPLES_FOLDER / f"{task}.jsonl.gz" for task in manifest.num_samples}
    return [problem for task, path in paths.items() for problem in sample_files.find_form_problems(path, task)]


def _is_from_download(name: str) -> bool:
    return name in (".git", ".gitattributes", ".cache") or name.startswith((".git/", ".cache/"))


def as_logged_run(folder: Path, manifest: Manifest) -> LoggedRun:
    """Return the run that a submission was made of, with what the manifest records of it."""
    samples = {task: folder / SAMPLES_FOLDER / f"{task}.jsonl.gz" for task in catalog.in_order(manifest.num_samples)}
    record = RunRecord.from_submission(manifest.model_dump(exclude_unset=True))
    return LoggedRun(manifest.run.name, samples, folder / MANIFEST, record, is_submission=True)
