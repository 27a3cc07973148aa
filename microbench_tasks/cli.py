"""The script ``microbench``: what a user needs around a run of the harness."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from microbench_tasks import plugin
from microbench_tasks.schema import DataError


def main(arguments: list[str] | None = None) -> None:
    """Parse and run one subcommand; bad input ends with its message and status 1."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        sys.exit(f"microbench: error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="microbench", description="Helpers around Micro-Bench runs of lmms-eval.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    path = commands.add_parser(
        "path",
        help="print the folder of task definitions",
        description="Print the folder of task definitions, for the harness's --include_path.",
        epilog='example: lmms-eval tasks list --include-path "$(microbench path)"',
    )
    path.set_defaults(run=_print_path)

    demo_data = commands.add_parser(
        "demo-data",
        help="write the demo set as Parquet",
        description="Write the demo set (drawn micrographs in the release's columns) as Parquet files.",
        epilog="example: microbench demo-data ./demo && MICROBENCH_DATASET=./demo lmms_eval --model demo_clip --tasks microbench_coarse",
    )
    demo_data.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist yet")
    demo_data.add_argument("--seed", type=int, default=None, help="draw other micrographs (default: those of MICROBENCH_DATASET=demo)")
    demo_data.set_defaults(run=_write_demo_data)
    return parser


def _print_path(options: argparse.Namespace) -> None:
    print(plugin.yaml_folder())


def _write_demo_data(options: argparse.Namespace) -> None:
    from microbench_tasks import demo

    if options.folder.exists():
        raise DataError(f"{options.folder} exists already. Name a folder that does not exist yet.")
    seed = demo.DEMO_SEED if options.seed is None else options.seed
    print(demo.build(options.folder, seed=seed))
