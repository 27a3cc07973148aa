"""The script ``lmms_eval``: the harness's own command line, with early refusals and an honest exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from microbench_tasks import start_up, terminal

# Commands that neither index tasks nor load models; they start without importing torch.
_LIGHT_COMMANDS = ("-h", "--help", "version")

# Where the wrapped function of the harness is kept.
_WRAPPED = "_microbench_wraps"


def main() -> None:
    """Run the harness's dispatcher; exit 1 if a run failed or no task was named.

    The harness prints the error of a failed run and exits 0.
    """
    failures: list[BaseException] = []
    with start_up.of_a_command():
        _dispatch(sys.argv[1:], failures)
    if failures:
        sys.exit(1)


def _dispatch(arguments: list[str], failures: list[BaseException]) -> None:
    if arguments and arguments[0] not in _LIGHT_COMMANDS:
        from microbench_tasks import plugin

        plugin.register()
        if arguments[0] == "eval" or arguments[0].startswith("-"):
            _record_failures(failures)

    from lmms_eval.cli import dispatch

    dispatch.main()


def _record_failures(failures: list[BaseException]) -> None:
    """Note the errors of single runs, which the harness prints and then forgets."""
    import lmms_eval.__main__ as harness

    # Data sets, caches and answers of servers are quoted in messages.
    terminal.printable_logs()
    evaluate_one = getattr(harness.cli_evaluate_single, _WRAPPED, harness.cli_evaluate_single)

    def recording(args):
        try:
            _check_arguments(args)
            return evaluate_one(args)
        except Exception as error:
            failures.append(error)
            raise
        except SystemExit:
            # Leaving early is how the harness ends `--tasks list`, but also a run without tasks.
            if args.tasks is None:
                sys.exit(1)
            raise
        finally:
            # Of several runs, the next one's model needs the memory of this one's.
            start_up.forget()

    # Wrapped anew by every call of `main` in one process, but not around each other.
    setattr(recording, _WRAPPED, evaluate_one)
    harness.cli_evaluate_single = recording


def _check_arguments(args) -> None:
    """Refuse before a model is loaded what the harness would find out after the run, or never.

    Raises:
        DataError: the baseline cannot be compared, or boxes would be read at another scale than
            the model's arguments set.
    """
    from lmms_eval.utils import simple_parse_args_string

    from microbench_tasks import catalog, detection

    tasks = catalog.tasks_named((args.tasks or "").split(","))
    if not tasks:
        return
    if args.baseline:
        _check_baseline(args, tasks)
    if any(catalog.ALL_TASKS[task].subject == "boxes" for task in tasks):
        detection.check_model_args(args.model, simple_parse_args_string(args.model_args or ""))


def _check_baseline(args, tasks: Sequence[str]) -> None:
    """Refuse a baseline that tasks of ours cannot be compared with, unless it is one for the other benchmarks of the run."""
    from lmms_eval.baselines import BASELINE_REGISTRY

    from microbench_tasks import baseline, catalog
    from microbench_tasks.schema import DataError

    asks_others = not all(catalog.tasks_named([name]) for name in args.tasks.split(","))
    is_remote = args.baseline.startswith(("hf://", "http")) or args.baseline.split(":")[0] in BASELINE_REGISTRY
    if asks_others and is_remote:
        return
    baseline.check(args.baseline, tasks)
    if not args.log_samples:
        raise DataError("--baseline compares samples, which the harness keeps with --log_samples only: add it.")
