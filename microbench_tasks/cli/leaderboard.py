"""``microbench leaderboard``: rank submissions."""

from __future__ import annotations

import argparse
from pathlib import Path

from microbench_tasks.cli.command import Command


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "submissions", type=Path, nargs="+", metavar="SUBMISSION", help="folder that microbench submit wrote"
    )
    parser.add_argument(
        "--paper", action="store_true", help="also show the rows of the paper's Table 1, as reported and not re-run"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder for leaderboard.md, .html, .tex, .json, .csv and leaderboard-pairs.csv (default: print Markdown)",
    )


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.leaderboard import files, ranking, text

    if options.out is not None:
        # Before the submissions are read, which takes long.
        files.check_folder(options.out)
    ranked = ranking.load(options.submissions)
    if options.out is None:
        print(text.as_markdown(ranked, with_paper=options.paper), end="")
    else:
        for path in files.write(ranked, options.out, with_paper=options.paper):
            print(path)


COMMAND = Command(
    name="leaderboard",
    summary="rank submissions",
    description="Rank submissions by coarse, fine, cognition and localization, and test which differences are "
    "significant: all pairs at once, on the same questions, image by image. Submissions on other data or of another "
    "version of the tasks are ranked separately.",
    examples=(
        "microbench leaderboard submission_1 submission_2",
        "microbench leaderboard submissions/* --paper --out leaderboard",
    ),
    add_options=_add_options,
    run=_run,
)
