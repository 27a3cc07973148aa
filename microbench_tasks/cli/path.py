"""``microbench path``: print the folder of task definitions."""

from __future__ import annotations

import argparse

from microbench_tasks.cli.command import Command
from microbench_tasks.tasks import definitions


def _run(options: argparse.Namespace) -> None:
    print(definitions.yaml_folder())


COMMAND = Command(
    name="path",
    summary="print the folder of task definitions",
    description="Print the folder of task definitions, for the harness's --include_path.",
    examples=('lmms-eval tasks list --include-path "$(microbench path)"',),
    run=_run,
)
