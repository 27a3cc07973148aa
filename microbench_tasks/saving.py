"""Save a run's files whole or not at all, under names of its own; keep a second copy where that fails.

The harness writes into place, swallows the error of a failed write, and names files by the second. So it writes into
a folder of this module instead (`Draft`), from which finished files are moved to the output folder.
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

from microbench_tasks import files
from microbench_tasks.schema import DataError

_RESULTS = "_results.json"
# Of a samples file, per question: twice what a short answer with probabilities takes.
_BYTES_PER_QUESTION = 4096
# Of the results file.
_BYTES_OF_RESULTS = 1 << 20
_PROBE_BYTES = 1 << 16

# What could not be saved since `forget_problems`, as sentences.
problems: list[str] = []


def forget_problems() -> None:
    """Start anew, for the next run of this process."""
    problems.clear()


# --- before the run ------------------------------------------------------------------


def prepare_folder(folder: Path, option: str = "--output_path") -> None:
    """Create the folder for a run's files, and write in it for trial.

    Raises:
        DataError: it is a file, or nothing can be written in it; names the option.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_probe(folder)
    except FileExistsError as error:
        raise DataError(f"{option} {folder}: is a file. Name a folder.") from error
    except OSError as error:
        raise DataError(f"{option} {folder}: cannot be written ({_text(error)}). Name another folder.") from error


def check_room(folder: Path, num_questions: int) -> None:
    """Refuse a folder without room for the samples of so many questions, as an estimate.

    Raises:
        DataError: there is less room.
    """
    needed = _BYTES_OF_RESULTS + num_questions * _BYTES_PER_QUESTION
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"--output_path {folder}: has {_megabytes(free)} free, and this run needs about {_megabytes(needed)}. "
            "Make room or name another folder."
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
    """Report that the harness did not write a file in whole."""


def save_results(tracker: Any, write: Callable[[], None], results: Any) -> None:
    """Let the harness write the results file with ``write``, and publish it under a name that no other run has."""

    def publish(draft: Path, folder: Path) -> Path:
        target = _publish_as_new(draft, folder)
        # Samples files are named after it.
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
    """Yield the file that the harness wrote, and its place below the output folder.

    Raises:
        Unwritten: the harness wrote it nowhere in whole.
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
    """Keep the harness from logging the names of drafts; what it pushes to the Hub it may say."""
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
    return "the harness wrote a part of it"


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
    """Copy ``source``, onto the disk, to a hidden name beside ``target``."""
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
    """Publish a results file; if its name is taken, a number is added to its date."""
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
    """Let ``target`` name the file ``source``; raises FileExistsError rather than replace one."""
    try:
        os.link(source, target)
    except OSError as error:
        # Some file systems have no second names.
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        target.open("xb").close()
        os.replace(source, target)
