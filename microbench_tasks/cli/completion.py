"""``microbench completion``: print the script that lets a shell complete commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from microbench_tasks.cli.command import Command

_SHELLS = ("bash", "zsh", "tcsh")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=_SHELLS, help="the shell that you type in")


def _run(options: argparse.Namespace) -> None:
    import shtab

    parser = options.build_parser(lists_commands=True)
    for command in _subparsers_of(parser):
        for action in command._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # Where shtab looks for it.
    print(shtab.complete(parser, shell=options.shell))


def _subparsers_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of the commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


COMMAND = Command(
    name="completion",
    summary="print a script for completion in a shell",
    description="Print a script that lets bash, zsh or tcsh complete the commands and options of microbench. "
    "docs/commands.md says where it goes.",
    examples=('eval "$(microbench completion bash)"',),
    add_options=_add_options,
    run=_run,
)
