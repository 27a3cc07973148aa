"""Evaluate one model of a list in this process, and free its memory."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from microbench_tasks.harness import exit_status, garbage_collection, launcher, run_state
from microbench_tasks.harness.many_models import entry_checks, record
from microbench_tasks.harness.many_models.model_list import Entry
from microbench_tasks.harness.many_models.options import command_line
from microbench_tasks.harness.running_command import Command

# Models that answer faster than an answer is stored.
_INSTANT = ("microbench_random",)


@dataclass(frozen=True)
class Failure:
    """Tell in one line why a run failed."""

    reason: str


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """Let the runs of this process share what does not depend on the model.

    These are the index of task definitions here, and the checked data and their documents anyway. Tasks are built anew
    for each model, since they contain what a model was asked.
    """
    state = run_state.current
    before = state.task_indexes, state.prints_tables
    state.task_indexes, state.prints_tables = {}, False
    try:
        with garbage_collection.relaxed_gc():
            yield
    finally:
        state.task_indexes, state.prints_tables = before


def evaluate(arguments: Sequence[str], name: str = "") -> Failure | None:
    """Run the harness with these arguments, as the script ``lmms_eval`` does, and free the model's memory.

    Args:
        arguments: of the harness.
        name: of the model in the list, which its results record.

    Returns:
        Why the run failed; None if all questions were asked, answered and scored, and all files were saved.

    Raises:
        KeyboardInterrupt: at Ctrl-C.
        exit_status.Terminated: at SIGTERM.
    """
    command = Command(arguments)
    run_state.current.name_in_list = name
    try:
        with garbage_collection.frozen_base(), command_line(arguments):
            launcher.evaluate(command)
    except SystemExit as leaving:
        if isinstance(leaving, exit_status.Terminated):
            raise
        if leaving.code:
            return Failure(command.reasons[-1] if command.reasons else f"the harness ended with status {leaving.code}")
    finally:
        run_state.current.name_in_list = ""
        _free_gpu()
    return Failure("; ".join(command.reasons)) if command.reasons else None


def _free_gpu() -> None:
    """Give the memory of the last model's weights back to the GPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def arguments_of(entry: Entry, folder: Path, common: Sequence[str], uses_cache: bool) -> list[str]:
    """Return the harness's arguments for a model.

    What the model computes before its results are complete is kept in its folder: embeddings of a contrastive model,
    answers of another one.

    Args:
        entry: the model.
        folder: of the model.
        common: the arguments for all models.
        uses_cache: whether these set ``--use_cache``, which is then the place for answers.
    """
    from lmms_eval.utils import simple_parse_args_string

    model_args = entry.model_args
    kept: list[str] = []
    if entry_checks.keeps_embeddings(entry.model):
        if not uses_cache and "cache_dir" not in simple_parse_args_string(model_args):
            model_args = ",".join(part for part in (model_args, f"cache_dir={folder / record.EMBEDDINGS}") if part)
    elif not uses_cache and entry.model not in _INSTANT:
        kept = ["--use_cache", str(folder / record.ANSWERS)]
    # Of several, the last value of an option counts.
    batch_size = [] if entry.batch_size is None else ["--batch_size", entry.batch_size]
    model = ["--model", entry.model, "--model_args", model_args]
    return [*common, *model, *batch_size, *kept, "--log_samples", "--output_path", str(folder)]


def remove_kept(folder: Path) -> None:
    """Remove what was kept for resuming a model whose results are complete."""
    for name in (record.EMBEDDINGS, record.ANSWERS):
        shutil.rmtree(folder / name, ignore_errors=True)
