"""``microbench rescore``: score a logged run again, without a model."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.output_files import check_output_file
from microbench_tasks.cli.run_choice import add_run_option
from microbench_tasks.util.text_safety import printable_line

if TYPE_CHECKING:
    from microbench_tasks.runs.logs import LoggedRun
    from microbench_tasks.runs.rescoring import Rescored


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="LOGS", help="folder of a run, or its …_samples_….jsonl files"
    )
    add_run_option(parser)
    parser.add_argument(
        "--new-datasets",
        action="store_true",
        help="also show intervals for new datasets: each dataset counts as one observation, instead of each image",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="FILE",
        help="also write all scores, letter histograms and results of variants as JSON",
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.runs import logs, new_datasets, rescoring, score_table

    if options.out is not None:
        check_output_file(options.out)
    run = logs.find_run(options.paths, options.run)
    rescored = rescoring.rescore(run)
    if options.new_datasets:
        rescored.new_datasets = new_datasets.dataset_intervals(rescored)
        if not rescored.new_datasets:
            rescored.notes.append("no interval for new datasets: every task asks about a single dataset")
    print(score_table.render_scores(rescored))
    if run.other_tasks:
        rescored.notes.append(
            f"not scored, as these are not Micro-Bench's own tasks: {', '.join(sorted(set(run.other_tasks)))}"
        )
    for note in rescored.notes:
        print(f"note: {printable_line(note)}")
    if options.out is not None:
        _write_json(options.out, run, rescored)


def _write_json(out: Path, run: LoggedRun, rescored: Rescored) -> None:
    from microbench_tasks.tasks.interval_settings import interval_settings
    from microbench_tasks.util import files

    origin = {
        "run": run.name,
        "interval": interval_settings(),
        "metadata": {task: run.metadata(task).model_dump(exclude_unset=True) for task in run.samples},
    }
    files.write_file(out, json.dumps(origin | rescored.summary(), indent=1).encode())


COMMAND = Command(
    name="rescore",
    summary="score a logged run again, without a model",
    description="Compute every score of a run again from the samples that lmms_eval --log_samples "
    "(or --predict_only) wrote.",
    examples=("microbench rescore ./results --out scores.json", "microbench rescore ./results --new-datasets"),
    add_options=_add_options,
    run=_run,
)
