"""Forge a submission: change anything, then make every figure, text and digest match."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from microbench_tasks.runs import rescoring
from microbench_tasks.submissions import manifest_file, reading, text_files, verification
from microbench_tasks.submissions.manifest_model import Manifest
from microbench_tasks.util.errors import DataError
from tests.support import tiny_runs
from tests.support.tiny_runs import BOXES


def samples_file(folder: Path, task: str) -> Path:
    return folder / "samples" / f"{task}.jsonl.gz"


def change_manifest(folder: Path, edit: Callable[[dict], object]) -> None:
    tiny_runs.edited(folder / "submission.json", edit)


def change_samples(folder: Path, task: str, edit: Callable[[list], object]) -> None:
    samples = [json.loads(line) for line in gzip.decompress(samples_file(folder, task).read_bytes()).splitlines()]
    edit(samples)
    change_text(folder, task, lambda _: "".join(json.dumps(sample) + "\n" for sample in samples).encode())


def change_text(folder: Path, task: str, edit: Callable[[bytes], bytes]) -> None:
    path = samples_file(folder, task)
    path.write_bytes(gzip.compress(edit(gzip.decompress(path.read_bytes())), mtime=0))


def write_texts(folder: Path, manifest: dict) -> None:
    """Write the text files that say what the manifest says; it must fit the schema."""
    for name, text in text_files.render_texts(Manifest.model_validate(manifest)).items():
        (folder / name).write_text(text)


def rewritten(folder: Path) -> Path:
    """The scores, numbers, texts and digests made of the samples as they are now: the most that a forger can do."""
    manifest = manifest_file.read_manifest(folder)
    for task in manifest["num_samples"]:
        manifest["num_samples"][task] = len(gzip.decompress(samples_file(folder, task).read_bytes()).splitlines())
        manifest["data"]["asked"][task]["num_documents"] = manifest["num_samples"][task]
    again = rescoring.rescore(reading.as_logged_run(folder, Manifest.model_validate(manifest)))
    manifest["scores"] = {name: manifest_file.figures_as_json(figures) for name, figures in again.scores.items()}
    manifest |= {
        "chance": again.chance,
        "majority": again.majority,
        "num_in_total": {task: count for task, count in again.num_in_total.items() if task != BOXES},
    }
    return _with_texts(folder, manifest)


def with_texts(folder: Path) -> Path:
    """The texts and digests made of the manifest as it is now."""
    return _with_texts(folder, manifest_file.read_manifest(folder))


def as_far_as_possible(folder: Path) -> Path:
    """Everything renewed that can be made of what is there."""
    for renew in (rewritten, with_texts):
        try:
            return renew(folder)
        # What can no longer be read cannot be scored again, or put into words.
        except (DataError, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError, EOFError):
            continue
    return tiny_runs.refreshed(folder)


def _with_texts(folder: Path, manifest: dict) -> Path:
    write_texts(folder, manifest)
    (folder / "submission.json").write_text(manifest_file.format_manifest(manifest))
    return tiny_runs.refreshed(folder)


UNREADABLE = "submission.json itself"


def failures(folder: Path, **options: bool) -> dict[str, str]:
    """Return the problems of each failed check by its name."""
    try:
        checks = list(verification.verify(folder, **options))
    except DataError as error:
        return {UNREADABLE: str(error)}
    return {check.name: " ".join(check.problems) for check in checks if check.failed}
