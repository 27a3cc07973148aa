"""The script ``lmms_eval``: the harness's command line, with early checks and a nonzero exit status for failed runs."""

from __future__ import annotations

import argparse
import sys

from microbench_tasks.harness import exit_status, garbage_collection, own_options, run_state
from microbench_tasks.harness.many_models.options import command_line
from microbench_tasks.harness.running_command import Command
from microbench_tasks.util import suggestions, terminal
from microbench_tasks.util.errors import DataError

# Of argparse.
_USAGE_STATUS = 2
# Commands that neither index tasks nor load models; they start without importing torch.
_LIGHT_COMMANDS = ("-h", "--help", "version")


def main() -> None:
    """Run the harness's dispatcher, and exit with a nonzero status if a run failed.

    - 0: all questions were asked, answered and scored, and all files were saved.
    - 1: one of these failed, no task was named, or the file of ``--config`` is wrong. The harness alone exits with 0.
    - 130, 143: the run was interrupted by Ctrl-C or SIGTERM.
    """
    command = Command(sys.argv[1:])
    try:
        with garbage_collection.relaxed_gc():
            evaluate(command)
    except KeyboardInterrupt:
        command.print_message(f"Interrupted by Ctrl-C. {command.resume_hint()}")
        sys.exit(exit_status.INTERRUPTED_STATUS)
    except exit_status.Terminated:
        command.print_message(f"Ended by SIGTERM. {command.resume_hint()}")
        raise
    # Errors of a run are problems of the command; this one ended it before any run.
    except DataError as error:
        command.print_message(str(error))
        sys.exit(exit_status.FAILED_STATUS)
    # The harness's tables, which show many figures, stand between the summary and this. Without them, it is repetition.
    if command.quotes and not command.is_quiet:
        command.print_message("to quote:" + "".join(f"\n- {quote}" for quote in dict.fromkeys(command.quotes)))
    if command.problems:
        problems = "\n".join(f"- {problem}" for problem in command.problems)
        command.print_message(f"This command is not complete:\n{problems}")
        sys.exit(exit_status.FAILED_STATUS)


def evaluate(command: Command) -> None:
    """Run the harness on ``sys.argv``; ``command`` collects what went wrong.

    Raises:
        DataError: the file of ``--config`` is wrong; nothing was run.
        KeyboardInterrupt: at Ctrl-C.
        exit_status.Terminated: at SIGTERM.
        SystemExit: the harness ended early, for example for arguments that it does not know.
    """
    run_state.current.command = command
    try:
        with exit_status.catching_sigterm():
            _dispatch(command)
    finally:
        run_state.current.command = None
        run_state.current.own_options = own_options.OwnOptions()


def _dispatch(command: Command) -> None:
    arguments = sys.argv[1:]
    is_evaluation = bool(arguments) and (arguments[0] == "eval" or arguments[0].startswith("-"))
    if arguments and arguments[0] not in _LIGHT_COMMANDS:
        if is_evaluation:
            prepare_evaluation()
            known = known_options()
            command.write_out_options(known)
            arguments = own_options.write_out(arguments, known)
            run_state.current.own_options, sys.argv[1:] = own_options.split(arguments)
            if {"-h", "--help"} & set(arguments):
                print(own_options.help_text())
            _check_config(arguments)
        else:
            from microbench_tasks.harness import plugin

            plugin.register()

    from lmms_eval.cli import dispatch

    try:
        dispatch.main()
    except SystemExit as leaving:
        # The harness's parser has printed its usage and what it does not know.
        if leaving.code == _USAGE_STATUS and is_evaluation and (suggestion := _suggest_options(arguments)):
            print(f"Micro-Bench: {suggestion.rstrip()}", file=sys.stderr)
        raise


def _check_config(arguments: list[str]) -> None:
    from microbench_tasks.harness import config_file, resume_advice

    if (config := resume_advice.option_value(arguments, "--config")) is not None:
        config_file.check(config, {action.dest for action in _harness_parser()._actions})


def _suggest_options(arguments: list[str]) -> str:
    return suggestions.for_options(arguments, known_options())


def known_options() -> list[str]:
    """Return the options of an evaluation, as typed: the harness's and those that this package adds."""
    return [*_harness_parser()._option_string_actions, *own_options.names()]


def _harness_parser() -> argparse.ArgumentParser:
    from lmms_eval.__main__ import parse_eval_args

    with command_line([]):
        parser, _ = parse_eval_args()
    return parser


def prepare_evaluation() -> None:
    """Import the harness, install the patches, and make its messages printable."""
    from microbench_tasks.harness import plugin

    # Before the import, as the harness loads its models by then.
    plugin.register()
    import lmms_eval.__main__  # noqa: F401  Patches of this module wait until it is imported.

    from microbench_tasks.harness.patches import installation

    # Messages may quote untrusted text: names of data, caches, and replies of servers.
    terminal.printable_logs()
    installation.install()
