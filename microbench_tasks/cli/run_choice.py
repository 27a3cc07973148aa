"""The option ``--run`` of commands that read runs: which run of a folder that contains several."""

from __future__ import annotations

import argparse


def add_run_option(parser: argparse.ArgumentParser, *, repeatable: bool = False) -> None:
    """Add ``--run`` to the parser of a command.

    Args:
        parser: of the command.
        repeatable: whether several runs of a folder can be chosen; ``options.run`` is then a list.
    """
    parser.add_argument(
        "--run",
        action="append" if repeatable else "store",
        default=[] if repeatable else None,
        metavar="NAME",
        help="which run, if a folder contains several: latest, its name, or the name of its model in the list of "
        "microbench run. Without it, the names are listed"
        + ("; may be repeated to take several" if repeatable else ""),
    )
