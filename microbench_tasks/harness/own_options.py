"""Options that this package adds to ``lmms_eval``; the harness's own parser does not know them.

To add one, add a field to `OwnOptions` and an argument of the same name to `_parser`.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_QUIET_VERBOSITY = ("--verbosity", "WARNING")


@dataclass(frozen=True)
class OwnOptions:
    """Hold the values of the additional options.

    Attributes:
        quiet: whether to print the summary of each run alone, without the harness's tables and progress messages.
        run_name: takes the place of the date in the names of the run's files (`microbench_tasks.harness.run_names`).
    """

    quiet: bool = False
    run_name: str = ""


def split(arguments: Sequence[str]) -> tuple[OwnOptions, list[str]]:
    """Take the additional options out of the arguments of an evaluation.

    Returns:
        Their values, and the arguments for the harness, in their order.

    >>> split(["--model", "demo_clip", "--quiet", "--verbosity", "DEBUG"])
    (OwnOptions(quiet=True, run_name=''), ['--model', 'demo_clip', '--verbosity', 'DEBUG'])
    """
    values, others = _parser().parse_known_args(list(arguments))
    options = OwnOptions(**vars(values))
    says_verbosity = any(part.partition("=")[0] == _QUIET_VERBOSITY[0] for part in others)
    return options, [*others, *(_QUIET_VERBOSITY if options.quiet and not says_verbosity else ())]


def write_out(arguments: Sequence[str], known: Collection[str]) -> list[str]:
    """Write out options whose first letters were typed, up to ``--``, after which there are no options.

    `split` takes only options in full.

    Args:
        arguments: of an evaluation.
        known: the options of the harness and of this package, as typed.

    >>> write_out(["--conf=a.yaml", "--m", "x", "--", "--conf"], ["--config", "--model", "--model_args"])
    ['--config=a.yaml', '--m', 'x', '--', '--conf']
    """
    written: list[str] = []
    for position, part in enumerate(arguments):
        if part == "--":
            return [*written, *arguments[position:]]
        typed, equals, value = part.partition("=")
        meant = [option for option in known if option.startswith(typed)] if typed.startswith("--") else []
        # Several are ambiguous, which the harness reports.
        is_short = typed not in known and len(meant) == 1
        written.append(f"{meant[0]}{equals}{value}" if is_short else part)
    return written


def names() -> list[str]:
    """Return the additional options, as typed."""
    return list(_parser()._option_string_actions)


def help_text() -> str:
    """Describe the additional options, to be printed before the harness's help."""
    return _parser().format_help().partition("\n\n")[2]


def _parser() -> argparse.ArgumentParser:
    # Without abbreviations: a shortened option may be one of the harness.
    parser = argparse.ArgumentParser(prog="lmms_eval", add_help=False, allow_abbrev=False)
    own = parser.add_argument_group("options that Micro-Bench adds")
    own.add_argument(
        "--quiet",
        action="store_true",
        help="print the summary of each run and warnings, without the tables and progress messages of the harness",
    )
    own.add_argument(
        "--run-name",
        default="",
        metavar="NAME",
        help="name of the run, by which --run of other commands finds it (default: the date and time)",
    )
    return parser
