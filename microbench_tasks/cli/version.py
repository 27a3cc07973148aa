"""``microbench --version``: print the versions of this package and of lmms-eval."""

from __future__ import annotations

import argparse


class PrintVersions(argparse.Action):
    """Print the versions, and exit; reads no metadata of packages before."""

    def __init__(self, option_strings: list[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *arguments: object) -> None:
        """Print the versions, and exit."""
        from microbench_tasks.harness import installed_version

        print(installed_version.describe())
        parser.exit()
