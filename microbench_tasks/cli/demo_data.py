"""``microbench demo-data``: write the demo set as Parquet files."""

from __future__ import annotations

import argparse
from pathlib import Path

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.output_files import check_place
from microbench_tasks.util.errors import DataError


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist yet")
    parser.add_argument(
        "--seed",
        type=int,
        default=None,
        help="number that chooses the micrographs (default: those of MICROBENCH_DATASET=demo)",
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.demo import demo_set
    from microbench_tasks.demo.version import DEMO_SEED

    if options.folder.exists():
        raise DataError(f"{options.folder} exists already. Name a folder that does not exist yet.")
    check_place(options.folder, "DIR")
    try:
        print(demo_set.build(options.folder, seed=DEMO_SEED if options.seed is None else options.seed))
    except OSError as error:
        raise DataError(
            f"{options.folder}: cannot be written ({error.strerror or error}). Name another place."
        ) from error


COMMAND = Command(
    name="demo-data",
    summary="write the demo set as Parquet",
    description="Write the demo set (synthetic micrographs with the columns of the release) as Parquet files.",
    examples=(
        "microbench demo-data ./demo && "
        "MICROBENCH_DATASET=./demo lmms_eval --model demo_clip --tasks microbench_coarse",
    ),
    add_options=_add_options,
    run=_run,
)
