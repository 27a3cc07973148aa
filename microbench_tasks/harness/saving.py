"""Save a run's files atomically under unique names; if the output folder fails, save a copy elsewhere.

The harness writes files in place, swallows the error of a failed write, and names files by the second. So this module
lets it write to a temporary folder (a draft), and publishes complete drafts in the output folder.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.harness import run_names, run_state, unique_files
from microbench_tasks.harness.output_folder import error_text, write_probe
from microbench_tasks.runs import result_keys
from microbench_tasks.util import files


class IncompleteFileError(Exception):
    """Report that the harness did not write a complete file."""


@dataclass(frozen=True)
class _Draft:
    """A complete file in a temporary folder, and the folder inside the output folder where it belongs."""

    path: Path
    subfolder: Path


@dataclass(frozen=True)
class _Job:
    """One file to save.

    Attributes:
        tracker: the harness's ``EvaluationTracker``.
        write: lets the harness write the file below ``tracker.output_path``.
        is_complete: tells whether a written file is complete.
        publish: copies a draft to a folder and returns the new path.
        publish_copy: does so in another folder, after ``publish`` has failed in the output folder.
        content: what the file contains, to explain why it cannot be written.
    """

    tracker: Any
    write: Callable[[], None]
    is_complete: Callable[[Path], bool]
    publish: Callable[[Path, Path], Path]
    publish_copy: Callable[[Path, Path], Path]
    content: Sequence[Any]


def save_results(tracker: Any, write: Callable[[], None], results: Any) -> None:
    """Let the harness write the results file with ``write``, and publish it under a name that no other run uses."""
    suffix = result_keys.RESULTS_SUFFIX
    run_name = run_names.valid_run_name()

    def publish(draft: Path, folder: Path, name: str = run_name) -> Path:
        target = unique_files.publish_numbered(draft, folder, suffix, name)
        # The names of samples files start with the date, or the run's name, of the results file.
        tracker.date_id = target.name.removesuffix(suffix)
        run_state.current.results_file = target
        return target

    def publish_copy(draft: Path, folder: Path) -> Path:
        # The name alone may be that of an earlier run in the output folder, where the samples may still be saved.
        return publish(draft, folder, f"{run_name}-{draft.name.removesuffix(suffix)}" if run_name else "")

    _save(_Job(tracker, write, _is_json, publish, publish_copy, [results]))


def save_samples(tracker: Any, write: Callable[[], None], samples: Sequence[Any]) -> None:
    """Let the harness write the samples file of a task with ``write``, and publish it beside the results file.

    Where the output folder has a file of that name, which is of another run, a copy is saved elsewhere.
    """

    def has_all_lines(draft: Path) -> bool:
        return _num_lines(draft) == len(samples)

    def publish_copy(draft: Path, folder: Path) -> Path:
        return unique_files.publish_numbered(draft, folder, draft.name.removeprefix(str(tracker.date_id)))

    _save(_Job(tracker, write, has_all_lines, unique_files.publish_new, publish_copy, samples))


def _save(job: _Job) -> None:
    output_path = Path(job.tracker.output_path)
    try:
        with _written_draft(job) as draft:
            try:
                logger.info(f"Saved {job.publish(draft.path, output_path / draft.subfolder)}")
            except OSError as error:
                _save_copy(job, draft, f"{output_path / draft.subfolder / draft.path.name} could not be written", error)
    except IncompleteFileError as error:
        _report(f"A file of this run could not be saved in {output_path}: {error}. No copy could be written elsewhere.")


def _save_copy(job: _Job, draft: _Draft, problem: str, reason: OSError) -> None:
    """Save a copy in the user's cache or in the temporary folder, and report where it is."""
    problem = f"{problem} ({error_text(reason)})."
    for folder in (files.cache_dir() / "unsaved", Path(tempfile.gettempdir()) / "microbench-unsaved"):
        with contextlib.suppress(OSError):
            _report(f"{problem} A copy is in {job.publish_copy(draft.path, folder / draft.subfolder)}")
            return
    _report(f"{problem} No copy could be written elsewhere.")


def _report(problem: str) -> None:
    run_state.current.unsaved_files.append(problem)
    logger.error(problem)


@contextlib.contextmanager
def _written_draft(job: _Job) -> Iterator[_Draft]:
    """Let the harness write its file to a temporary folder; remove the folder at the end.

    Raises:
        IncompleteFileError: the harness could not write a complete file anywhere.
    """
    reasons = []
    # The output folder itself is the last choice: readers of that folder would find the unfinished file.
    for parent in (Path(tempfile.gettempdir()), Path(job.tracker.output_path)):
        try:
            folder = Path(tempfile.mkdtemp(prefix=".microbench-", dir=parent))
        except OSError as error:
            reasons.append(f"{parent}: {error_text(error)}")
            continue
        try:
            draft = _write_to(folder, job)
            if draft is not None:
                yield draft
                return
            reasons.append(f"{parent}: {_explain_incomplete(folder, job.content)}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise IncompleteFileError("; ".join(reasons))


def _write_to(folder: Path, job: _Job) -> _Draft | None:
    """Let the harness write to ``folder`` instead of its output folder; return None if the file is incomplete."""
    output_path = job.tracker.output_path
    job.tracker.output_path = str(folder)
    try:
        with _muted_log(job.tracker):
            job.write()
    finally:
        job.tracker.output_path = output_path
    written = [path for path in folder.rglob("*") if path.is_file()]
    if len(written) != 1 or not job.is_complete(written[0]):
        return None
    return _Draft(written[0], written[0].parent.relative_to(folder))


@contextlib.contextmanager
def _muted_log(tracker: Any) -> Iterator[None]:
    """Keep the harness from logging the names of temporary files, unless it also pushes files to the Hub."""
    module = type(tracker).__module__
    if tracker.push_results_to_hub or tracker.push_samples_to_hub:
        yield
        return
    logger.disable(module)
    try:
        yield
    finally:
        logger.enable(module)


def _explain_incomplete(folder: Path, content: Sequence[Any]) -> str:
    try:
        write_probe(folder)
    except OSError as error:
        return error_text(error)
    for part in content:
        try:
            json.dumps(part, default=str, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
    return "the harness wrote only a part of it"


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _num_lines(path: Path) -> int:
    """Count the lines of a file; -1 if the last one is cut off."""
    content = path.read_bytes()
    return content.count(b"\n") if content.endswith(b"\n") else -1
