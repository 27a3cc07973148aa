"""``microbench merge``: merge checkpoints into a new one."""

from __future__ import annotations

import argparse
from pathlib import Path

from microbench_tasks.cli.command import Command


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="CHECKPOINT",
        help="the base first, then the checkpoints fine-tuned from it: folders, org/name, hf-hub:org/name, "
        "ARCHITECTURE:tag or names of models",
    )
    parser.add_argument("--method", default="linear", help="linear (default), soup, slerp, task_arithmetic or ties")
    parser.add_argument(
        "--alpha",
        type=float,
        default=None,
        help="weight of the fine-tuned checkpoint: 0 gives the base, 1 the fine-tuned one (default: 0.5 for linear "
        "and slerp, 0.4 for task_arithmetic, 1 for ties)",
    )
    parser.add_argument(
        "--density",
        type=float,
        default=None,
        help="share of each fine-tuned checkpoint's changes that ties keeps (default: 0.2)",
    )
    parser.add_argument(
        "--library",
        dest="loader",
        choices=["open_clip", "transformers_clip", "conch"],
        default=None,
        help="library that loads the checkpoints, if names and files do not show it",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that does not exist yet")


def _run(options: argparse.Namespace) -> None:
    from microbench_adapters.commands.merge import merge_checkpoints

    settings = merge_checkpoints(
        options.checkpoints, options.out, options.method, options.alpha, options.density, options.loader
    )
    merged = ", ".join(part["checkpoint"] for part in settings["of"])
    print(f"{options.out}: {settings['method']} of {merged}, weights SHA-256 {settings['weights_sha256']}")


COMMAND = Command(
    name="merge",
    summary="merge checkpoints into a new one",
    description="Merge contrastive checkpoints of one architecture and save the result in their library's own layout.",
    examples=(
        "microbench merge clip plip --alpha 0.5 --out plip_merged",
        "lmms_eval --model transformers_clip --model_args model=plip_merged --tasks microbench",
        "microbench merge --method soup ./run_1 ./run_2 ./run_3 --out soup",
    ),
    add_options=_add_options,
    run=_run,
)
