"""Build submissions and a leaderboard of all models with complete results in a folder."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from microbench_tasks.harness.many_models import loop
from microbench_tasks.util.errors import DataError

SUBMISSIONS, LEADERBOARD = "submissions", "leaderboard"
_LOCK = ".leaderboard.lock"


@dataclass(frozen=True)
class Board:
    """The files of a leaderboard, the number of models on it, and those that are not, with the reasons."""

    files: tuple[Path, ...]
    num_ranked: int
    left_out: Mapping[str, str]


def write(out: Path, missing: Mapping[str, str] | None = None) -> Board:
    """Write a submission of each model with complete results, and the leaderboard of all of them.

    Submissions of runs that have one are kept. Other processes that write to ``out`` are waited for.

    Args:
        out: the folder with a folder for each model.
        missing: models of the list without complete results, with the reasons; the leaderboard names them.

    Raises:
        DataError: the submissions cannot be ranked, or the leaderboard cannot be written.
    """
    # A new process: the leaderboard forks, and this one has the threads and the GPU of the models.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_write, out, dict(missing or {})).result()


def _write(out: Path, missing: Mapping[str, str]) -> Board:
    from microbench_tasks.leaderboard import files, ranking

    left_out: dict[str, str] = {}
    submitted = []
    with FileLock(out / _LOCK):
        # Listed within the lock: a process that waited must not leave out what another has finished meanwhile.
        for name, folder in loop.complete_models(out).items():
            if folder.complete is None:
                continue
            try:
                submitted.append(_submission(out, name, folder.complete.run))
            except DataError as error:
                left_out[name] = _first_reason(error)
        if not submitted:
            return Board((), 0, left_out)
        # Another process may have completed a model meanwhile.
        there = {folder.name for folder in submitted}
        ranked = ranking.load(submitted, {name: why for name, why in missing.items() if name not in there} | left_out)
        with_paper = any(row.data.kind == "release" for row in ranked.rankings)
        written = tuple(files.write(ranked, out / LEADERBOARD, with_paper=with_paper))
        return Board(written, len(submitted), left_out)


def _submission(out: Path, name: str, run: str) -> Path:
    """Return the folder of a model's submission; write it unless it is there for this run."""
    from microbench_tasks.runs import found_runs
    from microbench_tasks.submissions import building, reading

    target = out / SUBMISSIONS / name
    if target.exists():
        try:
            if reading.load_manifest(target).run.name == run:
                return target
        except DataError:
            pass
        # It is about an earlier run of this model, or not whole.
        shutil.rmtree(target)
    logged = found_runs.find_run([out / name], run)
    building.submit(logged, building.Description(name), target)
    return target


def _first_reason(error: DataError) -> str:
    """Return the first item of a list of reasons, or the message if it has no list."""
    _, _, reasons = str(error).partition("\n  - ")
    first, _, others = (reasons or str(error)).partition("\n  - ")
    return f"{first} (and {others.count(chr(10)) + 1} more)" if others else first
