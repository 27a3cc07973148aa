"""Tell the user how to resume a run: the number of stored answers, and the command that asks only the others."""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from microbench_tasks.harness import memory, run_state
from microbench_tasks.harness.served import reply_log
from microbench_tasks.util import privacy

_USE_CACHE = "--use_cache"
# Each forbids downloads.
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def resume_hint(arguments: Sequence[str]) -> str:
    """Return how many answers of an interrupted run are stored, and the command that resumes it.

    Args:
        arguments: of the command, without the program.
    """
    folder = _answers_folder(arguments)
    if folder is None:
        return f"No answers are kept. {_caching_hint(arguments)}"
    stored = count_stored_answers(folder)
    if not stored:
        return f"No answers are kept in {folder} yet. This asks all again:\n  {_resume_command(arguments)}"
    return f"{stored:,} answers are kept in {folder}. This asks only the others:\n  {_resume_command(arguments)}"


def retry_hint(arguments: Sequence[str]) -> str:
    """Return the command that asks only the failed requests of a finished run, if its answers are stored."""
    if _answers_folder(arguments) is None:
        return f"The answers of this run were not kept. {_caching_hint(arguments)}"
    return f"This asks only those:\n  {_resume_command(arguments)}"


def describe_failure(error: BaseException, arguments: Sequence[str]) -> str:
    """Return why a run failed and, if memory ran out or the Hub is forbidden, what to do, as sentences."""
    if not isinstance(error, memory.OutOfMemoryError):
        return f"{type(error).__name__}: {error}{_offline_hint(error)}"
    hint = resume_hint(memory.with_smaller_batches(arguments, error))
    return f"{error}. {memory.advice(error)} {hint}"


def _offline_hint(error: BaseException) -> str:
    """Name the setting that forbids downloads, if that is the cause; models of the harness do not."""
    from huggingface_hub import constants, errors

    lacks_file = (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled)
    is_forbidden = constants.HF_HUB_OFFLINE and any(isinstance(cause, lacks_file) for cause in memory.causes(error))
    if not is_forbidden or any(name in str(error) for name in _OFFLINE):
        return ""
    setting = next((name for name in _OFFLINE if os.environ.get(name)), _OFFLINE[0])
    return f" {setting} is set: unset it to download what the Hub's cache ({constants.HF_HUB_CACHE}) lacks."


def _answers_folder(arguments: Sequence[str]) -> Path | None:
    """Return the folder with the answers of the last run: that of ``--use_cache``, or the default one for servers."""
    cache = option_value(arguments, _USE_CACHE)
    return Path(cache) if cache else run_state.current.answers_folder


def _resume_command(arguments: Sequence[str]) -> str:
    has_cache = option_value(arguments, _USE_CACHE) is not None
    return shell_command(arguments if has_cache else [*arguments, _USE_CACHE, str(_answers_folder(arguments))])


def _caching_hint(arguments: Sequence[str]) -> str:
    command = shell_command([*arguments, _USE_CACHE, "answers"])
    return f"This asks all again, and keeps each answer at once, so that a further run can resume:\n  {command}"


def count_stored_answers(folder: Path) -> int:
    """Count the answers in a folder of ``--use_cache``, including those of runs that did not finish."""
    databases = [folder / "cache.db", *folder.glob("runs/*/rank_*.db")]
    in_databases = sum(_num_rows(path) for path in databases if not (path.parent / ".merged").exists())
    in_logs = sum(path.read_bytes().count(b"\n") for path in (folder / reply_log.FOLDER).glob("*.jsonl"))
    # Answers of a server are in its log and, later, in a database too: they must not be counted twice.
    return max(in_databases, in_logs)


def _num_rows(path: Path) -> int:
    if not path.is_file():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=5)) as database:
            return database.execute("SELECT COUNT(*) FROM responses").fetchone()[0]
    except sqlite3.Error:
        return 0


def shell_command(arguments: Sequence[str], program: str | None = None) -> str:
    """Return a shell command with this package's environment variables; secrets are left out.

    Args:
        arguments: of the command.
        program: its name; by default the harness, started as this process was.
    """
    ours = {name: value for name, value in sorted(os.environ.items()) if name.startswith("MICROBENCH_")}
    settings = [f"{name}={shlex.quote(value)}" for name, value in ours.items()]
    started = _program() if program is None else [program]
    return " ".join([*settings, *started, *(shlex.quote(privacy.redact_secrets(part)) for part in arguments)])


def _program() -> list[str]:
    num_processes = os.environ.get("LOCAL_WORLD_SIZE", "1")
    if num_processes == "1" or "TORCHELASTIC_RUN_ID" not in os.environ:
        return ["lmms_eval"]
    return ["torchrun", "--nproc_per_node", num_processes, "--no-python", "lmms_eval"]


def command_arguments() -> list[str]:
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
