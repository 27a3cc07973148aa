"""Watch the runs of one ``lmms_eval`` command: check their arguments, and collect what went wrong."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from microbench_tasks.harness import garbage_collection, own_options, run_state, run_summary_output, tracebacks


class Command:
    """Watch the runs of one command, which are several if ``--config`` lists them.

    Args:
        arguments: of the command, after the script's name.

    Attributes:
        quotes: the sentences to quote of each run with scores of this package's tasks, or why there are none.
        problems: what was not asked, answered, scored or saved, as sentences.
        reasons: the same in one line each, without advice.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments[1:] if arguments[:1] == ["eval"] else arguments)
        self.quotes: list[str] = []
        self.problems: list[str] = []
        self.reasons: list[str] = []

    def write_out_options(self, known: Collection[str]) -> None:
        """Write out abbreviated options, of which messages look for the full names; ``known`` are all options."""
        self._arguments = own_options.write_out(self._arguments, known)

    @property
    def is_quiet(self) -> bool:
        """Tell whether ``--quiet`` is among the arguments."""
        return own_options.split(self._arguments)[0].quiet

    def run(self, evaluate_one: Callable[[Any], Any], args: Any) -> Any:
        """Run one evaluation of the harness, and record how it ends.

        Args:
            evaluate_one: the harness's ``cli_evaluate_single``.
            args: its parsed arguments.

        Returns:
            What ``evaluate_one`` returns; None twice if the run failed for a reason that the last message of the
            command gives. The harness would print a traceback for an error. Also None twice with ``--quiet``, so that
            the harness prints no tables, unless a logger of the command needs the results.
        """
        run_state.current.unsaved_files.clear()
        run_state.current.results_file = None
        try:
            check_arguments(args)
            results, samples = evaluate_one(args)
            self._note_results(results or {})
            # Only the first of several processes has results.
            if results:
                has_answers = getattr(args, "log_samples", True)
                with garbage_collection.rare_collections():
                    self.quotes += run_summary_output.publish(results, self.print_message, has_answers=has_answers)
            return (None, None) if _prints_summary_alone(args) else (results, samples)
        except Exception as error:
            is_debugged = getattr(args, "verbosity", None) == "DEBUG"
            is_explained = _is_explained(error)
            # Other benchmarks' errors are shown as the harness shows them.
            kept = "" if is_debugged or is_explained or not _asks_only_ours(args) else tracebacks.keep(error)
            self._note_failure(error, kept)
            if is_debugged or not (is_explained or kept):
                raise
            return None, None
        except SystemExit as leaving:
            from microbench_tasks.harness import exit_status

            # The harness exits early after `--tasks list`, but also if a run has no tasks.
            if args.tasks is None and not leaving.code:
                sys.exit(exit_status.FAILED_STATUS)
            raise
        finally:
            self.problems += run_state.current.unsaved_files
            self.reasons += run_state.current.unsaved_files
            # The model of the next run needs this memory.
            garbage_collection.unfreeze_gc()

    def _note_results(self, results: Any) -> None:
        from microbench_tasks.harness import failed_requests

        summary = failed_requests.failure_summary(results, self._arguments)
        if summary:
            self.problems.append(summary)
            self.reasons.append(failed_requests.count_failures(results))

    def _note_failure(self, error: Exception, kept: str) -> None:
        from microbench_tasks.harness import peer_processes, resume_advice

        hint = f" {kept}" if kept else ""
        self.problems.append(f"A run failed. {resume_advice.describe_failure(error, self._arguments)}{hint}")
        self.reasons.append(" ".join(f"{type(error).__name__}: {error}".split()))
        peer_processes.exit_after_error(error)

    def resume_hint(self) -> str:
        """Return how many answers of an interrupted command are stored, and how to resume it."""
        from microbench_tasks.harness import resume_advice

        return resume_advice.resume_hint(self._arguments)

    def print_message(self, text: str) -> None:
        """Print to stderr, only in the first process."""
        if os.environ.get("RANK", "0") == "0":
            sys.stdout.flush()
            print(f"Micro-Bench: {text}", file=sys.stderr)


def _asks_only_ours(args: Any) -> bool:
    from microbench_tasks.harness import own_tasks

    return bool(args.tasks) and all(own_tasks.tasks_named([name]) for name in args.tasks.split(","))


def _prints_summary_alone(args: Any) -> bool:
    return run_state.current.own_options.quiet and not (args.wandb_args or args.swanlab_args)


