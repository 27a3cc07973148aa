"""The command ``microbench run``: check all, evaluate model after model, then print the table and rank the models."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbench_tasks.harness import (
    exit_status,
    launcher,
    output_folder,
    own_options,
    own_tasks,
    resume_advice,
    run_names,
)
from microbench_tasks.harness.many_models import board, entry_checks, loop, model_list, one_run, record, summary
from microbench_tasks.harness.many_models.model_list import Entry
from microbench_tasks.harness.many_models.options import parse_harness_options, parse_shard, settings_of
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line


@dataclass(frozen=True)
class Request:
    """What the user typed.

    Attributes:
        models: a file, or the name of a list that ships with the package.
        tasks: as for ``lmms_eval --tasks``.
        out: folder for the results.
        shard: ``3/8`` or None.
        harness_arguments: all other options, for the harness.
    """

    models: str
    tasks: str
    out: Path
    shard: str | None
    harness_arguments: Sequence[str]


@dataclass(frozen=True)
class _Prepared:
    """All that was checked: the whole list, the models of this process, the data, and the harness's arguments."""

    entries: list[Entry]
    jobs: list[loop.Job]
    data: dict[str, Any]
    common: list[str]
    uses_cache: bool

    def evaluate(self, job: loop.Job) -> one_run.Failure | None:
        arguments = one_run.arguments_of(job.entry, job.folder, self.common, self.uses_cache)
        return one_run.evaluate(arguments, job.entry.name)


def run(request: Request) -> int:
    """Evaluate the models of a list, print a table of all, and write the leaderboard.

    Returns:
        The exit status: 0 if no model failed, else 1.

    Raises:
        DataError: the list, the options or the data are not valid; nothing was run.
        SystemExit: at Ctrl-C (130) or SIGTERM (143).
    """
    with one_run.sharing():
        prepared = _prepare(request)
        try:
            outcomes = loop.run(prepared.jobs, prepared.evaluate, _say)
        except loop.InterruptedLoopError as interruption:
            _exit_interrupted(interruption, prepared, request)
    print(f"\n{summary.as_markdown(outcomes, request.out, prepared.data)}\n", flush=True)
    failed = [outcome for outcome in outcomes if outcome.status is loop.Status.FAILED]
    for outcome in failed:
        print(f"FAILED: {outcome.entry.name}: {printable_line(outcome.reason)}")
    _rank(prepared.entries, request.out, [outcome.entry.name for outcome in failed])
    if failed:
        print(f"{len(failed)} of {len(outcomes)} model(s) failed. The same command evaluates only these again.")
    return exit_status.FAILED_STATUS if failed else 0


def _prepare(request: Request) -> _Prepared:
    """Check everything that can be checked before the first model runs."""
    path, entries = model_list.load(request.models)
    own = parse_shard(request.shard).items_of(entries)
    if not own:
        raise DataError(f"--shard {request.shard}: {path} has only {len(entries)} model(s). Start fewer shards.")
    launcher.prepare_evaluation()
    arguments = own_options.write_out(request.harness_arguments, launcher.known_options())
    run_names.check(own_options.split(arguments)[0].run_name)
    options = parse_harness_options(request.tasks, arguments)
    own_tasks.add_included(options.include_path)
    _check_place(request.out)
    if problems := entry_checks.find_problems(entries, options):
        raise DataError(model_list.listed_problems(path, problems))
    names = entry_checks.check_tasks(options)
    data, settings = record.data_identity(names), settings_of(options)
    jobs = [loop.Job(entry, record.make_plan(entry, names, settings, data), request.out / entry.name) for entry in own]
    if refusals := loop.check(jobs):
        raise DataError(model_list.listed_problems(request.out, refusals))
    common = ["--tasks", request.tasks, *arguments]
    return _Prepared(entries, jobs, data, common, bool(options.use_cache))


def _check_place(out: Path) -> None:
    """Create the folder for the results, unless the harness would read its name as several options."""
    if found := sorted(set(str(out)) & set(",'\"[]{}")):
        raise DataError(
            f"--output_path {out}: contains {' '.join(found)}, which separates the arguments of lmms_eval. "
            "Choose another folder."
        )
    output_folder.prepare(out)


def _exit_interrupted(interruption: loop.InterruptedLoopError, prepared: _Prepared, request: Request) -> None:
    complete = loop.complete_models(request.out)
    done = sum(job.entry.name in complete for job in prepared.jobs)
    is_terminated = isinstance(interruption.cause, exit_status.Terminated)
    _say(f"{'ended by SIGTERM' if is_terminated else 'interrupted by Ctrl-C'}; {done} of {len(prepared.jobs)} done")
    print(
        f"Micro-Bench: results are in {request.out}. To continue, type the same command: it skips the models that are "
        "done, and uses what the interrupted model has stored.\n"
        f"  {resume_advice.shell_command(_typed(request), 'microbench')}",
        file=sys.stderr,
    )
    sys.exit(exit_status.TERMINATED_STATUS if is_terminated else exit_status.INTERRUPTED_STATUS)


def _typed(request: Request) -> list[str]:
    shard = [] if request.shard is None else ["--shard", request.shard]
    options = ["--tasks", request.tasks, "--output_path", str(request.out), *shard, *request.harness_arguments]
    return ["run", str(request.models), *options]


def _rank(entries: Sequence[Entry], out: Path, failed: Collection[str] = ()) -> None:
    """Write the leaderboard of all complete models in ``out``; say which are not on it, and which are missing."""
    complete = loop.complete_models(out)
    missing = {name: "failed" if name in failed else "not complete yet" for name in loop.missing(entries, complete)}
    if complete:
        try:
            written = board.write(out, missing)
        except DataError as error:
            print(f"No leaderboard: {error}")
        else:
            for name, reason in written.left_out.items():
                print(f"not on the leaderboard: {name}: {printable_line(reason)}")
            if written.files:
                print(f"leaderboard of {written.num_ranked} model(s): {written.files[0]}")
    if missing:
        print(f"missing, as not complete yet: {', '.join(missing)}")


def _say(text: str) -> None:
    sys.stdout.flush()
    print(f"=== {printable_line(text)} ===", flush=True)
