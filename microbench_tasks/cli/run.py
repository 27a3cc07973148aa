"""``microbench run``: evaluate many models in one command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from microbench_tasks.catalog import model_lists
from microbench_tasks.cli.command import Command
from microbench_tasks.util import terminal


class _PrintLists(argparse.Action):
    """Print the lists that ship with the package, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: object) -> None:
        for name, path in model_lists.shipped().items():
            print(f"{name}: {path}")
        parser.exit()


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models",
        metavar="MODELS.yaml",
        help="list of models, or the name of a list that ships with the package (see --list). Each entry below "
        "models: has a model and, if you wish, model_args (as for lmms_eval, or a mapping), name and batch_size",
    )
    parser.add_argument("--tasks", required=True, help="as for lmms_eval")
    parser.add_argument(
        "--output_path",
        type=Path,
        required=True,
        metavar="DIR",
        help="gets a folder for each model with the files of a single run, submissions, and the leaderboard",
    )
    parser.add_argument(
        "--shard",
        metavar="K/N",
        help="evaluate only models K, K+N, K+2N, … of the list: for job arrays, or one process for each GPU",
    )
    parser.add_argument(
        "--list", action=_PrintLists, nargs=0, help="print the lists that ship with the package, and exit"
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_adapters.models import pixel_store
    from microbench_tasks.harness.many_models import command

    request = command.Request(
        options.models, options.tasks, options.output_path, options.shard, options.harness_arguments
    )
    with terminal.raw_streams(), pixel_store.shared():
        status = command.run(request)
    sys.exit(status)


COMMAND = Command(
    name="run",
    summary="evaluate many models",
    description="Evaluate the models of a list in one process, contrastive and generative ones, and rank them. All "
    "options of lmms_eval are accepted, too, for all models; samples are always logged. The list is checked before "
    "anything runs. If a model fails, the others still run. The same command again evaluates only what is missing, "
    "and an interrupted model goes on from what it has stored. Exits with status 1 if a model failed.",
    examples=(
        "microbench run models.yaml --tasks microbench_vqa --output_path comparison",
        "microbench run paper_contrastive --tasks microbench_vqa --output_path paper",
        "CUDA_VISIBLE_DEVICES=1 microbench run models.yaml --tasks microbench --output_path comparison --shard 2/8",
    ),
    add_options=_add_options,
    run=_run,
    passes_on_options=True,
)