def _is_explained(error: Exception) -> bool:
    """Tell whether the message of an error says all, so that its traceback helps nobody."""
    from microbench_tasks.harness.memory import OutOfMemoryError
    from microbench_tasks.harness.served.circuit_breaker import ServerStoppedError
    from microbench_tasks.util.errors import DataError

    if isinstance(error, (DataError, OutOfMemoryError, ServerStoppedError)):
        return True
    # The models of this package refuse options and checkpoints by a ValueError, and name a missing package, with the
    # way out. The harness refuses its own options by a ValueError.
    is_refusal = type(error) in (ValueError, ModuleNotFoundError) and _origin(error).startswith("microbench_adapters.")
    return is_refusal or (type(error) is ValueError and _origin(error) == "lmms_eval.__main__")


def _origin(error: Exception) -> str:
    """Return the name of the module that raised an error."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "")


def check_arguments(args: Any) -> None:
    """Check arguments before a model is loaded that the harness would reject only after the run, or never.

    Raises:
        DataError: the run's name is not valid, a task or the model is unknown, an own dataset is not installed, the
            model does not take its arguments or cannot run with the installed transformers, examples or no questions
            are asked for, the baseline cannot be compared, a folder cannot be written, or boxes would be read at
            another scale than the model's arguments set.
    """
    from lmms_eval.utils import simple_parse_args_string

    from microbench_tasks import catalog
    from microbench_tasks.data import setting_names
    from microbench_tasks.harness import capabilities, generation_settings, output_folder, own_tasks, run_names
    from microbench_tasks.tasks import box_format_choice
    from microbench_tasks.util.errors import DataError
    from microbench_tasks.util.notices import warn_once

    if not args.tasks:
        return
    # Files of other benchmarks' tasks have the run's name, too.
    run_names.run_name()
    own_tasks.add_included(args.include_path)
    names = args.tasks.split(",")
    tasks = own_tasks.tasks_named(names)
    _check_names(names, args)
    if not tasks:
        return
    setting_names.check()
    _check_model(args)
    generation_settings.check(args.gen_kwargs, args.model)
    if args.num_fewshot:
        raise DataError(
            f"--num_fewshot {args.num_fewshot}: Micro-Bench asks without examples, as the paper does. Leave it out."
        )
    if args.limit == 0:
        raise DataError("--limit 0: asks nothing. Type a number of questions of each task, such as --limit 20.")
    if args.use_cache:
        root = Path(args.use_cache)
        output_folder.prepare(root.absolute().parent if root.suffix == ".db" else root, "--use_cache")
    if args.baseline:
        _check_baseline(args, tasks)
    if args.output_path and not (args.log_samples or args.predict_only):
        # Before the hours of the run; its summary says so again.
        warn_once(f"--log_samples is missing: {run_summary_output.NO_ANSWERS}.")
    # A model that only chooses among texts is not asked for boxes.
    if any(catalog.task_of(task).subject == "boxes" for task in tasks) and not capabilities.needs_choices(args.model):
        box_format_choice.check_model_args(args.model, simple_parse_args_string(args.model_args or ""))


def _check_names(names: Sequence[str], args: Any) -> None:
    """Refuse a name that looks like one of ours and is none, unless the user includes tasks of their own."""
    from microbench_tasks import catalog
    from microbench_tasks.util.errors import DataError
    from microbench_tasks.util.suggestions import did_you_mean

    known = (*catalog.ALL_TASKS, *catalog.GROUPS, *catalog.TAGS, catalog.OWN_TAG)
    unknown = [
        name
        for name in names
        if name.startswith("microbench")
        and not (name in known or catalog.is_task(name) or set(name) & set("*?[") or Path(name).exists())
    ]
    if unknown and not args.include_path:
        raise DataError(
            f"--tasks: {', '.join(unknown)} unknown. {did_you_mean(unknown[0], known)}"
            "lmms_eval --tasks list prints all."
        )


def _check_model(args: Any) -> None:
    from microbench_tasks.harness import model_arguments, model_environments
    from microbench_tasks.util.errors import DataError

    # The harness's default, which is no model.
    if args.model == "hf":
        raise DataError("--model is missing: type --model NAME. lmms_eval models lists all.")
    model_environments.check(args.model)
    problem = next(model_arguments.find_problems(args.model, args.model_args or "", args.force_simple), None)
    if problem is not None:
        raise DataError(f"--model {args.model}: {problem}")


def _check_baseline(args: Any, tasks: Sequence[str]) -> None:
    """Refuse a baseline that our tasks cannot be compared with, unless other benchmarks of the run use it."""
    from lmms_eval.baselines import BASELINE_REGISTRY

    from microbench_tasks.harness import baseline, own_tasks
    from microbench_tasks.util.errors import DataError

    asks_others = not all(own_tasks.tasks_named([name]) for name in args.tasks.split(","))
    is_remote = args.baseline.startswith(("hf://", "http")) or args.baseline.split(":")[0] in BASELINE_REGISTRY
    if asks_others and is_remote:
        return
    baseline.check(args.baseline, tasks)
    if not args.log_samples:
        raise DataError("--baseline compares samples, which are saved only with --log_samples. Add --log_samples.")
