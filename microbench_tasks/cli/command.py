"""Define what a command of the script ``microbench`` consists of."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_HELP_WIDTH = 100


@dataclass(frozen=True)
class Command:
    """Describe one command.

    Attributes:
        name: as it is typed.
        summary: one line for the overview of all commands.
        description: for the command's own help.
        examples: command lines as they are typed.
        run: executes the command with the parsed options.
        add_options: adds the options to the command's parser.
        passes_on_options: whether options that the parser does not know go to the harness, as
            ``options.harness_arguments``.
    """

    name: str
    summary: str
    description: str
    examples: tuple[str, ...]
    run: Callable[[argparse.Namespace], None]
    add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    passes_on_options: bool = False

    def add_to(self, commands: argparse._SubParsersAction, *, is_listed: bool) -> None:
        """Add the parser of this command to those of the script.

        Args:
            commands: of the script.
            is_listed: whether argparse lists the command itself.
        """
        listing: dict[str, Any] = {"help": self.summary} if is_listed else {}
        parser = commands.add_parser(
            self.name,
            **listing,
            description=textwrap.fill(self.description, _HELP_WIDTH),
            epilog="\n  ".join(("examples:" if len(self.examples) > 1 else "example:", *self.examples)),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            # With abbreviations, --model could be read as a short form of --model_args.
            allow_abbrev=not self.passes_on_options,
        )
        self.add_options(parser)
        parser.set_defaults(command=self, parser=parser)
