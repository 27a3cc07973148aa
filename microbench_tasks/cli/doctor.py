"""``microbench doctor``: check the installation, the data and the patches of lmms-eval."""

from __future__ import annotations

import argparse
import sys

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.progress import quiet_harness


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.harness import installation_check

    problems: list[str] = []
    with quiet_harness():
        for part in installation_check.check():
            print(f"{part.title}\n")
            for line in part.lines:
                print(f"  {line}".rstrip())
            print()
            problems += part.problems
    for problem in problems:
        print(f"problem: {problem}")
    if problems:
        sys.exit(f"microbench: {len(problems)} problem(s) found")
    print("No problems found.")


COMMAND = Command(
    name="doctor",
    summary="check the installation",
    description="Print the versions of packages, the data that MICROBENCH_DATASET and MICROBENCH_COGNITION name, and "
    "the patches of lmms-eval: what each replaces, why, and whether it fits the installed version. Exits with status "
    "1 if something is missing that runs need.",
    examples=("MICROBENCH_DATASET=demo microbench doctor",),
    run=_run,
)
