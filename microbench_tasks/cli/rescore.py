"""``microbench rescore``: score a logged run again, without a model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.output_files import check_form, write_outputs
from microbench_tasks.cli.run_choice import add_run_option
from microbench_tasks.util.similar_sentences import merge_similar
from microbench_tasks.util.text_safety import printable_line

if TYPE_CHECKING:
    from microbench_tasks.runs.logged_runs import LoggedRun
    from microbench_tasks.runs.rescoring import Rescored


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="LOGS",
        help="folder of a run, its …_results.json, or its …_samples_….jsonl files",
    )
    add_run_option(parser)
    parser.add_argument(
        "--new-datasets",
        action="store_true",
        help="also show intervals for new datasets: each dataset counts as one observation, instead of each image",
    )
    parser.add_argument(
        "--out",
        dest="out_files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="also write .json (all scores, letter histograms and results of variants), .csv (a line for each score), "
        ".tex (LaTeX with booktabs) or .md (the summary); may be repeated",
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.analysis import run_summary, run_summary_text
    from microbench_tasks.runs import found_runs, new_datasets, rescoring, score_table

    # Before the samples are read, which takes long.
    for out in options.out_files:
        check_form(out, _FORMS)
    run = found_runs.find_run(options.paths, options.run)
    rescored = rescoring.rescore(run)
    if options.new_datasets:
        rescored.new_datasets = new_datasets.dataset_intervals(rescored)
        if not rescored.new_datasets:
            rescored.notes.append("no interval for new datasets: every task asks about a single dataset")
    print("\n".join(run_summary_text.as_lines(run_summary.of_rescored(run, rescored), str(_place(run)))), end="\n\n")
    print(score_table.render_scores(rescored))
    if run.other_tasks:
        rescored.notes.append(
            f"not scored, as these are not Micro-Bench's own tasks: {', '.join(sorted(set(run.other_tasks)))}"
        )
    for note in merge_similar(rescored.notes):
        print(f"note: {printable_line(note)}")
    write_outputs({out: _FORMS[out.suffix](run, rescored) for out in options.out_files})


def _place(run: LoggedRun) -> Path:
    """Return the beginning of the paths of the run's files."""
    return next(iter(run.samples.values())).with_name(f"{run.name}_…")


def _as_json(run: LoggedRun, rescored: Rescored) -> str:
    from microbench_tasks.tasks.interval_settings import interval_settings

    origin = {
        "run": run.name,
        "interval": interval_settings(),
        "metadata": {task: run.metadata(task).model_dump(exclude_unset=True) for task in run.samples},
    }
    return json.dumps(origin | rescored.summary(), indent=1)


def _as_csv(run: LoggedRun, rescored: Rescored) -> str:
    from microbench_tasks.runs import score_records

    return score_records.as_csv(rescored)


def _as_latex(run: LoggedRun, rescored: Rescored) -> str:
    from microbench_tasks.analysis import run_summary, run_summary_text

    return run_summary_text.as_latex(run_summary.of_rescored(run, rescored), run.name)


def _as_markdown(run: LoggedRun, rescored: Rescored) -> str:
    from microbench_tasks.analysis import run_summary, run_summary_text

    return run_summary_text.as_markdown(run_summary.of_rescored(run, rescored), run.name)


# By the suffix of the file.
_FORMS: dict[str, Callable[[LoggedRun, Rescored], str]] = {
    ".json": _as_json,
    ".csv": _as_csv,
    ".tex": _as_latex,
    ".md": _as_markdown,
}


COMMAND = Command(
    name="rescore",
    summary="score a logged run again, without a model",
    description="Compute every score of a run again from the samples that lmms_eval --log_samples "
    "(or --predict_only) wrote.",
    examples=(
        "microbench rescore ./results --out scores.json --out scores.csv --out table.tex",
        "microbench rescore ./results --new-datasets",
    ),
    add_options=_add_options,
    run=_run,
)
