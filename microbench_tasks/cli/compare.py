"""``microbench compare``: compare runs question by question."""

from __future__ import annotations

import argparse
from pathlib import Path

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.output_files import check_form, check_output_file
from microbench_tasks.cli.progress import progress_bar
from microbench_tasks.cli.run_choice import add_run_option
from microbench_tasks.util.errors import DataError


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="folder of a run with logged samples (or its …_results.json), of a submission, or of microbench run; the "
        "first run is the reference",
    )
    add_run_option(parser, repeatable=True)
    parser.add_argument(
        "--against",
        default="",
        metavar="NAME",
        help="of three or more runs, compare each with this one alone (its model, or the name of the run), instead of "
        "all pairs",
    )
    parser.add_argument(
        "--by-task",
        action="store_true",
        help="of three or more runs, also print all tasks, and not the groups alone; files in .csv and .json always "
        "have all",
    )
    parser.add_argument(
        "--changes",
        type=Path,
        default=None,
        metavar="FILE",
        help="also write each question that was answered differently, as CSV",
    )
    parser.add_argument(
        "--out",
        dest="out_files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="also write the comparison as .csv, .json or .tex (LaTeX with booktabs); may be repeated",
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.analysis import comparison, comparison_text, loaded_runs
    from microbench_tasks.util import files

    # Before the runs are read, which takes long.
    for out in options.out_files:
        check_form(out, comparison_text.FORMS)
    if options.changes is not None:
        check_output_file(options.changes, "--changes")
        if options.changes in options.out_files:
            raise DataError(f"--changes {options.changes}: is the file of --out, too. Name another one.")
    runs = loaded_runs.load_distinct_runs(options.runs, options.run, progress_bar)
    compared = comparison.compare_runs(runs, options.against)
    print(comparison_text.as_terminal_text(compared, by_task=options.by_task))
    contents = {
        out: comparison_text.in_form(compared, out.suffix, by_task=options.by_task).encode()
        for out in options.out_files
    }
    if options.changes is not None:
        contents[options.changes] = comparison_text.changes_as_csv(compared.changes).encode()
    for path, content in contents.items():
        files.write_file(path, content)


COMMAND = Command(
    name="compare",
    summary="compare runs question by question",
    description="Compare two or more runs or submissions on the questions that they have in common: the difference by "
    "task and group with its interval and exact p-values, and which answers changed. The first run is the reference; "
    "of three or more runs, all pairs are compared, or each run with the one of --against. Needs no model and no data.",
    examples=(
        "microbench compare results guessing",
        "microbench compare comparison --against demo_clip",
        "microbench compare results guessing --out table.tex --out table.csv --changes changes.csv",
    ),
    add_options=_add_options,
    run=_run,
)
