"""``microbench sweep``: evaluate merges of two checkpoints for several weights."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from microbench_tasks.catalog import settings
from microbench_tasks.cli.command import Command
from microbench_tasks.util import terminal


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="as for lmms_eval: a contrastive model of this package")
    parser.add_argument("--tasks", required=True, help="as for lmms_eval")
    parser.add_argument(
        "--alpha",
        required=True,
        metavar="START:STOP:STEP",
        help="0:1:0.1 (STOP is included if a step reaches it), or a list such as 0,0.5,1",
    )
    parser.add_argument("--model_args", required=True, help="as for lmms_eval, with merge_with=<base>, without alpha")
    parser.add_argument(
        "--output_path",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the results: a folder for each alpha, and sweep.json",
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_adapters.commands import sweep
    from microbench_tasks.harness import launcher, resume_advice

    arguments = ["--model", options.model, "--tasks", options.tasks, *options.harness_arguments]
    alphas = sweep.parse_alphas(options.alpha)
    try:
        with terminal.raw_streams():
            rows = sweep.run_sweep(
                alphas, arguments, options.model_args, options.output_path, launcher.main, _data_settings()
            )
    except (sweep.SweepInterrupted, sweep.SweepFailedError) as stop:
        left = ",".join(map(sweep.format_alpha, stop.remaining))
        place = ("--output_path", str(options.output_path))
        command = ["sweep", "--alpha", left, *arguments, "--model_args", options.model_args, *place]
        print(
            f"microbench: {len(alphas) - len(stop.remaining)} of {len(alphas)} alphas are done, with results "
            f"in {options.output_path}. Once the cause is fixed, this evaluates the others, and adds them to its "
            "table:\n  "
            f"{resume_advice.shell_command(command, 'microbench')}",
            file=sys.stderr,
        )
        raise
    print(sweep.format_sweep_table(rows))


def _data_settings() -> list[str]:
    """Return the settings of this package in the environment, which decide data and scores."""
    names = [name for name in settings.ALL if name != settings.RUN_NAME]
    return [f"{name}={os.environ[name]}" for name in names if name in os.environ]


COMMAND = Command(
    name="sweep",
    summary="evaluate along the line between two checkpoints",
    description="Evaluate merges of a checkpoint with its base for several alphas, in one process. Each alpha gets "
    "its own results file. Further alphas with the same options are added to a folder's sweep. All "
    "options of lmms_eval are accepted, too.",
    examples=(
        "microbench sweep --alpha 0:1:0.1 --model plip --model_args merge_with=clip --tasks microbench_vqa "
        "--output_path sweep",
    ),
    add_options=_add_options,
    run=_run,
    passes_on_options=True,
)
