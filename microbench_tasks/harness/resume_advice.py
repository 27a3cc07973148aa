"""Report how a run ended: unanswered questions, stored answers, and the command that resumes it."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.harness import memory, run_state
from microbench_tasks.harness.served import reply_log
from microbench_tasks.runs import unanswered_tasks

FAILED_STATUS = 1
INTERRUPTED_STATUS = 128 + signal.SIGINT
TERMINATED_STATUS = 128 + signal.SIGTERM

_USE_CACHE = "--use_cache"
_NAMED_TASKS = 5


class Terminated(SystemExit):
    """End the process as SIGTERM does, but after clean-up."""

    def __init__(self) -> None:
        super().__init__(TERMINATED_STATUS)


@contextlib.contextmanager
def catching_sigterm() -> Iterator[None]:
    """Raise `Terminated` at the first SIGTERM; at a second one the process ends at once."""

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# --- what a run did not do -----------------------------------------------------------


def drop_unanswered_scores(results: MutableMapping[str, Any]) -> list[str]:
    """Remove the scores of tasks without any answer, and of groups with such a task, from a run's results.

    Returns:
        The tasks without any answer.
    """
    figures = results.get("results", {})
    numbers = {name: number for name, number in _num_failed(results).items() if number}
    asked = {name: _num_asked(results, name) for name in numbers}
    without = [name for name, number in numbers.items() if number >= asked[name]]
    groups = [name for name in catalog.GROUPS if set(catalog.tasks_named([name])) & set(without)]
    for part in (figures, results.get("groups", {})):
        for name in (*without, *groups):
            if name in part:
                part[name] = _without_scores(part[name])
    return without


def _without_scores(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a task, whose figures the harness names ``metric,filter``, without its scores."""
    kept = unanswered_tasks.without_scores({entry.partition(",")[0]: None for entry in figures if "," in entry})
    return {entry: value for entry, value in figures.items() if "," not in entry or entry.partition(",")[0] in kept}


def _num_failed(results: Mapping[str, Any]) -> dict[str, int]:
    figures = results.get("results", {})
    return {name: int(figures[name].get("failed,none", 0)) for name in catalog.ALL_TASKS if name in figures}


def _num_asked(results: Mapping[str, Any], task: str) -> int:
    samples = results.get("samples", {}).get(task)
    # The harness's number ignores --offset.
    questions = len(samples) if samples else int(results["n-samples"][task]["effective"])
    figures = results["results"][task]
    repeats = figures.get("repeats,none") or figures.get("boxes_repeats,none")
    answers = repeats["answers"] if repeats else 1
    return questions * (answers if isinstance(answers, int) else max(answers))


def failed_requests(results: Mapping[str, Any], arguments: Sequence[str]) -> str:
    """Return the number of failed requests and the command that asks only those; empty if none failed.

    Args:
        results: of the run, as the harness returns them.
        arguments: of the command, without the program.
    """
    numbers = {name: number for name, number in _num_failed(results).items() if number}
    if not numbers:
        return ""
    listed = _listed(f"{name} {number:,}" for name, number in numbers.items())
    said = f"{sum(numbers.values()):,} request(s) got no answer and count as wrong ({listed})."
    if _answers_folder(arguments) is None:
        return f"{said} The answers of this run were not kept. {_with_cache(arguments)}"
    return f"{said} This asks only those:\n  {_resume_command(arguments)}"


def _listed(parts: Iterable[str]) -> str:
    named = list(parts)
    return ", ".join(named[:_NAMED_TASKS] + (["…"] if len(named) > _NAMED_TASKS else []))


# --- how to go on --------------------------------------------------------------------


def how_to_go_on(arguments: Sequence[str]) -> str:
    """Return how many answers of an interrupted run are stored, and the command that resumes it."""
    folder = _answers_folder(arguments)
    if folder is None:
        return f"No answers are kept. {_with_cache(arguments)}"
    kept = kept_answers(folder)
    if not kept:
        return f"No answers are kept in {folder} yet. This asks all again:\n  {_resume_command(arguments)}"
    return f"{kept:,} answers are kept in {folder}. This asks only the others:\n  {_resume_command(arguments)}"


def after_failure(error: BaseException, arguments: Sequence[str]) -> str:
    """Return why a run failed and what helps, as sentences."""
    said = f"{type(error).__name__}: {error}"
    if not isinstance(error, memory.OutOfMemoryError):
        return said
    again = how_to_go_on(memory.with_smaller_batches(arguments, error))
    return f"{error}. {memory.advice(error)} {again}"


def _answers_folder(arguments: Sequence[str]) -> Path | None:
    """Return the folder with the answers of the last run: that of ``--use_cache``, or the default one for servers."""
    named = option_value(arguments, _USE_CACHE)
    return Path(named) if named else run_state.record().answers_in


def _resume_command(arguments: Sequence[str]) -> str:
    is_named = option_value(arguments, _USE_CACHE) is not None
    return command(arguments if is_named else [*arguments, _USE_CACHE, str(_answers_folder(arguments))])


def _with_cache(arguments: Sequence[str]) -> str:
    again = command([*arguments, _USE_CACHE, "answers"])
    return f"This asks all again, and keeps each answer at once, so that a further run can resume:\n  {again}"


def kept_answers(folder: Path) -> int:
    """Count the answers in a folder of ``--use_cache``, including those of runs that did not finish."""
    databases = [folder / "cache.db", *folder.glob("runs/*/rank_*.db")]
    stored = sum(_num_rows(path) for path in databases if not (path.parent / ".merged").exists())
    # Answers of a server are in its log and, later, in a database too: they must not be counted twice.
    return max(stored, sum(path.read_bytes().count(b"\n") for path in (folder / reply_log.FOLDER).glob("*.jsonl")))


def _num_rows(path: Path) -> int:
    if not path.is_file():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=5)) as database:
            return database.execute("SELECT COUNT(*) FROM responses").fetchone()[0]
    except sqlite3.Error:
        return 0


def command(arguments: Sequence[str]) -> str:
    """Return a shell command with this package's environment variables; secrets are left out."""
    from microbench_tasks.util import privacy

    ours = {name: value for name, value in sorted(os.environ.items()) if name.startswith("MICROBENCH_")}
    settings = [f"{name}={shlex.quote(value)}" for name, value in ours.items()]
    return " ".join([*settings, *_program(), *(shlex.quote(privacy.redact_secrets(part)) for part in arguments)])


def _program() -> list[str]:
    num_processes = os.environ.get("LOCAL_WORLD_SIZE", "1")
    if num_processes == "1" or "TORCHELASTIC_RUN_ID" not in os.environ:
        return ["lmms_eval"]
    return ["torchrun", "--nproc_per_node", num_processes, "--no-python", "lmms_eval"]


def arguments_of_run() -> list[str]:
    """Return the arguments of this process's command, without the program and its subcommand."""
    arguments = sys.argv[1:]
    return arguments[1:] if arguments[:1] == ["eval"] else arguments


def option_value(arguments: Sequence[str], option: str) -> str | None:
    """Return the value of a command-line option, the last one if the option is repeated."""
    value = None
    for position, part in enumerate(arguments):
        if part == option and position + 1 < len(arguments):
            value = arguments[position + 1]
        elif part.startswith(f"{option}="):
            value = part.partition("=")[2]
    return value
