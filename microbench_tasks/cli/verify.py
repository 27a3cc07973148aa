"""``microbench verify``: check a submission against its answers and the data."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.progress import progress_bar, quiet_harness
from microbench_tasks.util.text_safety import printable_line


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("submission", type=Path, metavar="SUBMISSION", help="the folder that microbench submit wrote")
    parser.add_argument(
        "--without-data", action="store_true", help="check only whether the submission is consistent in itself"
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.submissions import reading, verification

    num_failed = 0
    with quiet_harness():
        for check in verification.verify(options.submission, with_data=not options.without_data, progress=progress_bar):
            print(check, flush=True)
            num_failed += check.failed
    if num_failed:
        sys.exit(
            f"microbench: {printable_line(str(options.submission))} verification failed: {num_failed} check(s) FAILED"
        )
    manifest = reading.load_manifest(options.submission)
    print(
        f"{printable_line(manifest.model.name)} on {manifest.data.kind} data, digest {manifest.digest} "
        "(compare it with a published one: a digest is not a signature)"
    )
    _print_limits(options.without_data)


def _print_limits(without_data: bool) -> None:
    from microbench_tasks.submissions import limits

    print("what no check can know:")
    for line in limits.as_lines():
        print(f"  - {line}")
    if without_data:
        print(
            "CONSISTENCY ONLY: questions, right answers and images have not been compared with the data. "
            "Leave out --without-data to do so."
        )


COMMAND = Command(
    name="verify",
    summary="check a submission from its answers and the data",
    description="Compute a submission's scores again from its answers, and compare every answer with the data that "
    "MICROBENCH_DATASET (and MICROBENCH_COGNITION) names. Exits with status 1 if a check fails.",
    examples=(
        "MICROBENCH_DATASET=/data/uBench microbench verify my_clip_submission",
        "microbench verify --without-data my_clip_submission",
    ),
    add_options=_add_options,
    run=_run,
)
