"""``microbench completion``: print the script that lets a shell complete commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from microbench_tasks.cli.command import Command

_SHELLS = ("bash", "zsh", "tcsh")
# Arguments that name a file and are no path: a list of models may also be one of the package.
_FILES = (("run", "models"),)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=_SHELLS, help="the shell that you type in")


def _run(options: argparse.Namespace) -> None:
    import shtab

    parser = options.build_parser(lists_commands=True)
    names = _names()
    for command, of_command in _subparsers_of(parser):
        for action in of_command._actions:
            if action.type is Path or (command, action.dest) in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # Where shtab looks for it.
            elif (command, action.dest) in names:
                # For the script alone: commands say more of a wrong name than argparse does.
                action.choices = names[command, action.dest]
    print(shtab.complete(parser, shell=options.shell))


def _names() -> dict[tuple[str, str], list[str]]:
    """Return the names that options and arguments of commands take."""
    from microbench_adapters import manifests
    from microbench_tasks import catalog

    models, groups = list(manifests.class_paths()), [*catalog.GROUPS, *catalog.TAGS, catalog.OWN_TAG]
    tasks = [*groups, *catalog.ALL_TASKS]
    return {
        ("models", "name"): models,
        ("tasks", "text"): list(catalog.ALL_TASKS),
        ("tasks", "group"): groups,
        ("run", "tasks"): tasks,
        ("sweep", "model"): models,
        ("sweep", "tasks"): tasks,
    }


def _subparsers_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the parsers of the commands with their names."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


COMMAND = Command(
    name="completion",
    summary="print a script for completion in a shell",
    description="Print a script that lets bash, zsh or tcsh complete the commands and options of microbench, and the "
    "names of tasks and models. docs/commands.md says where it goes.",
    examples=('eval "$(microbench completion bash)"',),
    add_options=_add_options,
    run=_run,
)
