"""``microbench report``: plot runs on one page, and compare them."""

from __future__ import annotations

import argparse
from pathlib import Path

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.progress import progress_bar, quiet_harness
from microbench_tasks.cli.run_choice import add_run_option
from microbench_tasks.util.text_safety import printable_line


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="folder of a run with logged samples (or its …_results.json), of a submission, of microbench run, or of "
        "microbench sweep",
    )
    add_run_option(parser, repeatable=True)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to write; an earlier report there is replaced, anything else is left alone",
    )
    parser.add_argument(
        "--examples",
        type=int,
        default=None,
        metavar="N",
        help="how many right, wrong, unparsed and localized examples to show of each run (default: 4; of three or more "
        "runs none without --details)",
    )
    parser.add_argument(
        "--details",
        action="store_true",
        help="of three or more runs, also show examples, and a confusion matrix for each run and task",
    )
    parser.add_argument("--seed", type=int, default=0, help="choose other examples (default: %(default)s)")


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.report import folder, writing

    with quiet_harness():
        report = writing.write(
            options.runs,
            options.out,
            options.examples,
            options.seed,
            progress_bar,
            options.run,
            with_details=options.details,
        )
    for text in (*report.left_out, *(f"note: {note}" for note in report.notes)):
        print(printable_line(text))
    print(f"{report.folder / folder.PAGE}: {report.num_plots} plots of {', '.join(report.labels)}")


COMMAND = Command(
    name="report",
    summary="plot runs, and compare them",
    description="Plot runs: accuracy by task, ability, modality, domain, pathology and scale, confusions, "
    "calibration, letters, boxes, curves along alpha, examples with their micrographs. Several runs are compared. "
    "Writes one self-contained HTML page, every plot as PNG and PDF, and every number as JSON. Slices and examples "
    "need the data that the run was asked about (MICROBENCH_DATASET, MICROBENCH_COGNITION).",
    examples=(
        "MICROBENCH_DATASET=demo microbench report ./results --out report",
        "microbench report results_clip results_plip submission_3 --out comparison",
        "microbench report ./sweep --out forgetting",
    ),
    add_options=_add_options,
    run=_run,
)
