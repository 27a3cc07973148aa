"""Watch the runs of one ``lmms_eval`` command: check their arguments, and collect what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from microbench_tasks.harness import garbage_collection

_current: Command | None = None


def start(arguments: Sequence[str]) -> Command:
    """Begin the command of this process; ``arguments`` are those after the script's name."""
    global _current
    _current = Command(arguments)
    return _current


def current() -> Command | None:
    """Return the command of this process; None if another script started the process."""
    return _current


def end() -> None:
    """Forget the command of this process."""
    global _current
    _current = None


class Command:
    """Watch the runs of one command, which are several if ``--config`` lists them.

    Attributes:
        has_scores: whether any run has scores of this package's tasks.
        problems: what was not asked, answered, scored or saved, as sentences.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        is_eval = arguments[:1] == ["eval"]
        self._arguments = [part for part in arguments if part != "eval"] if is_eval else list(arguments)
        self.has_scores = False
        self.problems: list[str] = []

    def run(self, evaluate_one: Callable[[Any], Any], args: Any) -> Any:
        """Run one evaluation of the harness, and record how it ends."""
        from microbench_tasks.harness import peer_processes, resume_advice, saving
        from microbench_tasks.tasks.metric_table import FAMILIES

        saving.forget_problems()
        try:
            _check_arguments(args)
            results, samples = evaluate_one(args)
            figures = (results or {}).get("results", {}).values()
            intervals = {f"{family.interval}_low,none" for family in FAMILIES.values()}
            self.has_scores |= any(intervals & of_task.keys() for of_task in figures)
            failed = resume_advice.failed_requests(results, self._arguments) if results else ""
            self.problems += [failed] if failed else []
            return results, samples
        except Exception as error:
            self.problems.append(f"A run failed. {resume_advice.after_failure(error, self._arguments)}")
            peer_processes.leave_after(error)
            raise
        except SystemExit as leaving:
            # The harness exits early after `--tasks list`, but also if a run has no tasks.
            if args.tasks is None and not leaving.code:
                sys.exit(resume_advice.FAILED_STATUS)
            raise
        finally:
            self.problems += saving.problems
            # The model of the next run needs this memory.
            garbage_collection.forget()

    def how_to_go_on(self) -> str:
        """Return how many answers of an interrupted command are stored, and how to resume it."""
        from microbench_tasks.harness import resume_advice

        return resume_advice.how_to_go_on(self._arguments)

    def say(self, text: str) -> None:
        """Print to stderr, only in the first process."""
        if os.environ.get("RANK", "0") == "0":
            sys.stdout.flush()
            print(f"Micro-Bench: {text}", file=sys.stderr)


def _check_arguments(args: Any) -> None:
    """Check arguments before a model is loaded that the harness would reject only after the run, or never.

    Raises:
        DataError: the baseline cannot be compared, a folder cannot be written, or boxes would be read at another scale
            than the model's arguments set.
    """
    from lmms_eval.utils import simple_parse_args_string

    from microbench_tasks import catalog
    from microbench_tasks.harness import capabilities, saving
    from microbench_tasks.tasks import detection

    tasks = catalog.tasks_named((args.tasks or "").split(","))
    if not tasks:
        return
    if args.use_cache:
        root = Path(args.use_cache)
        saving.prepare_folder(root.absolute().parent if root.suffix == ".db" else root, "--use_cache")
    if args.baseline:
        _check_baseline(args, tasks)
    # A model that only chooses among texts is not asked for boxes.
    if any(catalog.ALL_TASKS[task].subject == "boxes" for task in tasks) and not capabilities.needs_choices(args.model):
        detection.check_model_args(args.model, simple_parse_args_string(args.model_args or ""))


def _check_baseline(args: Any, tasks: Sequence[str]) -> None:
    """Refuse a baseline that our tasks cannot be compared with, unless other benchmarks of the run use it."""
    from lmms_eval.baselines import BASELINE_REGISTRY

    from microbench_tasks import catalog
    from microbench_tasks.harness import baseline
    from microbench_tasks.util.errors import DataError

    asks_others = not all(catalog.tasks_named([name]) for name in args.tasks.split(","))
    is_remote = args.baseline.startswith(("hf://", "http")) or args.baseline.split(":")[0] in BASELINE_REGISTRY
    if asks_others and is_remote:
        return
    baseline.check(args.baseline, tasks)
    if not args.log_samples:
        raise DataError("--baseline compares samples, which are saved only with --log_samples. Add --log_samples.")
