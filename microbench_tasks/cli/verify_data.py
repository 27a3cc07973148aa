"""``microbench verify-data``: compare a copy of the data with the release."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.progress import quiet_harness
from microbench_tasks.util.text_safety import printable_line


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="copy of the release, or a dataset that new-dataset wrote"
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.harness import data_verification

    num_failed = 0
    with quiet_harness():
        for finding in data_verification.verify(options.folder):
            mark = "DIFFERS" if finding.problem else "ok"
            detail = f": {finding.problem}" if finding.problem else ""
            print(printable_line(f"{mark:<8} {finding.what}{detail}"), flush=True)
            num_failed += bool(finding.problem)
    if num_failed:
        sys.exit(f"microbench: {num_failed} difference(s) found")
    print("No differences found.")


COMMAND = Command(
    name="verify-data",
    summary="compare a copy of the data with the release",
    description="Compare a copy of the release with the pinned one: the SHA-256 of each file, the numbers of questions "
    "and rows that are public, every row and every image. A dataset of new-dataset is compared with its description. "
    "Exits with status 1 if something differs.",
    examples=("microbench verify-data /data/uBench", "microbench verify-data ./pollen"),
    add_options=_add_options,
    run=_run,
)
