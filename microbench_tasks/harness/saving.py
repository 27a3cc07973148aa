"""Save a run's files atomically under unique names; if the output folder fails, save a copy elsewhere.

The harness writes files in place, swallows the error of a failed write, and names files by the second. So this module
lets it write to a temporary folder, and publishes finished files in the output folder.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

_RESULTS = "_results.json"
# Estimated size of a samples file per question: twice that of a short answer with probabilities.
_BYTES_PER_QUESTION = 4096
# Estimated size of the results file.
_BYTES_OF_RESULTS = 1 << 20
_PROBE_BYTES = 1 << 16

# Sentences about files that could not be saved since `forget_problems`.
problems: list[str] = []


def forget_problems() -> None:
    """Clear `problems` before the next run of this process."""
    problems.clear()


# --- before the run ------------------------------------------------------------------


def prepare_folder(folder: Path, option: str = "--output_path") -> None:
    """Create the folder for a run's files, and test that it is writable.

    Raises:
        DataError: it is a file, or not writable; the message names the option.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_probe(folder)
    except FileExistsError as error:
        raise DataError(f"{option} {folder}: is a file. Name a folder.") from error
    except OSError as error:
        raise DataError(f"{option} {folder}: cannot be written ({_text(error)}). Name another folder.") from error


def check_room(folder: Path, num_questions: int) -> None:
    """Check that the disk has enough free space for the samples of ``num_questions`` questions, as an estimate.

    Raises:
        DataError: there is less free space.
    """
    needed = _BYTES_OF_RESULTS + num_questions * _BYTES_PER_QUESTION
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"--output_path {folder}: the disk has {_megabytes(free)} free, but this run needs about "
            f"{_megabytes(needed)}. Free disk space or name another folder."
        )


def _write_probe(folder: Path) -> None:
    probe = folder / f".microbench-{uuid.uuid4().hex}"
    try:
        with probe.open("xb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"


def _text(error: OSError) -> str:
    return error.strerror or type(error).__name__


# --- after the run -------------------------------------------------------------------


class Unwritten(Exception):
    """Report that the harness did not write a complete file."""


def save_results(tracker: Any, write: Callable[[], None], results: Any) -> None:
    """Let the harness write the results file with ``write``, and publish it under a name that no other run uses."""

    def publish(draft: Path, folder: Path) -> Path:
        target = _publish_as_new(draft, folder)
        # The names of samples files start with the date of the results file.
        tracker.date_id = target.name.removesuffix(_RESULTS)
        return target

    _save(tracker, write, _is_json, publish, [results])


def save_samples(tracker: Any, write: Callable[[], None], samples: Sequence[Any]) -> None:
    """Let the harness write the samples file of a task with ``write``, and publish it beside the results file."""

    def publish(draft: Path, folder: Path) -> Path:
        copy = _copy_beside(draft, folder / draft.name)
        os.replace(copy, folder / draft.name)
        return folder / draft.name

    _save(tracker, write, lambda draft: _num_lines(draft) == len(samples), publish, samples)


def _save(
    tracker: Any,
    write: Callable[[], None],
    is_whole: Callable[[Path], bool],
    publish: Callable[[Path, Path], Path],
    content: Sequence[Any],
) -> None:
    wanted = Path(tracker.output_path)
    try:
        with _drafted(tracker, write, is_whole, content) as (draft, place):
            try:
                saved = publish(draft, wanted / place)
                logger.info(f"Saved {saved}")
            except OSError as error:
                _keep_copy(draft, place, wanted, publish, _text(error))
    except Unwritten as error:
        _report(f"A file of this run could not be saved in {wanted}: {error}. No copy could be written elsewhere.")


def _keep_copy(draft: Path, place: Path, wanted: Path, publish: Callable[[Path, Path], Path], reason: str) -> None:
    failed = f"{wanted / place / draft.name} could not be written ({reason})."
    for folder in (files.cache_dir() / "unsaved", Path(tempfile.gettempdir()) / "microbench-unsaved"):
        with contextlib.suppress(OSError):
            _report(f"{failed} A copy is in {publish(draft, folder / place)}")
            return
    _report(f"{failed} No copy could be written elsewhere.")


def _report(problem: str) -> None:
    problems.append(problem)
    logger.error(problem)


@contextlib.contextmanager
def _drafted(
    tracker: Any, write: Callable[[], None], is_whole: Callable[[Path], bool], content: Sequence[Any]
) -> Iterator[tuple[Path, Path]]:
    """Yield the file that the harness wrote, and its folder relative to the output folder.

    Raises:
        Unwritten: the harness could not write a complete file anywhere.
    """
    wanted = tracker.output_path
    reasons = []
    # The output folder itself is the last choice: readers of that folder would find the unfinished file.
    for parent in (Path(tempfile.gettempdir()), Path(wanted)):
        try:
            folder = Path(tempfile.mkdtemp(prefix=".microbench-", dir=parent))
        except OSError as error:
            reasons.append(f"{parent}: {_text(error)}")
            continue
        try:
            tracker.output_path = str(folder)
            with _silent(tracker):
                write()
            tracker.output_path = wanted
            drafts = [path for path in folder.rglob("*") if path.is_file()]
            if len(drafts) == 1 and is_whole(drafts[0]):
                yield drafts[0], drafts[0].parent.relative_to(folder)
                return
            reasons.append(f"{parent}: {_why_unwritten(folder, content)}")
        finally:
            tracker.output_path = wanted
            shutil.rmtree(folder, ignore_errors=True)
    raise Unwritten("; ".join(reasons))


@contextlib.contextmanager
def _silent(tracker: Any) -> Iterator[None]:
    """Keep the harness from logging the names of temporary files, unless it also pushes files to the Hub."""
    name = type(tracker).__module__
    if tracker.push_results_to_hub or tracker.push_samples_to_hub:
        yield
        return
    logger.disable(name)
    try:
        yield
    finally:
        logger.enable(name)


def _why_unwritten(folder: Path, content: Sequence[Any]) -> str:
    try:
        _write_probe(folder)
    except OSError as error:
        return _text(error)
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
    content = path.read_bytes()
    return content.count(b"\n") if content.endswith(b"\n") else -1


# --- files in one step ---------------------------------------------------------------


def _copy_beside(source: Path, target: Path) -> Path:
    """Copy ``source`` to a hidden file beside ``target``, and flush it to disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    try:
        shutil.copyfile(source, copy)
        with copy.open("rb+") as file:
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            copy.unlink(missing_ok=True)
        raise
    return copy


def _publish_as_new(source: Path, folder: Path) -> Path:
    """Publish a results file; if its name is taken, add a number to its date."""
    date = source.name.removesuffix(_RESULTS)
    copy = _copy_beside(source, folder / source.name)
    try:
        for number in itertools.count(1):
            target = folder / f"{date}{'' if number == 1 else f'-{number}'}{_RESULTS}"
            with contextlib.suppress(FileExistsError):
                _rename_to_new(copy, target)
                return target
    finally:
        copy.unlink(missing_ok=True)
    raise AssertionError("unreachable")


def _rename_to_new(source: Path, target: Path) -> None:
    """Rename or hard-link ``source`` to ``target``; raise FileExistsError if ``target`` exists."""
    try:
        os.link(source, target)
    except OSError as error:
        # Some file systems have no hard links.
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        target.open("xb").close()
        os.replace(source, target)
