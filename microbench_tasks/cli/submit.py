"""``microbench submit``: write a run as a submission that others can verify."""

from __future__ import annotations

import argparse
from pathlib import Path

from microbench_tasks.cli.command import Command
from microbench_tasks.cli.output_files import check_new_folder
from microbench_tasks.cli.progress import progress_bar
from microbench_tasks.cli.run_choice import add_run_option
from microbench_tasks.util.text_safety import printable_line


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_folder",
        type=Path,
        metavar="RUN_DIR",
        help="the run's --output_path, the folder in it with samples and results file, or that file (…_results.json)",
    )
    parser.add_argument("--model-name", required=True, metavar="NAME", help="name of the model on leaderboards")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that does not exist yet")
    add_run_option(parser)
    parser.add_argument("--model-url", default=None, metavar="URL", help="page that describes the model")
    parser.add_argument(
        "--without-own-data",
        action="store_true",
        help="leave out the tasks of own datasets (MICROBENCH_OWN), whose questions are not public",
    )
    parser.add_argument("--samples-url", default=None, metavar="URL", help="page where this submission is published")


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.runs import found_runs
    from microbench_tasks.submissions import building, hub_formats

    # Before the run is read, which takes long.
    check_new_folder(options.out)
    description = building.Description(options.model_name, options.model_url, options.samples_url)
    run = found_runs.find_run([options.run_folder], options.run)
    written = building.submit(run, description, options.out, progress_bar, with_own_data=not options.without_own_data)
    manifest = written.manifest
    num_samples = manifest.num_samples
    print(
        f"{options.out}: {printable_line(manifest.model.name)} on {manifest.data.kind} data, "
        f"{sum(num_samples.values())} samples of {len(num_samples)} tasks"
    )
    print(f"digest: {manifest.digest}")
    for note in written.notes:
        print(f"note: {printable_line(note)}")
    print(hub_formats.publishing_advice(manifest, options.out))


COMMAND = Command(
    name="submit",
    summary="write a run as a submission that others can verify",
    description="Write a run of lmms_eval --log_samples as a folder with scores, every answer behind them, settings, "
    "a card and the Hub's formats. Nothing is uploaded.",
    examples=(
        'microbench submit ./results --model-name "My CLIP" --model-url https://huggingface.co/me/my-clip '
        "--out my_clip_submission",
    ),
    add_options=_add_options,
    run=_run,
)
