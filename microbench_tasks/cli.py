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
        options.run_command(options)
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
    path.set_defaults(run_command=_print_path)

    demo_data = commands.add_parser(
        "demo-data",
        help="write the demo set as Parquet",
        description="Write the demo set (drawn micrographs in the release's columns) as Parquet files.",
        epilog="example: microbench demo-data ./demo && MICROBENCH_DATASET=./demo lmms_eval --model demo_clip --tasks microbench_coarse",
    )
    demo_data.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist yet")
    demo_data.add_argument("--seed", type=int, default=None, help="draw other micrographs (default: those of MICROBENCH_DATASET=demo)")
    demo_data.set_defaults(run_command=_write_demo_data)

    rescore = commands.add_parser(
        "rescore",
        help="score a logged run again, without a model",
        description="Compute every score of a run again from the samples that lmms_eval --log_samples (or --predict_only) wrote.",
        epilog="example: microbench rescore ./results --out scores.json",
    )
    rescore.add_argument("paths", type=Path, nargs="+", metavar="LOGS", help="folder of a run, or its …_samples_….jsonl files")
    rescore.add_argument("--run", default=None, metavar="NAME", help="which run, if the folder holds several: what stands before _samples_ in the files' names")
    rescore.add_argument("--out", type=Path, default=None, metavar="FILE", help="also write all scores and letter histograms as JSON")
    rescore.set_defaults(run_command=_rescore)
    return parser


def _print_path(options: argparse.Namespace) -> None:
    print(plugin.yaml_folder())


def _rescore(options: argparse.Namespace) -> None:
    import json

    from microbench_tasks import files, rescoring
    from microbench_tasks.aggregations import interval_settings

    run = rescoring.find_run(options.paths, options.run)
    rescored = rescoring.rescore(run)
    print(rescoring.as_table(rescored))
    if run.others:
        rescored.notes.append(f"not scored, as these are not Micro-Bench's own tasks: {', '.join(sorted(set(run.others)))}")
    for note in rescored.notes:
        print(f"note: {note}")
    if options.out is not None:
        origin = {"run": run.name, "interval": interval_settings(), "metadata": {task: run.metadata(task) for task in run.samples}}
        files.write_file(options.out, json.dumps(origin | vars(rescored), indent=1).encode())


def _write_demo_data(options: argparse.Namespace) -> None:
    from microbench_tasks import demo

    if options.folder.exists():
        raise DataError(f"{options.folder} exists already. Name a folder that does not exist yet.")
    seed = demo.DEMO_SEED if options.seed is None else options.seed
    print(demo.build(options.folder, seed=seed))
