"""The state of the current run of this process: the one place where the modules of this room keep mutable records.

A run is one call of the harness's ``simple_evaluate``. The harness passes no object of ours through it, so what one
patch records and another reads is kept here. Each part is reset at another point of a run, by the module that fills it:

- ``command``, ``own_options``: `microbench_tasks.harness.launcher`, for the whole process.
- ``unsaved_files``, ``results_file``: `microbench_tasks.harness.running_command`, before a run.
- ``left_out``: `microbench_tasks.harness.capabilities`, when tasks are matched and after the run.
- ``failed_requests``, ``answers_folder``: `microbench_tasks.harness.guard.model_guard`, before the model answers.
- ``comparer``: `microbench_tasks.harness.baseline`, before and after the evaluation.
- ``name_in_list``, ``task_indexes``, ``prints_tables``: `microbench_tasks.harness.many_models`,
  for one model, or all, of a list.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from microbench_tasks.harness.own_options import OwnOptions


class RunsEvaluations(Protocol):
    """A command that runs evaluations of the harness: `microbench_tasks.harness.running_command.Command`."""

    def run(self, evaluate_one: Callable[[Any], Any], args: Any) -> Any:
        """Run one evaluation."""


class ComparesRun(Protocol):
    """A comparison of the last run with a baseline: `microbench_tasks.harness.baseline.Comparer`."""

    def add(self, baseline: str | Path, name: str) -> object:
        """Compare a task or group."""


@dataclass
class RunState:
    """Record what the parts of a run tell each other.

    Attributes:
        command: the command that started the process; None if another program did.
        own_options: values of the options that this package adds to the harness's.
        left_out: tasks that were left out because the model cannot answer them.
        failed_requests: requests without an answer, per task.
        answers_folder: folder with the stored answers. With ``--use_cache FOLDER``, the same command asks only the
            failed requests. None if answers were not stored.
        unsaved_files: sentences about files that could not be saved.
        results_file: the results file of the last run; None if it was not saved.
        comparer: compares the last run with a baseline; None if there was no run.
        name_in_list: name of the model in the list of ``microbench run``; empty outside of that command.
        task_indexes: the harness's indexes of task definitions by their folders, which further runs of this process
            use; None if each run reads all definitions.
        prints_tables: whether the harness prints its tables of results.
    """

    command: RunsEvaluations | None = None
    own_options: OwnOptions = OwnOptions()
    left_out: tuple[str, ...] = ()
    failed_requests: Counter[str] = field(default_factory=Counter)
    answers_folder: Path | None = None
    unsaved_files: list[str] = field(default_factory=list)
    results_file: Path | None = None
    comparer: ComparesRun | None = None
    name_in_list: str = ""
    task_indexes: dict[tuple[str, ...], dict[str, Any]] | None = None
    prints_tables: bool = True


current = RunState()
_lock = threading.Lock()


def reset_answers() -> None:
    """Reset the record of failed requests and stored answers, before a model answers."""
    current.failed_requests = Counter()
    current.answers_folder = None


def count_failed_request(task: str) -> None:
    """Count a request of ``task`` that got no answer; may be called from several threads."""
    with _lock:
        current.failed_requests[task] += 1
