"""Parse a command line of ``microbench`` and run its command."""

from __future__ import annotations

import argparse
import gc
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from microbench_tasks.cli import (
    compare,
    completion,
    demo_data,
    doctor,
    leaderboard,
    merge,
    models,
    new_dataset,
    path,
    report,
    rescore,
    run,
    submit,
    sweep,
    tasks,
    verify,
    verify_data,
    version,
)
from microbench_tasks.cli.columns import two_columns
from microbench_tasks.data import setting_names
from microbench_tasks.util import suggestions, terminal
from microbench_tasks.util.text_safety import printable_line

# By the step of the work, in the order of the overview.
STEPS = {
    "set up": (doctor.COMMAND, models.COMMAND, tasks.COMMAND, path.COMMAND, completion.COMMAND),
    "prepare data": (demo_data.COMMAND, new_dataset.COMMAND, verify_data.COMMAND),
    "evaluate (one model: lmms_eval)": (run.COMMAND, merge.COMMAND, sweep.COMMAND),
    "look at runs": (rescore.COMMAND, compare.COMMAND, report.COMMAND),
    "publish": (submit.COMMAND, verify.COMMAND, leaderboard.COMMAND),
}
COMMANDS = tuple(command for commands in STEPS.values() for command in commands)
# What shells report for a program that wrote to a closed pipe: 128 plus the number of SIGPIPE.
_CLOSED_PIPE = 141
# The same for Ctrl-C: 128 plus the number of SIGINT.
_INTERRUPTED = 130
_AGAIN = "No file is left half written. To start again, type the same command."
# In messages of argparse.
_INVALID_CHOICE = re.compile(r"invalid choice: '(?P<typed>[^']*)' \(choose from (?P<choices>.*)\)")
_LEAST_BESIDE_OTHERS = 0.85
# What argparse exits with for a wrong command line, such as one without a command.
_WRONG_USAGE = 2


def main(arguments: list[str] | None = None) -> None:
    """Parse and run one command.

    Args:
        arguments: of the command line; by default those of this process.

    Raises:
        SystemExit: the command failed. For bad input, the exit status is 1 and the message goes to standard error.
    """
    terminal.printable_logs()
    with terminal.printable_streams():
        _run(_parse(arguments))


def build_parser(*, lists_commands: bool = False) -> argparse.ArgumentParser:
    """Build the parser of the script with all of its commands.

    Args:
        lists_commands: whether argparse lists the commands, too, which readers of the parser need.
    """
    parser = _Parser(
        prog="microbench",
        description="Commands around Micro-Bench runs of lmms-eval.",
        epilog="\n".join(_overview()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action=version.PrintVersions, help="print the versions of this package and of lmms-eval, and exit"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", help="one of those below")
    for command in COMMANDS:
        command.add_to(commands, is_listed=lists_commands)
    return parser


def _overview() -> Iterator[str]:
    """Yield the commands by the step of the work to which they belong."""
    width = max(len(command.name) for command in COMMANDS)
    for step, commands in STEPS.items():
        yield f"{step}:"
        yield from two_columns(((command.name, command.summary) for command in commands), 4, width)
    yield "\nmicrobench COMMAND --help describes a command, with examples."


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = build_parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help(sys.stderr)
        sys.exit(_WRONG_USAGE)
    options, unknown = parser.parse_known_args(arguments)
    if unknown and not options.command.passes_on_options:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    options.harness_arguments = unknown
    # Commands cannot import this module, which imports them.
    options.build_parser = build_parser
    return options


class _Parser(argparse.ArgumentParser):
    """Parse arguments; errors suggest what may have been meant, and print what was typed on one printable line."""

    _typed: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as usual, and keep the arguments for the message of an error."""
        self._typed = sys.argv[1:] if args is None else args
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print usage, the message and a suggestion, and exit with status 2."""
        command = self.get_default("command")
        # What the parser does not know may be an option of the harness, such as --limit, which is close to --list.
        close = (_LEAST_BESIDE_OTHERS,) if command is not None and command.passes_on_options else ()
        suggestion = suggestions.for_options(self._typed, self._option_string_actions, *close)
        if (match := _INVALID_CHOICE.search(message)) is not None:
            suggestion = suggestions.did_you_mean(match["typed"], match["choices"].replace("'", "").split(", "))
        super().error(printable_line(f"{message}. {suggestion}" if suggestion else message).rstrip())


def _run(options: argparse.Namespace) -> None:
    message = ""
    try:
        setting_names.check()
        options.command.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as head, has stopped. Discard the rest, or Python would report the closed pipe at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_CLOSED_PIPE)
    except KeyboardInterrupt:
        print(f"microbench: interrupted by Ctrl-C. {_AGAIN}", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except (ValueError, OSError) as error:
        message = f"microbench: error: {_message(error, getattr(options, 'out', None))}"
    # Exit outside of the handler: the exception kept progress bars alive, which would share the line. An exception of
    # another process is part of a reference cycle, so that only the collector ends its bar.
    if message:
        gc.collect()
        sys.exit(message)


def _message(error: Exception, out: Path | None) -> str:
    """Return the message of an error; if it is about writing ``--out``, say so."""
    if not isinstance(error, OSError) or error.strerror is None or out is None:
        return str(error)
    if error.filename is not None and not _is_of(out.absolute(), Path(os.fsdecode(error.filename)).absolute()):
        return str(error)
    return f"--out {out}: cannot be written ({error.strerror}). Name another place."


def _is_of(out: Path, file: Path) -> bool:
    """Tell whether a file belongs to what is written at ``out``: drafts stand beside it, under its name with a dot."""
    if not file.is_relative_to(out.parent):
        # A folder above that could not be made.
        return out.is_relative_to(file)
    names = file.relative_to(out.parent).parts
    return not names or names[0] == out.name or names[0].startswith(f".{out.name}-")
