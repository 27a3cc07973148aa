"""Evaluate the models of a list one after another: skip what is complete, and go on after a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from filelock import FileLock, Timeout

from microbench_tasks.harness.many_models.model_list import Entry
from microbench_tasks.harness.many_models.one_run import Failure, remove_kept
from microbench_tasks.harness.many_models.record import Complete, ModelFolder, Plan, completed_run
from microbench_tasks.util.errors import DataError

_LOCK = ".lock"


class Status(Enum):
    """What happened to a model in this command."""

    DONE = "done"
    ALREADY_DONE = "already done"
    FAILED = "FAILED"
    ELSEWHERE = "running elsewhere"


@dataclass(frozen=True)
class Outcome:
    """The status of one model, with the reason if it failed, and its results if they are complete."""

    entry: Entry
    status: Status
    reason: str = ""
    complete: Complete | None = None


@dataclass(frozen=True)
class Job:
    """One model to evaluate, with its plan and its folder."""

    entry: Entry
    plan: Plan
    folder: Path


class InterruptedLoopError(Exception):
    """Report that the user ended the command, with the outcomes until then.

    Args:
        outcomes: of the models before.
        cause: `KeyboardInterrupt` or the exception of SIGTERM.
    """

    def __init__(self, outcomes: Sequence[Outcome], cause: BaseException) -> None:
        super().__init__()
        self.outcomes = list(outcomes)
        self.cause = cause


def check(jobs: Sequence[Job]) -> list[str]:
    """List the folders that have results of other plans, with what differs."""
    return [refusal for job in jobs if (refusal := ModelFolder.read(job.folder).refusal(job.plan))]


def run(jobs: Sequence[Job], evaluate: Callable[[Job], Failure | None], say: Callable[[str], None]) -> list[Outcome]:
    """Evaluate each model whose results are not complete.

    Args:
        jobs: the models.
        evaluate: runs the harness for one of them, and returns why it failed.
        say: prints a line.

    Raises:
        InterruptedLoopError: at Ctrl-C or SIGTERM.
    """
    outcomes: list[Outcome] = []
    seconds: list[float] = []
    for position, job in enumerate(jobs, start=1):
        folder = ModelFolder.read(job.folder)
        if folder.is_done and not folder.refusal(job.plan):
            say(f"model {position} of {len(jobs)}: {job.entry.name}; already done")
        else:
            say(progress_line(position, len(jobs), job.entry.name, outcomes, seconds))
        start = time.monotonic()
        try:
            outcome = _run_locked(job, evaluate)
        except (KeyboardInterrupt, SystemExit) as error:
            raise InterruptedLoopError(outcomes, error) from None
        # Most failures come early, and tell nothing about the models that are left.
        if outcome.status is Status.DONE:
            seconds.append(time.monotonic() - start)
        if outcome.status is not Status.DONE and outcome.reason:
            say(f"{outcome.status.value}: {job.entry.name}: {outcome.reason}")
        outcomes.append(outcome)
    return outcomes


def progress_line(position: int, total: int, name: str, outcomes: Sequence[Outcome], seconds: Sequence[float]) -> str:
    """Return the line before a model.

    Args:
        position: of the model, from 1.
        total: number of models.
        name: of the model.
        outcomes: of the models before.
        seconds: that each model took which was done before.

    >>> progress_line(4, 10, "plip", [], [90, 110, 100])
    'model 4 of 10: plip; 0 done, 0 failed; about 12 min left'
    """
    failed = sum(outcome.status is Status.FAILED for outcome in outcomes)
    done = sum(outcome.status in (Status.DONE, Status.ALREADY_DONE) for outcome in outcomes)
    left = ""
    if seconds:
        left = f"; about {duration(sum(seconds) / len(seconds) * (total - position + 1))} left"
    return f"model {position} of {total}: {name}; {done} done, {failed} failed{left}"


def duration(seconds: float) -> str:
    """Return a time in the unit that reads best.

    >>> [duration(40), duration(700), duration(9000)]
    ['40 s', '12 min', '2.5 h']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _run_locked(job: Job, evaluate: Callable[[Job], Failure | None]) -> Outcome:
    """Evaluate one model, unless it is complete or another process evaluates it now."""
    job.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(job.folder / _LOCK, timeout=0):
            return _run_one(job, evaluate)
    except Timeout:
        return Outcome(job.entry, Status.ELSEWHERE, "another process evaluates this model now")


def _run_one(job: Job, evaluate: Callable[[Job], Failure | None]) -> Outcome:
    # Read again: another process may have finished it since the command began.
    folder = ModelFolder.read(job.folder)
    if refusal := folder.refusal(job.plan):
        return Outcome(job.entry, Status.FAILED, refusal)
    if folder.is_done:
        return Outcome(job.entry, Status.ALREADY_DONE, complete=folder.complete)
    if folder.plan and job.plan.differences(folder.plan):
        # Answers may be those of other weights under the same name.
        remove_kept(job.folder)
    folder.write(job.plan, None)
    before, start = folder.results_files(), time.monotonic()
    try:
        failure = evaluate(job)
    # Whatever a model raises, the others are evaluated.
    except Exception as error:
        failure = Failure(" ".join(f"{type(error).__name__}: {error}".split()))
    if failure is not None:
        return Outcome(job.entry, Status.FAILED, failure.reason)
    complete = completed_run(job.folder, before, time.monotonic() - start)
    if complete is None:
        return Outcome(job.entry, Status.FAILED, "the run wrote no results file; see above")
    folder.write(job.plan, complete)
    remove_kept(job.folder)
    return Outcome(job.entry, Status.DONE, complete=complete)


def complete_models(out: Path) -> dict[str, ModelFolder]:
    """Return the folders in ``out`` with complete results by the names of their models, also of other processes."""
    folders = {}
    for path in sorted(out.iterdir()) if out.is_dir() else []:
        try:
            folder = ModelFolder.read(path)
        except DataError:
            continue
        if folder.is_done:
            folders[path.name] = folder
    return folders


def missing(entries: Sequence[Entry], complete: Mapping[str, ModelFolder]) -> list[str]:
    """Return the names of the models of a list without complete results."""
    return [entry.name for entry in entries if entry.name not in complete]
