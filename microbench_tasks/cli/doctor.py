"""``microbench doctor``: check the installation, the data and the patches of lmms-eval."""

from __future__ import annotations

import argparse
import sys
import textwrap
from typing import TYPE_CHECKING

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.progress import quiet_harness

if TYPE_CHECKING:
    from microbench_tasks.harness import installation_check


_WIDTH = 100


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--patches",
        action="store_true",
        help="describe each patch of lmms-eval: what it replaces, why, and when it can be removed",
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.harness import installation_check

    problems: list[str] = []
    with quiet_harness():
        for part in (*installation_check.check(describes_patches=options.patches), _models()):
            print(part.title)
            for line in part.lines:
                print("\n".join(_wrapped(line)))
            print()
            problems += part.problems
    for problem in problems:
        print(f"problem: {problem}")
    if problems:
        sys.exit(f"microbench: {len(problems)} problem(s) found")
    print("No problems found.")


def _wrapped(line: str) -> list[str]:
    """Indent a line, and wrap it unless it has an indent of its own, as descriptions of patches have."""
    if line.startswith(" "):
        return [f"  {line}"]
    return textwrap.wrap(
        line,
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        # Paths and commands are to be copied.
        break_on_hyphens=False,
        break_long_words=False,
    ) or [""]


def _models() -> installation_check.Part:
    """List the models that could run, and why others cannot; their packages are optional."""
    from microbench_tasks.cli import models
    from microbench_tasks.harness.installation_check import Part

    reasons = {model.name: models.missing_for(model) for model in models.describe_models()}
    can_run = [name for name, reason in reasons.items() if not reason]
    lines = [f"can run: {', '.join(can_run)}"]
    lines += [f"cannot run: {name}: {reason}" for name, reason in reasons.items() if reason]
    return Part("Models of this package", lines, [] if can_run else ["No model can run. See the lines about models."])


COMMAND = Command(
    name="doctor",
    summary="check the installation",
    description="Print the versions of packages, the GPUs, the data that MICROBENCH_DATASET, MICROBENCH_COGNITION and "
    "MICROBENCH_OWN name, the patches of lmms-eval and whether each fits the installed version, and the models that "
    "could run. Exits with status 1 if something is missing that runs need, and says what mends it.",
    examples=("MICROBENCH_DATASET=demo microbench doctor", "microbench doctor --patches"),
    add_options=_add_options,
    run=_run,
)
